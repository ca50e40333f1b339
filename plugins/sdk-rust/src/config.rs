//! Settings the operator gave to this plugin, through `wasi:config`.

use std::fmt::{self, Display};

use crate::CallError;
use crate::raw::wasi::config::store as raw;

/// The setting named `key`, if it is set.
///
/// # Errors
///
/// When the host cannot read its settings.
pub fn get(key: &str) -> Result<Option<String>, Error> {
    Ok(raw::get(key)?)
}

/// Every setting, as pairs of name and value.
///
/// # Errors
///
/// When the host cannot read its settings.
pub fn get_all() -> Result<Vec<(String, String)>, Error> {
    Ok(raw::get_all()?)
}

/// Why a setting could not be read, in the host's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The source of settings answered with an error.
    Upstream(String),
    /// The source of settings could not be reached.
    Io(String),
}

impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Upstream(message) => write!(f, "the settings cannot be read: {message}"),
            Self::Io(message) => write!(f, "the settings cannot be reached: {message}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<raw::Error> for Error {
    fn from(error: raw::Error) -> Self {
        match error {
            raw::Error::Upstream(message) => Self::Upstream(message),
            raw::Error::Io(message) => Self::Io(message),
        }
    }
}

impl From<Error> for CallError {
    fn from(error: Error) -> Self {
        Self::Unavailable(error.to_string())
    }
}
