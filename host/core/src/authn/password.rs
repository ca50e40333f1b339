//! Secrets people choose: passwords of accounts, and what operators give clients. They can be guessed, so they are kept as
//! slow hashes, guesses have to wait, and the hash is paid once in a while instead of in every call.

use std::net::IpAddr;
use std::sync::Arc;

use futures_util::lock::Mutex;

use super::verification_cache::{Fingerprint, Verified};
use super::{Passwords, Throttle};
use crate::error::CallError;
use crate::random::Random;
use crate::storage::Revision;

const STRIPES: usize = 16;

/// Checks secrets of one kind of holder.
#[derive(Debug)]
pub(crate) struct ChosenSecrets {
    passwords: Arc<dyn Passwords>,
    throttle: Arc<Throttle>,
    verified: Verified,
    /// Held while a secret is verified; the fingerprint selects the lock, so a caller cannot choose to block the logins
    /// of others.
    stripes: [Mutex<()>; STRIPES],
}

/// An attempt to log in as a holder.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LoginAttempt<'a> {
    /// The holder's name, unique among all holders whose secrets are throttled.
    pub(crate) holder: &'a str,
    /// The holder's record; nothing where there is none of that name.
    pub(crate) revision: Option<Revision>,
    /// Where the claim comes from.
    pub(crate) address: Option<IpAddr>,
}

/// What a holder's record says of the secret.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// Its hash; nothing where there is no record.
    pub(crate) hash: Option<String>,
    /// Whether a right secret is not enough.
    pub(crate) banned: bool,
}

impl ChosenSecrets {
    pub(crate) fn new(
        passwords: Arc<dyn Passwords>,
        throttle: Arc<Throttle>,
        random: &dyn Random,
    ) -> Result<Self, CallError> {
        Ok(Self { passwords, throttle, verified: Verified::new(random)?, stripes: Default::default() })
    }

    pub(crate) fn throttle(&self) -> &Arc<Throttle> {
        &self.throttle
    }

    pub(crate) async fn hash(&self, secret: String) -> Result<String, CallError> {
        self.passwords.hash(secret).await
    }

    /// Whether the secret proves the claim. `kept` reads the record, which is only needed when the secret was not seen
    /// to be right a moment ago. A holder that does not exist goes the same way as one that does, so that it takes as
    /// long and counts as much.
    pub(crate) async fn prove(
        &self,
        claim: LoginAttempt<'_>,
        secret: String,
        kept: impl FnOnce() -> Result<Kept, CallError>,
    ) -> Result<bool, CallError> {
        let fingerprint = self.verified.fingerprint(claim.holder, &secret);
        if self.verified.is_verified(&fingerprint, claim.revision) {
            return Ok(true);
        }
        // What is rare and large stays out of what moves with every call.
        Box::pin(self.prove_by_hash(claim, secret, fingerprint, kept)).await
    }

    async fn prove_by_hash(
        &self,
        claim: LoginAttempt<'_>,
        secret: String,
        fingerprint: Fingerprint,
        kept: impl FnOnce() -> Result<Kept, CallError>,
    ) -> Result<bool, CallError> {
        let LoginAttempt { holder, revision, address } = claim;
        self.throttle.check(holder, address)?;
        // Many calls that begin with the same credential at the same time pay for one hash, not one each.
        let stripe = fingerprint.first().map_or(0, |byte| usize::from(*byte) % STRIPES);
        let _turn = match self.stripes.get(stripe) {
            Some(stripe) => Some(stripe.lock().await),
            None => None,
        };
        if self.verified.is_verified(&fingerprint, revision) {
            return Ok(true);
        }
        let attempt = self.throttle.begin(holder, address)?;
        let checked = async {
            let Kept { hash, banned } = kept()?;
            Ok::<_, CallError>(self.passwords.verify(secret, hash).await? && !banned)
        };
        match checked.await {
            Ok(true) => attempt.succeed(),
            Ok(false) => {
                attempt.fail();
                return Ok(false);
            }
            Err(error) => {
                attempt.withdraw();
                return Err(error);
            }
        }
        if let Some(revision) = revision {
            self.verified.remember(fingerprint, revision);
        }
        Ok(true)
    }
}
