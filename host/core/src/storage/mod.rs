//! Durable state: buckets of keys, each with a value and a revision. Everything the host must not forget goes through
//! [`Storage`].
//!
//! The trait is shaped so that a replicated store with compare-and-set can implement it. Changes are committed together or
//! not at all; what must be true of each key is said with the change. Watching for changes of other hosts is absent until
//! there are other hosts.

pub mod conformance;
mod memory;

use std::fmt::Debug;

use thiserror::Error;

use crate::BoxFuture;

pub use memory::MemoryStorage;

/// Grows with every change of a key; never used twice for one key.
pub type Revision = u64;

/// Most changes in one commit.
pub const CHANGES_PER_COMMIT_MAX: usize = 256;

/// A value and the revision it has.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// When it was written, relative to other changes of the key.
    pub revision: Revision,
    /// What was written.
    pub value: Vec<u8>,
}

/// What must be true of a key for a change to happen.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Expect {
    /// Nothing.
    Anything,
    /// It has no value.
    Absent,
    /// It has the value of this revision.
    Revision(Revision),
}

impl Expect {
    /// Whether a key with this revision, or without a value, is as expected.
    pub fn is_met(self, current: Option<Revision>) -> bool {
        match self {
            Self::Anything => true,
            Self::Absent => current.is_none(),
            Self::Revision(wanted) => current == Some(wanted),
        }
    }
}

/// A change of one key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Change {
    /// The bucket of the key.
    pub bucket: String,
    /// The key.
    pub key: String,
    /// Its new value; nothing removes the key.
    pub value: Option<Vec<u8>>,
    /// What must be true of it.
    pub expect: Expect,
}

impl Change {
    /// Gives a key a value.
    pub fn put(bucket: &str, key: &str, value: Vec<u8>, expect: Expect) -> Self {
        Self { bucket: bucket.to_owned(), key: key.to_owned(), value: Some(value), expect }
    }

    /// Removes a key.
    pub fn delete(bucket: &str, key: &str, expect: Expect) -> Self {
        Self { bucket: bucket.to_owned(), key: key.to_owned(), value: None, expect }
    }
}

/// A change that was made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Committed {
    /// The revision of the change.
    pub revision: Revision,
    /// The revision of the value that was there before, if one was.
    pub replaced: Option<Revision>,
}

/// How much there is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Size {
    /// Keys that have a value.
    pub keys: u64,
    /// Bytes of keys and values, and of each key's bucket name.
    pub bytes: u64,
}

/// Why the store could not do what was asked.
#[derive(Clone, Debug, Error)]
pub enum StorageError {
    /// A key is not as [`Expect`] said. Nothing was changed.
    #[error("the key of change {index} was changed meanwhile")]
    Conflict {
        /// The first change whose expectation was not met, from 0.
        index: usize,
    },
    /// The store did not answer. Whether the changes were made is not known: read the keys again, and do not repeat the
    /// changes blindly.
    #[error("the store does not answer: {0}")]
    Unavailable(String),
    /// The store failed. Nothing was changed.
    #[error("the store failed: {0}")]
    Failed(String),
}

/// A durable map of buckets to keys to values. A change that was answered with `Ok` survives the end of the process at
/// any later moment.
pub trait Storage: Debug + Send + Sync {
    /// The value under a key.
    fn get<'a>(&'a self, bucket: &'a str, key: &'a str) -> BoxFuture<'a, Result<Option<Entry>, StorageError>>;

    /// Makes all changes or none, and says what became of each. No key is named twice; there are at most
    /// [`CHANGES_PER_COMMIT_MAX`] changes.
    fn commit(&self, changes: Vec<Change>) -> BoxFuture<'_, Result<Vec<Committed>, StorageError>>;

    /// At most `limit` keys of a bucket with their revisions, in ascending byte order, beginning behind `after`.
    fn list<'a>(
        &'a self,
        bucket: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<(String, Revision)>, StorageError>>;

    /// What the buckets whose names begin with `prefix` hold. Of their names, what follows the prefix counts. It reads
    /// all of it, so it is for a start, not for every call.
    fn size_below<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Size, StorageError>>;

    /// Puts a value under a key and gives its new revision.
    fn put<'a>(
        &'a self,
        bucket: &'a str,
        key: &'a str,
        value: Vec<u8>,
        expect: Expect,
    ) -> BoxFuture<'a, Result<Revision, StorageError>> {
        Box::pin(async move { Ok(only(self.commit(vec![Change::put(bucket, key, value, expect)]).await?)?.revision) })
    }

    /// Removes a key; whether it was there.
    fn delete<'a>(
        &'a self,
        bucket: &'a str,
        key: &'a str,
        expect: Expect,
    ) -> BoxFuture<'a, Result<bool, StorageError>> {
        Box::pin(
            async move { Ok(only(self.commit(vec![Change::delete(bucket, key, expect)]).await?)?.replaced.is_some()) },
        )
    }
}

fn only(committed: Vec<Committed>) -> Result<Committed, StorageError> {
    let missing = || StorageError::Failed("it says nothing of the change".to_owned());
    committed.into_iter().next().ok_or_else(missing)
}

/// Whether a commit is one that any store takes: not too many changes, and no key twice.
///
/// # Errors
/// What is wrong with it.
pub fn check_changes(changes: &[Change]) -> Result<(), StorageError> {
    if changes.len() > CHANGES_PER_COMMIT_MAX {
        let text = format!("{} changes are more than the {CHANGES_PER_COMMIT_MAX} of one commit", changes.len());
        return Err(StorageError::Failed(text));
    }
    let mut places: Vec<(&str, &str)> = changes.iter().map(|change| (&*change.bucket, &*change.key)).collect();
    places.sort_unstable();
    if places.array_windows().any(|[one, next]| one == next) {
        return Err(StorageError::Failed("one commit changes a key twice".to_owned()));
    }
    Ok(())
}

/// Every key of a bucket, page by page.
///
/// # Errors
/// When the store fails.
pub async fn list_all(storage: &dyn Storage, bucket: &str) -> Result<Vec<String>, StorageError> {
    const PAGE: usize = 1000;
    let mut keys: Vec<String> = Vec::new();
    loop {
        let page = storage.list(bucket, keys.last().map(String::as_str), PAGE).await?;
        let last = page.len() < PAGE;
        keys.extend(page.into_iter().map(|(key, _)| key));
        if last {
            return Ok(keys);
        }
    }
}
