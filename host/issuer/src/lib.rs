//! Tokens of other issuers: JSON Web Tokens (RFC 7519), verified by the keys their issuers publish (RFC 7517).
//!
//! A token is read in this order, and nothing of it is believed before the last step: which configured issuer it names →
//! whether its algorithm is one of that issuer's → which of that issuer's published keys it names → signature, issuer,
//! audience, times. Keys, addresses and certificates a token brings along are never looked at.
//!
//! Only asymmetric algorithms exist here: `none` cannot be named, and a key that could be mistaken for a shared secret is
//! not taken from a key set in the first place (RFC 8725 §§3.1, 3.2).

mod keys;
mod settings;
mod signature;
mod verify;

use std::sync::Arc;

use arc_swap::ArcSwap;
use muster_core::BoxFuture;
use muster_core::authn::{External, Issuers, Rejection};
use muster_core::clock::Clock;
use muster_core::error::CallError;

pub use settings::{Algorithm, IssuerSettings, KeySource};

use keys::KeySet;
use verify::Token;

/// The issuers an operator trusts.
#[derive(Debug)]
pub struct TrustedIssuers {
    issuers: ArcSwap<Vec<Arc<Issuer>>>,
    clock: Arc<dyn Clock>,
}

#[derive(Debug)]
struct Issuer {
    settings: IssuerSettings,
    keys: Arc<KeySet>,
}

impl TrustedIssuers {
    /// Trusts no issuer yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { issuers: ArcSwap::default(), clock }
    }

    /// Trusts these from now on, and no others. Keys are fetched in the background, also of issuers that stay the same:
    /// an operator who has the configuration reloaded wants what is there now. Until then, theirs are kept.
    pub fn set(&self, settings: Vec<IssuerSettings>) {
        let old = self.issuers.load();
        let issuer = |settings: IssuerSettings| {
            if let Some(issuer) = old.iter().find(|issuer| issuer.settings == settings) {
                issuer.keys.refetch_now();
                return Arc::clone(issuer);
            }
            let keys = Arc::new(KeySet::new(settings.keys.clone(), settings.refetch_after));
            keys.refetch_now();
            Arc::new(Issuer { settings, keys })
        };
        self.issuers.store(Arc::new(settings.into_iter().map(issuer).collect()));
    }
}

impl Issuers for TrustedIssuers {
    fn verify<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<External, CallError>> {
        Box::pin(async move {
            let token = Token::read(token)?;
            let named = token.issuer().ok_or(Rejection::UnknownIssuer)?;
            let now = self.clock.since_epoch();
            let mut reason = Rejection::UnknownIssuer;
            // Several entries can be of one issuer, each for an audience of its own.
            let issuers = self.issuers.load_full();
            for issuer in issuers.iter().filter(|issuer| issuer.settings.issuer == named) {
                match verify::verify(&token, &issuer.settings, &issuer.keys, now).await {
                    Ok(external) => return Ok(external),
                    Err(other) => reason = other,
                }
            }
            Err(reason.into())
        })
    }
}
