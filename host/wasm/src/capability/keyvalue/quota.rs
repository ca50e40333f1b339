//! How much a plugin keeps. The count is made at load from what the store has and follows every change exactly: changes
//! of one key follow one another, each knows what it replaces, and one that was begun is finished and counted even when
//! its caller is gone.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use muster_core::storage::{Expect, Size, Storage, StorageError};

use crate::limits::Limits;

/// Changes of this many keys can happen at a time; those of others wait for one that falls to the same place.
const TURNS: usize = 64;

/// What a change does to a key.
#[derive(Debug)]
pub(super) enum Change {
    /// Gives it this value.
    Set(Vec<u8>),
    /// Takes its value away.
    Remove,
    /// Adds to the number it has.
    Add(u64),
    /// Gives it the new value where it has the old one, or none where that is none.
    Swap { old: Option<Vec<u8>>, new: Vec<u8> },
}

/// Why a change did not happen.
#[derive(Debug)]
pub(super) enum Refused {
    /// The limit of this name.
    Limit(&'static str, u64),
    /// The value is not a number, or the sum is too large.
    NotANumber,
    /// The value is not the one that was to be swapped.
    Changed,
    /// The store does not answer.
    Store(StorageError),
}

/// What one plugin keeps, and how much it may.
#[derive(Debug)]
pub(crate) struct Quota {
    bytes_max: u64,
    keys_max: u64,
    /// How its buckets begin.
    prefix: String,
    held: Mutex<Size>,
    turns: Vec<Arc<tokio::sync::Mutex<()>>>,
}

impl Quota {
    fn new(limits: &Limits, prefix: String, held: Size) -> Self {
        let turns = (0..TURNS).map(|_| Arc::default()).collect();
        Self {
            bytes_max: limits.keyvalue_bytes_max,
            keys_max: limits.keyvalue_keys_max,
            prefix,
            held: Mutex::new(held),
            turns,
        }
    }

    /// What it keeps now.
    #[cfg(test)]
    pub(super) fn held(&self) -> Size {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a change, unless it would make the plugin keep too much. Gives the number where one was added to.
    pub(super) async fn change(
        self: &Arc<Self>,
        storage: &Arc<dyn Storage>,
        place: String,
        key: String,
        change: Change,
    ) -> Result<u64, Refused> {
        let mut hasher = DefaultHasher::new();
        (&place, &key).hash(&mut hasher);
        let turn = usize::try_from(hasher.finish() % TURNS as u64).ok().and_then(|turn| self.turns.get(turn));
        let Some(turn) = turn else { return Err(Refused::Changed) };
        let turn = Arc::clone(turn).lock_owned().await;
        let (quota, storage) = (Arc::clone(self), Arc::clone(storage));
        #[expect(
            clippy::disallowed_methods,
            reason = "what was begun must be counted; there are at most `TURNS` of them"
        )]
        let done = tokio::spawn(async move {
            let _turn = turn;
            quota.make(&*storage, &place, &key, &change).await
        });
        done.await.unwrap_or_else(|error| Err(Refused::Store(StorageError::Failed(error.to_string()))))
    }

    async fn make(&self, storage: &dyn Storage, place: &str, key: &str, change: &Change) -> Result<u64, Refused> {
        // Only another host can lose us a turn, and each that is lost was its gain.
        loop {
            let old = storage.get(place, key).await.map_err(Refused::Store)?;
            let (value, sum) = match change {
                Change::Set(value) => (Some(value.clone()), 0),
                Change::Remove => (None, 0),
                Change::Swap { old: wanted, new } => {
                    if old.as_ref().map(|entry| &entry.value) != wanted.as_ref() {
                        return Err(Refused::Changed);
                    }
                    (Some(new.clone()), 0)
                }
                Change::Add(delta) => {
                    let number = match &old {
                        None => Some(0),
                        Some(old) => std::str::from_utf8(&old.value).ok().and_then(|text| text.parse::<u64>().ok()),
                    };
                    let sum = number.and_then(|number| number.checked_add(*delta)).ok_or(Refused::NotANumber)?;
                    (Some(sum.to_string().into_bytes()), sum)
                }
            };
            let size = |value: Option<&[u8]>| value.map_or(Size::default(), |value| self.size(place, key, value));
            let (before, after) = (size(old.as_ref().map(|old| old.value.as_slice())), size(value.as_deref()));
            // What grows is taken before, what shrinks is given back after.
            self.take(before, after)?;
            let expect = old.as_ref().map_or(Expect::Absent, |old| Expect::Revision(old.revision));
            let changed = match value {
                Some(value) => storage.put(place, key, value, expect).await.map(|_| ()),
                None if old.is_none() => Ok(()),
                None => storage.delete(place, key, expect).await.map(|_| ()),
            };
            match changed {
                Ok(()) => {
                    self.give_back(before, after);
                    return Ok(sum);
                }
                Err(error) => {
                    self.give_back(after, before);
                    if !matches!(error, StorageError::Conflict { .. }) {
                        return Err(Refused::Store(error));
                    }
                }
            }
        }
    }

    /// What one key takes up: its bucket's name, its own, its value.
    fn size(&self, place: &str, key: &str, value: &[u8]) -> Size {
        let bucket = place.len().saturating_sub(self.prefix.len());
        Size { keys: 1, bytes: (bucket + key.len() + value.len()) as u64 }
    }

    fn take(&self, before: Size, after: Size) -> Result<(), Refused> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let keys = held.keys + after.keys.saturating_sub(before.keys);
        let bytes = held.bytes + after.bytes.saturating_sub(before.bytes);
        // Who has too much, since a limit became lower, can still make it less.
        if keys > held.keys && keys > self.keys_max {
            return Err(Refused::Limit("keyvalue_keys_max", self.keys_max));
        }
        if bytes > held.bytes && bytes > self.bytes_max {
            return Err(Refused::Limit("keyvalue_bytes_max", self.bytes_max));
        }
        *held = Size { keys, bytes };
        Ok(())
    }

    fn give_back(&self, before: Size, after: Size) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.keys = held.keys.saturating_sub(before.keys.saturating_sub(after.keys));
        held.bytes = held.bytes.saturating_sub(before.bytes.saturating_sub(after.bytes));
    }
}

/// The quotas of all plugins that run. Two versions of one plugin share theirs, since they share its data.
#[derive(Debug, Default)]
pub(crate) struct Quotas(tokio::sync::Mutex<BTreeMap<String, Weak<Quota>>>);

impl Quotas {
    /// The quota of a plugin, counted from the store if it is not known yet.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn of(
        &self,
        plugin: &str,
        limits: &Limits,
        storage: &dyn Storage,
    ) -> Result<Arc<Quota>, StorageError> {
        // Held while counting: no other call may begin to count, or to change, meanwhile.
        let mut quotas = self.0.lock().await;
        if let Some(quota) = quotas.get(plugin).and_then(Weak::upgrade) {
            return Ok(quota);
        }
        quotas.retain(|_, quota| quota.strong_count() > 0);
        let prefix = super::place(plugin, "");
        let held = storage.size_below(&prefix).await?;
        let quota = Arc::new(Quota::new(limits, prefix, held));
        quotas.insert(plugin.to_owned(), Arc::downgrade(&quota));
        Ok(quota)
    }
}

#[cfg(test)]
mod tests {
    use muster_core::BoxFuture;
    use muster_core::storage::{Change as StorageChange, Committed, Entry, MemoryStorage, Revision};
    use proptest::prelude::*;

    use super::*;

    /// A store that lets others go first before it commits.
    #[derive(Debug, Default)]
    struct Slow(MemoryStorage);

    impl Storage for Slow {
        fn get<'a>(&'a self, bucket: &'a str, key: &'a str) -> BoxFuture<'a, Result<Option<Entry>, StorageError>> {
            self.0.get(bucket, key)
        }

        fn commit(&self, changes: Vec<StorageChange>) -> BoxFuture<'_, Result<Vec<Committed>, StorageError>> {
            Box::pin(async {
                tokio::task::yield_now().await;
                self.0.commit(changes).await
            })
        }

        fn list<'a>(
            &'a self,
            bucket: &'a str,
            after: Option<&'a str>,
            limit: usize,
        ) -> BoxFuture<'a, Result<Vec<(String, Revision)>, StorageError>> {
            self.0.list(bucket, after, limit)
        }

        fn size_below<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Size, StorageError>> {
            self.0.size_below(prefix)
        }
    }

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    #[test]
    fn the_last_byte_and_the_last_key_fit() {
        let limits = Limits { keyvalue_bytes_max: 20, keyvalue_keys_max: 2, ..Limits::default() };
        let storage: Arc<dyn Storage> = Arc::new(Slow::default());
        block_on(async {
            let quota = Quotas::default().of("p", &limits, &*storage).await.unwrap();
            let set = async |key: &str, bytes: usize| {
                let changed =
                    quota.change(&storage, super::super::place("p", "b"), key.to_owned(), Change::Set(vec![0; bytes]));
                match changed.await {
                    Ok(_) => "done",
                    Err(Refused::Limit(limit, _)) => limit,
                    Err(other) => panic!("{other:?}"),
                }
            };
            // Bucket and key take one byte each.
            assert_eq!(set("k", 17).await, "done");
            assert_eq!(set("k", 18).await, "done");
            assert_eq!(set("k", 19).await, "keyvalue_bytes_max");
            assert_eq!(set("l", 0).await, "keyvalue_bytes_max");
            assert_eq!(set("k", 18).await, "done", "what does not grow fits");
            assert_eq!(set("k", 5).await, "done");
            assert_eq!(set("l", 5).await, "done");
            assert_eq!(set("m", 0).await, "keyvalue_keys_max");
            assert_eq!(quota.held(), Size { keys: 2, bytes: 14 });
            let removed = quota.change(&storage, super::super::place("p", "b"), "k".to_owned(), Change::Remove);
            removed.await.unwrap();
            assert_eq!(set("m", 11).await, "done", "what is removed makes room");
            assert_eq!(quota.held(), Size { keys: 2, bytes: 20 });
            let again = Quotas::default().of("p", &limits, &*storage).await.unwrap();
            assert_eq!(again.held(), quota.held(), "the count after a restart is the same");
            let other = Quotas::default().of("pp", &limits, &*storage).await.unwrap();
            assert_eq!(other.held(), Size::default());
        });
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn the_count_is_what_the_store_has(
            changes in prop::collection::vec((0..4_u8, 0..4_u8, 0..30_usize, any::<bool>()), 1..60),
        ) {
            let limits = Limits { keyvalue_bytes_max: 60, keyvalue_keys_max: 3, ..Limits::default() };
            let storage: Arc<dyn Storage> = Arc::new(Slow::default());
            block_on(async {
                let quota = Quotas::default().of("p", &limits, &*storage).await.unwrap();
                let work = changes.into_iter().map(|(kind, key, bytes, given_up)| {
                    let change = match kind {
                        0 => Change::Remove,
                        1 => Change::Add(bytes as u64),
                        2 => Change::Swap { old: None, new: vec![b'y'; bytes] },
                        _ => Change::Set(vec![b'x'; bytes]),
                    };
                    let (quota, storage) = (Arc::clone(&quota), Arc::clone(&storage));
                    async move {
                        let work = quota.change(&storage, super::super::place("p", "b"), format!("k{key}"), change);
                        if given_up {
                            // The caller is gone after the first step.
                            let work = std::pin::pin!(work);
                            drop(futures_util::future::select(work, std::future::ready(())).await);
                        } else {
                            let _ = work.await;
                        }
                    }
                });
                futures_util::future::join_all(work).await;
                // Changes without a caller end as well.
                for _ in 0..400 {
                    tokio::task::yield_now().await;
                }
                let counted = storage.size_below(&super::super::place("p", "")).await.unwrap();
                prop_assert_eq!(quota.held(), counted);
                prop_assert!(counted.bytes <= 60 && counted.keys <= 3);
                Ok(())
            })?;
        }
    }
}
