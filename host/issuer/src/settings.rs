//! What the operator says about an issuer.

use std::path::PathBuf;
use std::time::Duration;

/// A way to sign, by a key whose public half is published (RFC 7518 §3.1, RFC 8037).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "the names of the standard say all there is")]
pub enum Algorithm {
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    EdDSA,
}

impl Algorithm {
    /// Every algorithm. Deliberately without `none` and those with a shared secret.
    pub const ALL: [Self; 9] = [
        Self::RS256,
        Self::RS384,
        Self::RS512,
        Self::PS256,
        Self::PS384,
        Self::PS512,
        Self::ES256,
        Self::ES384,
        Self::EdDSA,
    ];

    /// The algorithm of that name. `Ed25519` is the newer name of the only curve `EdDSA` is taken with here (RFC 9864).
    pub fn parse(name: &str) -> Option<Self> {
        let name = if name == "Ed25519" { "EdDSA" } else { name };
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == name)
    }

    /// The algorithm as tokens write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::RS384 => "RS384",
            Self::RS512 => "RS512",
            Self::PS256 => "PS256",
            Self::PS384 => "PS384",
            Self::PS512 => "PS512",
            Self::ES256 => "ES256",
            Self::ES384 => "ES384",
            Self::EdDSA => "EdDSA",
        }
    }
}

/// Where an issuer's keys are (a JWK Set, RFC 7517 §5).
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum KeySource {
    /// At an address: https, or http to this machine.
    Url(String),
    /// In a file, read again like an address.
    File(PathBuf),
}

/// An issuer, what its tokens must be, and what their claims mean here.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct IssuerSettings {
    /// The claim `iss`, letter for letter.
    pub issuer: String,
    /// One of these must be in the claim `aud`.
    pub audiences: Vec<String>,
    /// Where its keys are.
    pub keys: KeySource,
    /// How it may sign.
    pub algorithms: Vec<Algorithm>,
    /// How far its clock and this one may be apart.
    pub clock_skew: Duration,
    /// The claim that names the account.
    pub account_claim: String,
    /// The host of its accounts: the claim is a user name then, otherwise `user@host`.
    pub account_host: Option<String>,
    /// The claim that has the scopes: a text with spaces, or a list.
    pub scope_claim: String,
    /// Whether its accounts need not exist here.
    pub elsewhere: bool,
    /// Shortest time between two looks for keys.
    pub refetch_after: Duration,
}
