//! Durable state as buckets of keys with revisions. Everything the host must not forget goes through this trait.
//!
//! It is shaped so that a replicated store with compare-and-set can implement it as it is; watching for changes of
//! other hosts is deliberately absent until there are other hosts.

use std::fmt::Debug;

use thiserror::Error;

use crate::BoxFuture;

/// Grows with every change of a key; never used twice for one key.
pub type Revision = u64;

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
    /// The key is not as [`Expect`] said; nothing was changed.
    #[error("the key was changed by somebody else")]
    Conflict,
    /// The store itself failed.
    #[error("the store failed: {0}")]
    Failed(String),
}

/// A durable map of buckets to keys to values. A change that was answered with `Ok` survives the end of the process at
/// any later moment.
pub trait Storage: Debug + Send + Sync {
    /// The value under a key.
    fn get<'a>(&'a self, bucket: &'a str, key: &'a str) -> BoxFuture<'a, Result<Option<Entry>, StorageError>>;

    /// Puts a value under a key and gives its new revision.
    fn put<'a>(
        &'a self,
        bucket: &'a str,
        key: &'a str,
        value: Vec<u8>,
        expect: Expect,
    ) -> BoxFuture<'a, Result<Revision, StorageError>>;

    /// Removes a key; whether it was there.
    fn delete<'a>(&'a self, bucket: &'a str, key: &'a str, expect: Expect)
    -> BoxFuture<'a, Result<bool, StorageError>>;

    /// At most `limit` keys of a bucket in ascending byte order, beginning behind `after`.
    fn list<'a>(
        &'a self,
        bucket: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<String>, StorageError>>;

    /// What the buckets whose names begin with `prefix` hold. Of their names, what follows the prefix counts. It reads
    /// all of it, so it is for a start, not for every call.
    fn size_below<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Size, StorageError>> {
        let text = format!("this store cannot tell the size of `{prefix}`");
        Box::pin(std::future::ready(Err(StorageError::Failed(text))))
    }
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
        keys.extend(page);
        if last {
            return Ok(keys);
        }
    }
}
