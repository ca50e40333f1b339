//! Tokens of other issuers: JSON Web Tokens (RFC 7519), verified by the keys their issuers publish (RFC 7517).
//!
//! A token is read in this order, and nothing of it is believed before the last step: which configured issuer it names →
//! whether its algorithm is one of that issuer's → which of that issuer's published keys it names → signature, issuer,
//! audience, times. Keys, addresses and certificates a token brings along are never looked at.
//!
//! Only asymmetric algorithms exist here: `none` cannot be named, and a key that could be mistaken for a shared secret is
//! not taken from a key set in the first place (RFC 8725 §§3.1, 3.2).

mod crypto;
mod keys;
mod settings;
mod verify;

use std::sync::Arc;

use arc_swap::ArcSwap;
use muster_core::BoxFuture;
use muster_core::authn::{External, Issuers};
use muster_core::error::CallError;

pub use settings::{Algorithm, IssuerSettings, KeySource};

use keys::KeySet;

/// The issuers an operator trusts.
#[derive(Debug, Default)]
pub struct TrustedIssuers {
    issuers: ArcSwap<Vec<Arc<Issuer>>>,
}

#[derive(Debug)]
struct Issuer {
    settings: IssuerSettings,
    keys: Arc<KeySet>,
}

impl TrustedIssuers {
    /// Trusts nobody yet.
    pub fn new() -> Self {
        crypto::install();
        Self::default()
    }

    /// Trusts these from now on, and nobody else. Keys of issuers that stay the same are kept; those of others are
    /// fetched in the background.
    pub fn set(&self, settings: Vec<IssuerSettings>) {
        let old = self.issuers.load();
        let issuer = |settings: IssuerSettings| {
            if let Some(issuer) = old.iter().find(|issuer| issuer.settings == settings) {
                return Arc::clone(issuer);
            }
            let keys = Arc::new(KeySet::new(settings.keys.clone(), settings.refetch_after));
            keys.refetch();
            Arc::new(Issuer { settings, keys })
        };
        self.issuers.store(Arc::new(settings.into_iter().map(issuer).collect()));
    }
}

impl Issuers for TrustedIssuers {
    fn verify<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Option<External>, CallError>> {
        Box::pin(async move {
            let Some(named) = verify::issuer_of(token) else { return Ok(None) };
            // Several entries can be of one issuer, each for an audience of its own.
            let issuers = self.issuers.load_full();
            for issuer in issuers.iter().filter(|issuer| issuer.settings.issuer == named) {
                if let Some(external) = verify::verify(token, &issuer.settings, &issuer.keys).await {
                    return Ok(Some(external));
                }
            }
            Ok(None)
        })
    }
}
