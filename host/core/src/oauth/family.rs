//! A family: everything that comes of one authorization, in one record.
//!
//! It begins with a code or at once with tokens, and has at any moment at most one live access token and one live
//! refresh token: each change replaces the whole record, by compare-and-set. Two requests that bring the same code or
//! refresh token can so never both be served, and a request with one that was used before ends the family (RFC 9700
//! §4.14.2, RFC 6749 §4.1.2).
//!
//! Every text names its family. A refresh token also has a part that stays the same as long as the family lives:
//! a text with that part and another secret was a refresh token once, one without was never.

use serde::{Deserialize, Serialize};

use super::client::Grant;
use crate::authn::secret::{self, ID_CHARS, SECRET_CHARS};
use crate::error::CallError;
use crate::name::AccountId;
use crate::random::Random;
use crate::storage::Revision;

/// What every access token begins with.
pub const ACCESS_PREFIX: &str = "muster_at_";
/// What every refresh token begins with.
pub const REFRESH_PREFIX: &str = "muster_rt_";
/// What every authorization code begins with.
pub const CODE_PREFIX: &str = "muster_ac_";

/// How long an authorization code lives, in seconds.
pub const CODE_SECONDS: u64 = 60;

/// Whose rights a family carries, and what ends it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Owner {
    /// An account, as it was at that revision.
    Account { account: String, revision: Revision },
    /// The client itself, as it was at that revision.
    Client { revision: Revision },
}

/// Everything that came of one authorization.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Family {
    /// How it came to be; nothing for tokens a command issued.
    pub(super) grant: Option<Grant>,
    /// The client it is for; nothing for tokens a command issued.
    pub(super) client: Option<String>,
    pub(super) owner: Owner,
    /// What was granted; an access token may have less.
    pub(super) scopes: Vec<String>,
    /// The resource its tokens are for; nothing for this server, whatever it is called.
    pub(super) audience: Option<String>,
    /// In seconds since the epoch, as every moment here.
    pub(super) created: u64,
    pub(super) code: Option<Code>,
    pub(super) access: Option<Access>,
    pub(super) refresh: Option<Refresh>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Code {
    hash: String,
    expires: u64,
    used: bool,
    pub(super) redirect_uri: String,
    pub(super) challenge: String,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Access {
    hash: String,
    pub(super) scopes: Vec<String>,
    pub(super) issued: u64,
    pub(super) expires: u64,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Refresh {
    /// Of the part that stays.
    lineage: String,
    hash: String,
    pub(super) expires: u64,
}

/// What a presented text is to its family.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Presented {
    /// It is valid now.
    Live,
    /// It was valid once and was used: it was probably stolen.
    Reused,
    /// It is nothing, or expired.
    Wrong,
}

/// Texts to hand out.
pub(super) struct Minted {
    pub(super) access: String,
    pub(super) refresh: Option<String>,
}

/// How long tokens live, in seconds.
#[derive(Clone, Copy)]
pub(super) struct Lifetimes {
    pub(super) access: u64,
    /// Nothing for no refresh token.
    pub(super) refresh: Option<u64>,
}

/// The family a text of this kind names.
pub(super) fn family_of<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let rest = if prefix == REFRESH_PREFIX { 2 * SECRET_CHARS } else { SECRET_CHARS };
    secret::id_in(text, prefix, rest)
}

/// The part of a refresh token that stays, with what is before it.
fn lineage_of(text: &str) -> Option<&str> {
    text.get(..REFRESH_PREFIX.len() + ID_CHARS + SECRET_CHARS)
}

impl Family {
    /// The account it is for.
    pub(super) fn account(&self) -> Option<AccountId> {
        match &self.owner {
            Owner::Account { account, .. } => AccountId::parse(account).ok(),
            Owner::Client { .. } => None,
        }
    }

    /// When nothing of it can be valid any more. A family lives at least as long as its code, so that a code that is
    /// used twice is noticed.
    pub(super) fn expires(&self) -> u64 {
        let code = self.code.as_ref().map(|code| code.expires);
        let access = self.access.as_ref().map(|access| access.expires);
        let refresh = self.refresh.as_ref().map(|refresh| refresh.expires);
        [code, access, refresh].into_iter().flatten().max().unwrap_or_default()
    }

    /// Makes a code for it.
    pub(super) fn begin(
        &mut self,
        id: &str,
        redirect_uri: &str,
        challenge: &str,
        random: &dyn Random,
    ) -> Result<String, CallError> {
        let text = format!("{CODE_PREFIX}{id}{}", secret::new_secret(random)?);
        self.code = Some(Code {
            hash: secret::hash(&text),
            expires: self.created + CODE_SECONDS,
            used: false,
            redirect_uri: redirect_uri.to_owned(),
            challenge: challenge.to_owned(),
        });
        Ok(text)
    }

    /// What this code is.
    pub(super) fn code(&self, text: &str, now: u64) -> Presented {
        match &self.code {
            Some(code) if secret::is_hash_of(&code.hash, text) => match code.used {
                true => Presented::Reused,
                false if now < code.expires => Presented::Live,
                false => Presented::Wrong,
            },
            _ => Presented::Wrong,
        }
    }

    /// What this access token is.
    pub(super) fn access(&self, text: &str, now: u64) -> Option<&Access> {
        self.access.as_ref().filter(|access| secret::is_hash_of(&access.hash, text) && now < access.expires)
    }

    /// What this refresh token is.
    pub(super) fn refresh(&self, text: &str, now: u64) -> Presented {
        let (Some(refresh), Some(lineage)) = (&self.refresh, lineage_of(text)) else { return Presented::Wrong };
        if secret::is_hash_of(&refresh.hash, text) {
            return if now < refresh.expires { Presented::Live } else { Presented::Wrong };
        }
        if secret::is_hash_of(&refresh.lineage, lineage) { Presented::Reused } else { Presented::Wrong }
    }

    /// Replaces its tokens by new ones; what was there before is no longer valid. `from` is the refresh token this
    /// comes of, if it comes of one.
    pub(super) fn mint(
        &mut self,
        id: &str,
        scopes: Vec<String>,
        from: Option<&str>,
        lifetimes: Lifetimes,
        now: u64,
        random: &dyn Random,
    ) -> Result<Minted, CallError> {
        let access = format!("{ACCESS_PREFIX}{id}{}", secret::new_secret(random)?);
        let refresh = match lifetimes.refresh {
            None => None,
            Some(seconds) => {
                let lineage = match from.and_then(lineage_of) {
                    Some(lineage) => lineage.to_owned(),
                    None => format!("{REFRESH_PREFIX}{id}{}", secret::new_secret(random)?),
                };
                let text = format!("{lineage}{}", secret::new_secret(random)?);
                self.refresh = Some(Refresh {
                    lineage: secret::hash(&lineage),
                    hash: secret::hash(&text),
                    expires: now.saturating_add(seconds),
                });
                Some(text)
            }
        };
        self.access = Some(Access {
            hash: secret::hash(&access),
            scopes,
            issued: now,
            expires: now.saturating_add(lifetimes.access),
        });
        if let Some(code) = &mut self.code {
            code.used = true;
        }
        Ok(Minted { access, refresh })
    }
}
