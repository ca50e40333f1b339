//! How a call can fail: the contract's `call-error` with constructors that read well.

use std::fmt::{self, Display};

use crate::raw;

/// How a call can fail. Every text is shown to the caller: put nothing internal into it.
///
/// Sentences without a full stop, in lower case, read best beside the host's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallError {
    /// The caller should change an argument, although it satisfies the schema.
    InvalidArgument {
        /// JSON Pointer (RFC 6901) into the arguments, such as `/nick`.
        pointer: String,
        /// What is expected there.
        message: String,
    },
    /// The thing the arguments name does not exist.
    NotFound(String),
    /// The current state does not allow it now, such as a name already taken.
    Conflict(String),
    /// This caller may not do this to this thing.
    Denied(String),
    /// Something the command depends on does not answer; the same call may work later.
    Unavailable(String),
    /// Anything else.
    Failed(String),
}

impl CallError {
    /// The argument at `pointer` cannot be used; `message` says what is expected there.
    pub fn invalid(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self::InvalidArgument { pointer: pointer.into(), message: message.into() }
    }

    /// The thing the arguments name does not exist.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::NotFound(message.into())
    }

    /// The current state does not allow it now.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::Conflict(message.into())
    }

    /// This caller may not do this to this thing.
    pub fn denied(message: impl Into<String>) -> Self {
        Self::Denied(message.into())
    }

    /// Something the command depends on does not answer.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::Unavailable(message.into())
    }

    /// Anything else.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::Failed(message.into())
    }
}

impl Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidArgument { pointer, message } => write!(f, "{pointer}: {message}"),
            Self::NotFound(message)
            | Self::Conflict(message)
            | Self::Denied(message)
            | Self::Unavailable(message)
            | Self::Failed(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for CallError {}

impl From<CallError> for raw::CallError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::InvalidArgument { pointer, message } => {
                Self::InvalidArgument(raw::ArgumentError { pointer, message })
            }
            CallError::NotFound(message) => Self::NotFound(message),
            CallError::Conflict(message) => Self::Conflict(message),
            CallError::Denied(message) => Self::Denied(message),
            CallError::Unavailable(message) => Self::Unavailable(message),
            CallError::Failed(message) => Self::Failed(message),
        }
    }
}

impl From<raw::CallError> for CallError {
    fn from(error: raw::CallError) -> Self {
        match error {
            raw::CallError::InvalidArgument(raw::ArgumentError { pointer, message }) => {
                Self::InvalidArgument { pointer, message }
            }
            raw::CallError::NotFound(message) => Self::NotFound(message),
            raw::CallError::Conflict(message) => Self::Conflict(message),
            raw::CallError::Denied(message) => Self::Denied(message),
            raw::CallError::Unavailable(message) => Self::Unavailable(message),
            raw::CallError::Failed(message) => Self::Failed(message),
        }
    }
}
