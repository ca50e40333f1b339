//! A store in memory, for tests and for hosts that are thrown away.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Change, Committed, Entry, Revision, Size, Storage, StorageError, check_changes};
use crate::BoxFuture;

/// Keeps everything as long as it lives.
#[derive(Debug, Default)]
pub struct MemoryStorage(Mutex<Entries>);

#[derive(Debug, Default)]
struct Entries {
    by_place: BTreeMap<(String, String), Entry>,
    last: Revision,
}

impl MemoryStorage {
    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    fn commit(&mut self, changes: Vec<Change>) -> Result<Vec<Committed>, StorageError> {
        check_changes(&changes)?;
        let mut replaced = Vec::with_capacity(changes.len());
        for (index, change) in changes.iter().enumerate() {
            let current = self.by_place.get(&(change.bucket.clone(), change.key.clone())).map(|entry| entry.revision);
            if !change.expect.is_met(current) {
                return Err(StorageError::Conflict { index });
            }
            replaced.push(current);
        }
        let made = changes.into_iter().zip(replaced).map(|(change, replaced)| {
            self.last += 1;
            let place = (change.bucket, change.key);
            match change.value {
                Some(value) => self.by_place.insert(place, Entry { revision: self.last, value }),
                None => self.by_place.remove(&place),
            };
            Committed { revision: self.last, replaced }
        });
        Ok(made.collect())
    }
}

impl Storage for MemoryStorage {
    fn get<'a>(&'a self, bucket: &'a str, key: &'a str) -> BoxFuture<'a, Result<Option<Entry>, StorageError>> {
        let found = self.lock().by_place.get(&(bucket.to_owned(), key.to_owned())).cloned();
        Box::pin(async { Ok(found) })
    }

    fn commit(&self, changes: Vec<Change>) -> BoxFuture<'_, Result<Vec<Committed>, StorageError>> {
        // When it is polled, not before: who gives up a change that was not begun has not made it.
        Box::pin(async { self.lock().commit(changes) })
    }

    fn list<'a>(
        &'a self,
        bucket: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<(String, Revision)>, StorageError>> {
        let entries = self.lock();
        let behind = entries.by_place.range((bucket.to_owned(), after.unwrap_or_default().to_owned())..);
        let keys = behind
            .take_while(|((own, _), _)| own == bucket)
            .filter(|((_, key), _)| after != Some(key))
            .map(|((_, key), entry)| (key.clone(), entry.revision));
        let keys = keys.take(limit).collect();
        Box::pin(async { Ok(keys) })
    }

    fn size_below<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Size, StorageError>> {
        let mut size = Size::default();
        for ((bucket, key), entry) in &self.lock().by_place {
            if let Some(bucket) = bucket.strip_prefix(prefix) {
                size.keys += 1;
                size.bytes += (bucket.len() + key.len() + entry.value.len()) as u64;
            }
        }
        Box::pin(async move { Ok(size) })
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::storage::conformance;

    #[test]
    fn it_does_what_every_store_does() {
        conformance::check(&MemoryStorage::default()).now_or_never().unwrap().unwrap();
    }
}
