//! The open file, which is opened again after a write failed: redb takes no other write until then.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

use muster_core::storage::StorageError;
use redb::Database;

use crate::failed;

/// What is written beside the file to see whether the disk takes anything, in bytes: more than a transaction usually needs.
const PROBE_BYTES: usize = 1 << 20;

/// A file and the database in it.
#[derive(Debug)]
pub(crate) struct Slot {
    path: PathBuf,
    /// Nothing while it is opened again, or where that failed.
    database: RwLock<Option<Database>>,
    /// Whether the last write failed.
    failing: AtomicBool,
}

impl Slot {
    pub(crate) fn new(path: PathBuf, database: Database) -> Self {
        Self { path, database: RwLock::new(Some(database)), failing: AtomicBool::new(false) }
    }

    /// Does something with the database. The file stays open meanwhile; a transaction that was begun ends with an error
    /// where it is closed later.
    ///
    /// # Errors
    /// What `work` answers, and when the file is not open.
    pub(crate) fn read<T>(&self, work: impl FnOnce(&Database) -> Result<T, StorageError>) -> Result<T, StorageError> {
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let closed = || StorageError::Failed("the file could not be opened again after a write failed".to_owned());
        work(database.as_ref().ok_or_else(closed)?)
    }

    /// Writes; for one thread. Where the write before failed, the file is opened again first, if the disk takes writes.
    ///
    /// # Errors
    /// What `work` answers, and when the disk still takes no writes.
    pub(crate) fn write<T>(&self, work: impl FnOnce(&Database) -> Result<T, StorageError>) -> Result<T, StorageError> {
        let was_failing = self.failing.load(Ordering::Relaxed);
        let written = if was_failing { self.open_again().and_then(|()| self.read(work)) } else { self.read(work) };
        self.failing.store(written.is_err(), Ordering::Relaxed);
        match (&written, was_failing) {
            (Err(error), false) => tracing::error!(%error, "the store cannot be written; reads go on"),
            (Ok(_), true) => tracing::info!("the store is written again"),
            _ => {}
        }
        written
    }

    fn open_again(&self) -> Result<(), StorageError> {
        self.probe().map_err(|error| StorageError::Failed(format!("the disk takes no writes: {error}")))?;
        let mut database = self.database.write().unwrap_or_else(PoisonError::into_inner);
        // Closed first: redb holds a lock on it.
        drop(database.take());
        *database = Some(Database::open(&self.path).map_err(failed)?);
        Ok(())
    }

    /// Whether the disk takes a write now.
    fn probe(&self) -> std::io::Result<()> {
        let path = self.path.with_extension("probe");
        let written = fs::File::create(&path).and_then(|mut file| {
            file.write_all(&vec![1; PROBE_BYTES])?;
            file.sync_all()
        });
        let removed = fs::remove_file(&path);
        written.and(removed)
    }
}
