//! [`Storage`] in one file on the local disk, by redb (ACID, no server).
//!
//! Reads are answered at once, from what was read lately or a read transaction; a reader never waits for a writer. Writes
//! go to one thread that takes all changes waiting at the moment, makes them in one transaction and syncs once: under
//! load many callers share the price of one sync, and no caller is answered before its change is on disk.
//!
//! After a write that failed (a full disk), redb takes no other until the file is opened again. That happens as soon as the
//! disk takes writes; until then writes fail and reads go on.

mod read_cache;
mod slot;

use std::fs::{OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;

use muster_core::BoxFuture;
use muster_core::storage::{Change, Committed, Entry, Revision, Size, Storage, StorageError, check_changes};
use redb::{Database, ReadableDatabase, ReadableTable, Table, TableDefinition};
use tokio::sync::{mpsc, oneshot};

use read_cache::Recent;
use slot::Slot;

/// Bucket and key to revision and value.
const ENTRIES: TableDefinition<'_, (&str, &str), (u64, &[u8])> = TableDefinition::new("entries");
/// The last revision given to any key.
const COUNTERS: TableDefinition<'_, &str, u64> = TableDefinition::new("counters");
const REVISION: &str = "revision";

/// Most commits waiting for the disk; who comes then waits for a place.
const COMMITS_WAITING_MAX: usize = 1024;
/// Most commits made in one transaction of redb.
const COMMITS_PER_TRANSACTION_MAX: usize = 256;

/// The store in one file.
#[derive(Debug)]
pub struct RedbStorage {
    slot: Arc<Slot>,
    recent: Arc<Recent>,
    commits: mpsc::Sender<Waiting>,
}

/// What became of the changes of one commit.
type Outcome = Result<Vec<Committed>, StorageError>;

/// A commit that waits to be made.
#[derive(Debug)]
struct Waiting {
    changes: Vec<Change>,
    answer: oneshot::Sender<Outcome>,
}

impl RedbStorage {
    /// Opens the file, making it if needed. A file that was not closed is repaired by redb on the way.
    ///
    /// # Errors
    /// When the file cannot be opened, is in use by another process, or is not a store.
    pub fn open(path: &Path) -> Result<Self, StorageError> {
        // What plugins keep, their secrets and the hashes of passwords are the owner's, whatever the directory allows.
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
        file.and_then(|file| file.set_permissions(Permissions::from_mode(0o600))).map_err(failed)?;
        let database = Database::create(path).map_err(failed)?;
        let transaction = database.begin_write().map_err(failed)?;
        transaction.open_table(ENTRIES).map_err(failed)?;
        transaction.open_table(COUNTERS).map_err(failed)?;
        transaction.commit().map_err(failed)?;
        let slot = Arc::new(Slot::new(path.to_owned(), database));
        let (commits, waiting) = mpsc::channel(COMMITS_WAITING_MAX);
        let recent = Arc::new(Recent::default());
        let (of_writer, forgetting) = (Arc::clone(&slot), Arc::clone(&recent));
        std::thread::Builder::new()
            .name("storage-writer".to_owned())
            .spawn(move || write_until_closed(&of_writer, &forgetting, waiting))
            .map_err(failed)?;
        Ok(Self { slot, recent, commits })
    }

    /// Shows `visit` every bucket, key and entry, in ascending order, as they all were at one moment; writes go on meanwhile.
    /// Gives the last revision that was given to any key by then. Blocks.
    ///
    /// # Errors
    /// When the store fails, and what `visit` answers.
    pub fn snapshot(
        &self,
        mut visit: impl FnMut(&str, &str, Revision, &[u8]) -> Result<(), String>,
    ) -> Result<Revision, StorageError> {
        // The moment is that of the transaction; the file need not stay open for others.
        let transaction = self.slot.read(|database| database.begin_read().map_err(failed))?;
        let entries = transaction.open_table(ENTRIES).map_err(failed)?;
        for entry in entries.iter().map_err(failed)? {
            let (place, value) = entry.map_err(failed)?;
            let ((bucket, key), (revision, value)) = (place.value(), value.value());
            visit(bucket, key, revision, value).map_err(StorageError::Failed)?;
        }
        let counters = transaction.open_table(COUNTERS).map_err(failed)?;
        Ok(counters.get(REVISION).map_err(failed)?.map_or(0, |guard| guard.value()))
    }

    /// Makes a store of entries that [`RedbStorage::snapshot`] showed, with the revisions they had, in a file that must not
    /// exist. `next` gives one after the other; `last` is the last revision given to any key. Blocks.
    ///
    /// # Errors
    /// When the file exists or cannot be written, and what `next` answers.
    pub fn make(
        path: &Path,
        last: Revision,
        mut next: impl FnMut() -> Result<Option<(String, String, Entry)>, String>,
    ) -> Result<(), StorageError> {
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
        let database = Database::create(path).map_err(failed)?;
        let transaction = database.begin_write().map_err(failed)?;
        {
            let mut entries = transaction.open_table(ENTRIES).map_err(failed)?;
            while let Some((bucket, key, entry)) = next().map_err(StorageError::Failed)? {
                let place = (bucket.as_str(), key.as_str());
                drop(entries.insert(place, (entry.revision, entry.value.as_slice())).map_err(failed)?);
            }
            transaction.open_table(COUNTERS).map_err(failed)?.insert(REVISION, last).map_err(failed)?;
        }
        transaction.commit().map_err(failed)
    }
}

impl Storage for RedbStorage {
    fn get<'a>(&'a self, bucket: &'a str, key: &'a str) -> BoxFuture<'a, Result<Option<Entry>, StorageError>> {
        let read = || -> Result<_, StorageError> {
            let moment = match self.recent.get(bucket, key) {
                Ok(found) => return Ok(found),
                Err(moment) => moment,
            };
            let transaction = self.slot.read(|database| database.begin_read().map_err(failed))?;
            let table = transaction.open_table(ENTRIES).map_err(failed)?;
            let found = table.get((bucket, key)).map_err(failed)?;
            let found = found.map(|guard| {
                let (revision, value) = guard.value();
                Entry { revision, value: value.to_vec() }
            });
            self.recent.put(bucket, key, found.as_ref(), moment);
            Ok(found)
        };
        let result = read();
        Box::pin(async move { result })
    }

    fn commit(&self, changes: Vec<Change>) -> BoxFuture<'_, Outcome> {
        Box::pin(async move {
            check_changes(&changes)?;
            if changes.is_empty() {
                return Ok(Vec::new());
            }
            let (answer, answered) = oneshot::channel();
            self.commits.send(Waiting { changes, answer }).await.map_err(|_| closed())?;
            answered.await.map_err(|_| closed())?
        })
    }

    fn list<'a>(
        &'a self,
        bucket: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<(String, Revision)>, StorageError>> {
        let read = || -> Result<_, StorageError> {
            let transaction = self.slot.read(|database| database.begin_read().map_err(failed))?;
            let table = transaction.open_table(ENTRIES).map_err(failed)?;
            let mut keys = Vec::new();
            for entry in table.range((bucket, after.unwrap_or_default())..).map_err(failed)? {
                let (place, value) = entry.map_err(failed)?;
                let (in_bucket, key) = place.value();
                if in_bucket != bucket || keys.len() >= limit {
                    break;
                }
                if after != Some(key) {
                    keys.push((key.to_owned(), value.value().0));
                }
            }
            Ok(keys)
        };
        let result = read();
        Box::pin(async move { result })
    }

    fn size_below<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Size, StorageError>> {
        let (slot, prefix) = (Arc::clone(&self.slot), prefix.to_owned());
        Box::pin(async move { tokio::task::spawn_blocking(move || size_below(&slot, &prefix)).await.map_err(failed)? })
    }
}

fn size_below(slot: &Slot, prefix: &str) -> Result<Size, StorageError> {
    let transaction = slot.read(|database| database.begin_read().map_err(failed))?;
    let table = transaction.open_table(ENTRIES).map_err(failed)?;
    let mut size = Size::default();
    for entry in table.range((prefix, "")..).map_err(failed)? {
        let (place, value) = entry.map_err(failed)?;
        let (bucket, key) = place.value();
        let Some(bucket) = bucket.strip_prefix(prefix) else { break };
        size.keys += 1;
        size.bytes += (bucket.len() + key.len() + value.value().1.len()) as u64;
    }
    Ok(size)
}

fn write_until_closed(slot: &Slot, recent: &Recent, mut waiting: mpsc::Receiver<Waiting>) {
    while let Some(first) = waiting.blocking_recv() {
        let mut batch = vec![first];
        while batch.len() < COMMITS_PER_TRANSACTION_MAX
            && let Ok(next) = waiting.try_recv()
        {
            batch.push(next);
        }
        let made = slot.write(|database| make_all(database, &batch));
        for change in batch.iter().flat_map(|commit| &commit.changes) {
            recent.forget(&change.bucket, &change.key);
        }
        let outcomes = match made {
            Ok(outcomes) => outcomes,
            Err(error) => vec![Err(error); batch.len()],
        };
        for (commit, outcome) in batch.into_iter().zip(outcomes) {
            // The caller may have given up at its deadline; the changes are made all the same.
            let _ = commit.answer.send(outcome);
        }
    }
}

/// Makes every commit of the batch in one transaction. One with a change whose expectation is not met is left out; the
/// others are made.
fn make_all(database: &Database, batch: &[Waiting]) -> Result<Vec<Outcome>, StorageError> {
    let transaction = database.begin_write().map_err(failed)?;
    let mut outcomes = Vec::with_capacity(batch.len());
    {
        let mut entries = transaction.open_table(ENTRIES).map_err(failed)?;
        let mut counters = transaction.open_table(COUNTERS).map_err(failed)?;
        let mut revision = counters.get(REVISION).map_err(failed)?.map_or(0, |guard| guard.value());
        for commit in batch {
            outcomes.push(match replaced(&entries, &commit.changes)? {
                Ok(replaced) => Ok(make(&mut entries, &mut revision, &commit.changes, replaced)?),
                Err(index) => Err(StorageError::Conflict { index }),
            });
        }
        counters.insert(REVISION, revision).map_err(failed)?;
    }
    // It may have reached the disk all the same.
    transaction.commit().map_err(|error| StorageError::Unavailable(error.to_string()))?;
    Ok(outcomes)
}

/// The revisions of the values that these changes replace; the first change whose expectation is not met, if one is not.
fn replaced(
    entries: &impl ReadableTable<(&'static str, &'static str), (u64, &'static [u8])>,
    changes: &[Change],
) -> Result<Result<Vec<Option<Revision>>, usize>, StorageError> {
    let mut replaced = Vec::with_capacity(changes.len());
    for (index, change) in changes.iter().enumerate() {
        let place = (change.bucket.as_str(), change.key.as_str());
        let current = entries.get(place).map_err(failed)?.map(|guard| guard.value().0);
        if !change.expect.is_met(current) {
            return Ok(Err(index));
        }
        replaced.push(current);
    }
    Ok(Ok(replaced))
}

fn make(
    entries: &mut Table<'_, (&'static str, &'static str), (u64, &'static [u8])>,
    revision: &mut Revision,
    changes: &[Change],
    replaced: Vec<Option<Revision>>,
) -> Result<Vec<Committed>, StorageError> {
    let mut committed = Vec::with_capacity(changes.len());
    for (change, replaced) in changes.iter().zip(replaced) {
        *revision += 1;
        let place = (change.bucket.as_str(), change.key.as_str());
        match &change.value {
            Some(value) => drop(entries.insert(place, (*revision, value.as_slice())).map_err(failed)?),
            None => drop(entries.remove(place).map_err(failed)?),
        }
        committed.push(Committed { revision: *revision, replaced });
    }
    Ok(committed)
}

fn failed(error: impl std::fmt::Display) -> StorageError {
    StorageError::Failed(error.to_string())
}

fn closed() -> StorageError {
    StorageError::Unavailable("its writer has ended".to_owned())
}

#[cfg(test)]
mod tests;
