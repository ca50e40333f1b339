//! Why a credential was not accepted. The reason is for the log, the audit record and those who may ask for an
//! explanation; a caller is told that the credential is not valid and no more, since more would help to guess.

/// Why a credential was not accepted.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Rejection {
    /// It is of no kind that is known here, or cannot be read.
    Unusable,
    /// No such token or key was given out here, or it was revoked.
    UnknownToken,
    /// Its time is over.
    Expired,
    /// Its time has not begun.
    NotYetValid,
    /// No issuer of that name is trusted.
    UnknownIssuer,
    /// It is for another audience or resource.
    WrongAudience,
    /// It is signed in a way its issuer may not use.
    Algorithm,
    /// None of its issuer's keys is the one it names, or is for its algorithm.
    UnknownSigningKey,
    /// Its issuer's keys could not be had, so nothing can be verified.
    KeysUnavailable,
    /// The signature is not of its issuer.
    BadSignature,
    /// A claim that is needed is missing or has a form it cannot have.
    UnusableClaims,
    /// There is no such account.
    UnknownAccount,
    /// The account is banned.
    Banned,
    /// The account has another password since, was banned since, or was removed and made again.
    Superseded,
    /// The password is not that of the account.
    WrongPassword,
    /// It is of another account than the one that was named with it.
    OtherAccount,
}

impl Rejection {
    /// Every reason there is.
    pub const ALL: [Self; 16] = [
        Self::Unusable,
        Self::UnknownToken,
        Self::Expired,
        Self::NotYetValid,
        Self::UnknownIssuer,
        Self::WrongAudience,
        Self::Algorithm,
        Self::UnknownSigningKey,
        Self::KeysUnavailable,
        Self::BadSignature,
        Self::UnusableClaims,
        Self::UnknownAccount,
        Self::Banned,
        Self::Superseded,
        Self::WrongPassword,
        Self::OtherAccount,
    ];

    /// The stable name of the reason, the same in log, record and explanation.
    pub fn code(self) -> &'static str {
        match self {
            Self::Unusable => "unusable",
            Self::UnknownToken => "unknown-token",
            Self::Expired => "expired",
            Self::NotYetValid => "not-yet-valid",
            Self::UnknownIssuer => "unknown-issuer",
            Self::WrongAudience => "wrong-audience",
            Self::Algorithm => "algorithm-not-allowed",
            Self::UnknownSigningKey => "unknown-signing-key",
            Self::KeysUnavailable => "issuer-keys-unavailable",
            Self::BadSignature => "bad-signature",
            Self::UnusableClaims => "unusable-claims",
            Self::UnknownAccount => "unknown-account",
            Self::Banned => "banned",
            Self::Superseded => "superseded",
            Self::WrongPassword => "wrong-password",
            Self::OtherAccount => "other-account",
        }
    }

    /// The reason of that name.
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.code() == code)
    }

    /// What can be done so that such a credential is accepted, for those who may ask.
    pub fn advice(self) -> &'static str {
        match self {
            Self::Unusable => "present `Basic` with user@host and password, or `Bearer` with a token or API key",
            Self::UnknownToken => "issue another token or key; this one was revoked, or was not issued by this host",
            Self::Expired => "present a token that is still valid, and compare the clocks of both machines",
            Self::NotYetValid => "wait until the token is valid, and compare the clocks of both machines",
            Self::UnknownIssuer => "add the token's `iss` to `issuers` in the configuration, letter for letter",
            Self::WrongAudience => {
                "request a token for an `audience` of `issuers` or for this resource, or add its audience to `issuers`"
            }
            Self::Algorithm => {
                "add the token's `alg` to `algorithms` of its issuer, if the issuer may use this algorithm"
            }
            Self::UnknownSigningKey => {
                "compare the token's `kid` and `alg` with the issuer's key set; `config reload` fetches it again"
            }
            Self::KeysUnavailable => {
                "see the log for why the issuer's key set cannot be fetched; `config reload` fetches it again"
            }
            Self::BadSignature => "request a token from the issuer; this one has a signature of another key",
            Self::UnusableClaims => "compare the token's claims with `account_claim` and `scope_claim` of its issuer",
            Self::UnknownAccount => "register the account, or present a credential of an existing account",
            Self::Banned => "lift the ban with `unban_account`",
            Self::Superseded => {
                "log in again: since the token was issued, the password of the account changed, or the account was \
                 banned or created again"
            }
            Self::WrongPassword => "present the account's password, or set another with `change_password`",
            Self::OtherAccount => "name the account of the token or key",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::CallError;

    #[test]
    fn each_code_is_one_reason_and_no_caller_is_told() {
        for reason in Rejection::ALL {
            assert_eq!(Rejection::parse(reason.code()), Some(reason));
            let error = CallError::from(reason);
            assert_eq!(
                (error.code(), error.detail().as_str()),
                ("unauthenticated", "the presented credential is not valid")
            );
        }
    }
}
