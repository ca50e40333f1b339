//! A store for guests that run outside a host: nothing can be kept in it, and they are told so.

use muster_core::BoxFuture;
use muster_core::storage::{Entry, Expect, Revision, Size, Storage, StorageError};

/// A store that is none.
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

    fn put<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
        _: Vec<u8>,
        _: Expect,
    ) -> BoxFuture<'a, Result<Revision, StorageError>> {
        Self::refuse()
    }

    fn delete<'a>(&'a self, _: &'a str, _: &'a str, _: Expect) -> BoxFuture<'a, Result<bool, StorageError>> {
        Self::refuse()
    }

    fn list<'a>(
        &'a self,
        _: &'a str,
        _: Option<&'a str>,
        _: usize,
    ) -> BoxFuture<'a, Result<Vec<String>, StorageError>> {
        Self::refuse()
    }

    fn size_below<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Size, StorageError>> {
        Box::pin(std::future::ready(Ok(Size::default())))
    }
}
