//! Durable values under keys, through `wasi:keyvalue`.
//!
//! ```no_run
//! use muster_sdk::{CallError, store};
//!
//! fn remember(owner: &str, nick: &str) -> Result<u64, CallError> {
//!     let nicks = store::open("nicks")?;
//!     nicks.set(owner, &nick)?;
//!     Ok(store::open("counters")?.increment("remembered", 1)?)
//! }
//! ```
//!
//! Values are JSON. A bucket comes into being with its first key, and belongs to this plugin alone. What one call wrote,
//! every later call sees. There are no transactions: keep what changes together under one key, and what changes apart
//! under different keys. Calls run beside one another, whatever the plugin's isolation: a value that is made of the one
//! before is changed by [`Store::update`] or [`Store::increment`], since between a `get` and a `set` another call may write.

use std::fmt::{self, Display};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::CallError;
use crate::raw::muster::plugin::compare_and_swap;
use crate::raw::wasi::keyvalue::{atomics, batch, store as raw};

/// Opens the bucket `name`.
///
/// # Errors
///
/// [`Error::NoSuchStore`] and [`Error::AccessDenied`] when the host does not offer it to this plugin.
pub fn open(name: &str) -> Result<Store, Error> {
    Ok(Store(raw::open(name)?))
}

/// An open bucket.
#[derive(Debug)]
pub struct Store(raw::Bucket);

/// How often [`Store::update`] tries.
pub const UPDATE_TRIES: u32 = 100;

/// Keys asked of the host at a time; hosts bound it, and this many fit everywhere.
const KEYS_PER_CALL: usize = 500;

impl Store {
    /// The value under `key`, if there is one.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] when what is there is not a `T`; otherwise the host's.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Error> {
        self.0.get(key)?.map(|bytes| value(key, &bytes)).transpose()
    }

    /// The values under `keys`, in that order; nothing where there is no value.
    ///
    /// # Errors
    ///
    /// As for [`Store::get`].
    pub fn get_many<T: DeserializeOwned>(&self, keys: &[String]) -> Result<Vec<Option<T>>, Error> {
        let mut found = Vec::with_capacity(keys.len());
        for some in keys.chunks(KEYS_PER_CALL) {
            for pair in batch::get_many(&self.0, some)? {
                found.push(pair.map(|(key, bytes)| value(&key, &bytes)).transpose()?);
            }
        }
        Ok(found)
    }

    /// Puts `value` under `key`, replacing what was there.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] when `value` has no JSON form; otherwise the host's, such as a full quota.
    pub fn set<T: Serialize + ?Sized>(&self, key: &str, value: &T) -> Result<(), Error> {
        let bytes = serde_json::to_vec(value).map_err(|error| Error::value(key, &error))?;
        Ok(self.0.set(key, &bytes)?)
    }

    /// Removes `key`; a key that is not there is no error.
    ///
    /// # Errors
    ///
    /// The host's.
    pub fn delete(&self, key: &str) -> Result<(), Error> {
        Ok(self.0.delete(key)?)
    }

    /// Whether there is a value under `key`.
    ///
    /// # Errors
    ///
    /// The host's.
    pub fn exists(&self, key: &str) -> Result<bool, Error> {
        Ok(self.0.exists(key)?)
    }

    /// Every key, in ascending order. The host gives them in pages; this asks for all.
    ///
    /// # Errors
    ///
    /// The host's.
    pub fn keys(&self) -> Result<Vec<String>, Error> {
        let mut page = self.0.list_keys(None)?;
        let mut keys = page.keys;
        while let Some(cursor) = page.cursor {
            page = self.0.list_keys(Some(cursor))?;
            keys.append(&mut page.keys);
        }
        Ok(keys)
    }

    /// Makes the value under `key` of the one before, nothing where there is none, and gives it. Where another call changes
    /// it meanwhile, `change` is asked again with what is there then, so it should do nothing else.
    ///
    /// # Errors
    ///
    /// What `change` answers; [`Error::Busy`] when others were quicker [`UPDATE_TRIES`] times; otherwise the host's.
    pub fn update<T, E>(&self, key: &str, mut change: impl FnMut(Option<T>) -> Result<T, E>) -> Result<T, E>
    where
        T: Serialize + DeserializeOwned,
        E: From<Error>,
    {
        for _ in 0..UPDATE_TRIES {
            let old = self.0.get(key).map_err(Error::from)?;
            let new = change(old.as_deref().map(|bytes| value(key, bytes)).transpose()?)?;
            let bytes = serde_json::to_vec(&new).map_err(|error| Error::value(key, &error))?;
            if compare_and_swap::swap(&self.0, key, old.as_deref(), &bytes).map_err(Error::from)? {
                return Ok(new);
            }
        }
        Err(Error::Busy { key: key.into() }.into())
    }

    /// Adds `delta` to the number under `key`, 0 where there is none, and gives the sum. No other call comes between.
    ///
    /// # Errors
    ///
    /// The host's, such as a value that is not a number.
    pub fn increment(&self, key: &str, delta: u64) -> Result<u64, Error> {
        Ok(atomics::increment(&self.0, key, delta)?)
    }
}

fn value<T: DeserializeOwned>(key: &str, bytes: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|error| Error::value(key, &error))
}

/// Why an operation could not be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The bucket's name is not one this host offers.
    NoSuchStore,
    /// The operator did not grant this bucket.
    AccessDenied,
    /// A value does not fit its type, or has no JSON form.
    Value {
        /// Where it is, or should have gone.
        key: String,
        /// The mismatch.
        message: String,
    },
    /// Other calls change the value too often for it to be updated.
    Busy {
        /// Where it is.
        key: String,
    },
    /// Anything else, in the host's words.
    Other(String),
}

impl Error {
    fn value(key: &str, error: &serde_json::Error) -> Self {
        Self::Value { key: key.into(), message: error.to_string() }
    }
}

impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchStore => f.write_str("the key-value store is not offered here"),
            Self::AccessDenied => f.write_str("the key-value store is not granted"),
            Self::Value { key, message } => write!(f, "the value under {key:?} does not fit: {message}"),
            Self::Busy { key } => {
                write!(f, "the value under {key:?} is changed by too many calls at a time; try again")
            }
            Self::Other(message) => write!(f, "the key-value store says: {message}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<raw::Error> for Error {
    fn from(error: raw::Error) -> Self {
        match error {
            raw::Error::NoSuchStore => Self::NoSuchStore,
            raw::Error::AccessDenied => Self::AccessDenied,
            raw::Error::Other(message) => Self::Other(message),
        }
    }
}

impl From<Error> for CallError {
    fn from(error: Error) -> Self {
        Self::Unavailable(error.to_string())
    }
}
