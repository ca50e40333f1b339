//! Credentials that were verified a moment ago, so that the slow password hash is not paid per call.
//!
//! An entry holds no password: its key is a keyed hash of account and password under a key that lives and dies with
//! the process. It names the revision of the account it was verified against, so that any change of the account makes
//! it useless at once, on every host that shares the store.

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use moka::sync::Cache;
use sha2::Sha256;

use crate::error::CallError;
use crate::random::Random;
use crate::storage::Revision;

/// How long a verified credential is remembered.
const VERIFIED_SECONDS_MAX: u64 = 60;
/// Most credentials remembered at a time.
const VERIFIED_ENTRIES_MAX: u64 = 10_000;

/// Names a holder and a password without revealing either.
pub(super) type Fingerprint = [u8; 32];

pub(super) struct Verified {
    keyed: Hmac<Sha256>,
    entries: Cache<Fingerprint, Revision>,
}

impl std::fmt::Debug for Verified {
    // By hand: the key must not reach a log.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Verified").field("entries", &self.entries.entry_count()).finish_non_exhaustive()
    }
}

impl Verified {
    /// Remembers under a key of its own, made of `random`.
    pub(super) fn new(random: &dyn Random) -> Result<Self, CallError> {
        let mut key = [0_u8; 64];
        random.fill(&mut key)?;
        let entries = Cache::builder()
            .max_capacity(VERIFIED_ENTRIES_MAX)
            .time_to_live(Duration::from_secs(VERIFIED_SECONDS_MAX))
            .build();
        // The size of the hash's block.
        let keyed = <Hmac<Sha256> as KeyInit>::new(&key.into());
        Ok(Self { keyed, entries })
    }

    pub(super) fn fingerprint(&self, holder: &str, password: &str) -> Fingerprint {
        let mut mac = self.keyed.clone();
        // The length keeps `ab` + `c` apart from `a` + `bc`.
        mac.update(&(holder.len() as u64).to_le_bytes());
        mac.update(holder.as_bytes());
        mac.update(password.as_bytes());
        mac.finalize().into_bytes().into()
    }

    /// Whether the secret was right while the holder's record had this revision; a holder without a record never is.
    pub(super) fn is_verified(&self, fingerprint: &Fingerprint, revision: Option<Revision>) -> bool {
        revision.is_some() && self.entries.get(fingerprint) == revision
    }

    pub(super) fn remember(&self, fingerprint: Fingerprint, revision: Revision) {
        self.entries.insert(fingerprint, revision);
    }
}
