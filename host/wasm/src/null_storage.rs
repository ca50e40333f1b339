//! A store for guests that run outside a host: nothing can be kept in it, and they are told so.

use muster_core::BoxFuture;
use muster_core::storage::{Change, Committed, Entry, Revision, Size, Storage, StorageError};

/// A store that keeps nothing.
#[derive(Debug)]
pub(crate) struct NullStorage;

impl NullStorage {
    fn refuse<'a, T: Send + 'a>() -> BoxFuture<'a, Result<T, StorageError>> {
        Box::pin(std::future::ready(Err(StorageError::Failed("this host stores no data".to_owned()))))
    }
}

impl Storage for NullStorage {
    fn get<'a>(&'a self, _: &'a str, _: &'a str) -> BoxFuture<'a, Result<Option<Entry>, StorageError>> {
        Self::refuse()
    }

    fn commit(&self, _: Vec<Change>) -> BoxFuture<'_, Result<Vec<Committed>, StorageError>> {
        Self::refuse()
    }

    fn list<'a>(
        &'a self,
        _: &'a str,
        _: Option<&'a str>,
        _: usize,
    ) -> BoxFuture<'a, Result<Vec<(String, Revision)>, StorageError>> {
        Self::refuse()
    }

    fn size_below<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Size, StorageError>> {
        Box::pin(std::future::ready(Ok(Size::default())))
    }
}
