//! What was read lately, so that the account of every call is not looked up in the file again and again.
//!
//! A change removes what it changes before it is acknowledged, so no caller reads what it knows to be gone. A read that began
//! before a change and ends behind it must not put the old value back: each shard counts its changes, and keeps what was
//! read only if the count is the same as before.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use muster_core::storage::Entry;

const SHARDS: usize = 16;
/// Most keys remembered in one shard; then it is emptied.
const KEYS_PER_SHARD_MAX: usize = 1024;
/// Longest value that is remembered, in bytes.
const VALUE_BYTES_MAX: usize = 4096;

/// Values by bucket and key; nothing for keys that have none.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    shards: [Mutex<Shard>; SHARDS],
}

#[derive(Debug, Default)]
struct Shard {
    changes: u64,
    keys: usize,
    buckets: HashMap<String, HashMap<String, Option<Entry>>>,
}

/// How many changes a shard had seen when a read began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment(u64);

impl Recent {
    /// Keys need only be spread a little, so adding up their bytes will do.
    fn shard(&self, key: &str) -> Option<MutexGuard<'_, Shard>> {
        let sum = key.bytes().fold(0_usize, |sum, byte| sum.wrapping_add(usize::from(byte)));
        self.shards.get(sum % SHARDS).map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What is remembered of the key; otherwise what to bring along when it was read.
    pub(crate) fn get(&self, bucket: &str, key: &str) -> Result<Option<Entry>, Moment> {
        let Some(shard) = self.shard(key) else { return Err(Moment(0)) };
        match shard.buckets.get(bucket).and_then(|bucket| bucket.get(key)) {
            Some(found) => Ok(found.clone()),
            None => Err(Moment(shard.changes)),
        }
    }

    /// Remembers what was read since that moment.
    pub(crate) fn put(&self, bucket: &str, key: &str, read: Option<&Entry>, since: Moment) {
        if read.is_some_and(|entry| entry.value.len() > VALUE_BYTES_MAX) {
            return;
        }
        let Some(mut shard) = self.shard(key) else { return };
        if shard.changes != since.0 {
            return;
        }
        if shard.keys >= KEYS_PER_SHARD_MAX {
            shard.buckets.clear();
            shard.keys = 0;
        }
        let new = shard.buckets.entry(bucket.to_owned()).or_default().insert(key.to_owned(), read.cloned()).is_none();
        shard.keys += usize::from(new);
    }

    /// Forgets a key that was changed.
    pub(crate) fn forget(&self, bucket: &str, key: &str) {
        let Some(mut shard) = self.shard(key) else { return };
        shard.changes += 1;
        if shard.buckets.get_mut(bucket).and_then(|bucket| bucket.remove(key)).is_some() {
            shard.keys -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(value: &str) -> Entry {
        Entry { revision: 1, value: value.as_bytes().to_vec() }
    }

    #[test]
    fn what_was_read_before_a_change_is_not_remembered_behind_it() {
        let recent = Recent::default();
        let before = recent.get("b", "k").unwrap_err();
        recent.forget("b", "k");
        recent.put("b", "k", Some(&entry("old")), before);
        let after = recent.get("b", "k").unwrap_err();
        recent.put("b", "k", Some(&entry("new")), after);
        assert_eq!(recent.get("b", "k").unwrap(), Some(entry("new")));
        recent.forget("b", "k");
        assert!(recent.get("b", "k").is_err());
    }

    #[test]
    fn absence_is_remembered_and_much_is_not() {
        let recent = Recent::default();
        let moment = recent.get("b", "none").unwrap_err();
        recent.put("b", "none", None, moment);
        assert_eq!(recent.get("b", "none").unwrap(), None);
        assert!(recent.get("other", "none").is_err());
        let moment = recent.get("b", "long").unwrap_err();
        recent.put("b", "long", Some(&entry(&"x".repeat(4097))), moment);
        assert!(recent.get("b", "long").is_err());
        for number in 0..SHARDS * KEYS_PER_SHARD_MAX * 2 {
            let key = number.to_string();
            let moment = recent.get("b", &key).unwrap_err();
            recent.put("b", &key, None, moment);
        }
        let keys: usize = recent.shards.iter().map(|shard| shard.lock().unwrap().keys).sum();
        assert!(keys <= SHARDS * KEYS_PER_SHARD_MAX, "{keys}");
    }
}
