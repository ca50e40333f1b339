//! Everything that can go wrong with a call, in the words every wire translates from.
//!
//! Public and internal text are different fields: [`CallError::detail`] is for the caller, [`CallError::internal`] for
//! the log, and nothing prints the latter on a wire (invariant I11). Deliberately exhaustive: a new variant must break
//! every wire's table.

use std::fmt;
use std::time::Duration;

use thiserror::Error;

use crate::authn::Rejection;
use crate::rate::RateLimitStatus;
use crate::request_id::RequestId;
use crate::storage::StorageError;

/// One argument that does not fit.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ArgumentError {
    /// JSON Pointer (RFC 6901) of the place; empty for the whole.
    pub pointer: String,
    /// What is wrong there, without repeating the value: it may be a secret.
    pub message: String,
}

impl fmt::Display for ArgumentError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pointer.as_str() {
            "" => formatter.write_str(&self.message),
            pointer => write!(formatter, "{pointer}: {}", self.message),
        }
    }
}

/// How a plugin broke its contract.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Fault {
    /// Its code trapped: an instruction that cannot go on.
    Trap,
    /// It ended its own process.
    Exit,
    /// It panicked, and said so before it trapped.
    Panic,
    /// It returned a result that does not match its output schema.
    InvalidOutput,
    /// No instance of it could be made.
    Start,
}

impl Fault {
    /// Every fault there is.
    pub const ALL: [Self; 5] = [Self::Trap, Self::Exit, Self::Panic, Self::InvalidOutput, Self::Start];

    /// The stable name of the fault, which is the code of the error.
    pub fn code(self) -> &'static str {
        match self {
            Self::Trap => "plugin-trapped",
            Self::Exit => "plugin-exited",
            Self::Panic => "plugin-panicked",
            Self::InvalidOutput => "plugin-invalid-output",
            Self::Start => "plugin-not-started",
        }
    }

    /// What the plugin did, for the caller.
    fn deed(self) -> &'static str {
        match self {
            Self::Trap => "crashed",
            Self::Exit => "exited without a result",
            Self::Panic => "panicked",
            Self::InvalidOutput => "returned a result that does not match its output schema",
            Self::Start => "could not be started",
        }
    }
}

/// Why a call has no result. Each variant has a stable code; its texts may change.
#[derive(Clone, Debug, Error)]
#[error("{}", self.detail())]
pub enum CallError {
    /// The request is malformed.
    Malformed(String),
    /// Arguments do not satisfy the schema, or the command refused them.
    InvalidArguments(Vec<ArgumentError>),
    /// No credential where one is needed, or one that is wrong.
    Unauthenticated {
        /// Why the one that was presented is not accepted; nothing where none was. Never for the caller.
        rejected: Option<Rejection>,
    },
    /// The caller is known and may not.
    Forbidden {
        /// A scope with which the caller's token could call it; nothing where no scope would help.
        scope: Option<String>,
        /// The request to ask about, for callers who may ask why.
        reference: Option<RequestId>,
    },
    /// There is no such command, or none at this version.
    UnknownCommand(String),
    /// The command is not read-only, and the wire promised that it would not.
    NotReadOnly,
    /// The arguments text is too long.
    TooLarge {
        /// The bound, in bytes.
        bytes_max: usize,
    },
    /// The command ran: what it was to work on does not exist.
    NotFound(String),
    /// The command ran: the state of things forbids it.
    Conflict(String),
    /// The command ran and denied it.
    Denied(String),
    /// Something the command needs does not answer.
    Unavailable(String),
    /// The command ran and failed.
    Failed(String),
    /// Too many calls at once.
    TooManyCalls,
    /// Too many failed logins from this address: its credentials are rejected for a while.
    Throttled {
        /// When one will be.
        retry_after: Duration,
    },
    /// The caller called more often than a rate limit allows.
    RateLimited {
        /// Where they stand.
        standing: RateLimitStatus,
    },
    /// The call used up something it has a bound on.
    LimitExceeded {
        /// Which limit, as the configuration names it.
        limit: &'static str,
        /// The bound, with its unit.
        bound: String,
    },
    /// The call took longer than it may.
    Deadline {
        /// The bound, in milliseconds.
        deadline_ms: u64,
    },
    /// The component cannot be a plugin here.
    PluginRefused {
        /// Why, as a stable slug.
        code: &'static str,
        /// What it wanted, what there is, and what to do.
        text: String,
    },
    /// The command failed too often for this caller, so it is not run for them for a while.
    Quarantined {
        /// When it will be.
        retry_after: Duration,
    },
    /// The plugin broke the contract.
    PluginFault {
        /// How.
        fault: Fault,
        /// What it did; for the log.
        internal: String,
    },
    /// The host itself failed.
    Internal {
        /// What failed; for the log.
        internal: String,
    },
}

impl CallError {
    /// One argument that does not fit.
    pub fn argument(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self::InvalidArguments(vec![ArgumentError { pointer: pointer.into(), message: message.into() }])
    }

    /// The host itself failed; `cause` goes to the log.
    pub fn internal_from(cause: impl fmt::Display) -> Self {
        Self::Internal { internal: cause.to_string() }
    }

    /// Why the credential that was presented is not accepted. For the log and the record, never for the caller.
    pub fn rejection(&self) -> Option<Rejection> {
        if let Self::Unauthenticated { rejected } = self { *rejected } else { None }
    }

    /// The stable name of this kind of failure.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::InvalidArguments(_) => "invalid-arguments",
            Self::Unauthenticated { .. } => "unauthenticated",
            Self::Forbidden { .. } => "forbidden",
            Self::UnknownCommand(_) => "unknown-command",
            Self::NotReadOnly => "not-read-only",
            Self::TooLarge { .. } => "too-large",
            Self::NotFound(_) => "not-found",
            Self::Conflict(_) => "conflict",
            Self::Denied(_) => "denied",
            Self::Unavailable(_) => "unavailable",
            Self::Failed(_) => "command-failed",
            Self::TooManyCalls => "too-many-calls",
            Self::Throttled { .. } => "throttled",
            Self::RateLimited { .. } => "rate-limited",
            Self::LimitExceeded { .. } => "limit-exceeded",
            Self::Deadline { .. } => "deadline",
            Self::PluginRefused { code, .. } => code,
            Self::Quarantined { .. } => "plugin-quarantined",
            Self::PluginFault { fault, .. } => fault.code(),
            Self::Internal { .. } => "internal",
        }
    }

    /// What kind of failure this is, in a few words that do not depend on the call.
    pub fn title(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "Malformed request",
            Self::InvalidArguments(_) => "Invalid arguments",
            Self::Unauthenticated { .. } => "Authentication required",
            Self::Forbidden { .. } => "Not permitted",
            Self::UnknownCommand(_) => "Unknown command",
            Self::NotReadOnly => "The command is not read-only",
            Self::TooLarge { .. } => "The request is too large",
            Self::NotFound(_) => "Not found",
            Self::Conflict(_) => "Conflict",
            Self::Denied(_) => "Denied by the command",
            Self::Unavailable(_) => "Temporarily unavailable",
            Self::Failed(_) => "The command failed",
            Self::TooManyCalls => "Too many calls",
            Self::Throttled { .. } => "Too many failed logins",
            Self::RateLimited { .. } => "Rate limit exceeded",
            Self::LimitExceeded { .. } => "Limit exceeded",
            Self::Deadline { .. } => "The call took too long",
            Self::PluginRefused { .. } => "Component rejected",
            Self::Quarantined { .. } => "Command quarantined",
            Self::PluginFault { .. } => "Plugin fault",
            Self::Internal { .. } => "Internal error",
        }
    }

    /// What went wrong this time, for the caller. Never internal text.
    pub fn detail(&self) -> String {
        match self {
            Self::Malformed(text)
            | Self::UnknownCommand(text)
            | Self::NotFound(text)
            | Self::Conflict(text)
            | Self::Denied(text)
            | Self::Unavailable(text)
            | Self::Failed(text)
            | Self::PluginRefused { text, .. } => text.clone(),
            Self::InvalidArguments(errors) => errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
            Self::Unauthenticated { rejected: None } => {
                "authentication required: present a credential, for example Basic with user@host and password"
                    .to_owned()
            }
            Self::Unauthenticated { rejected: Some(_) } => "the presented credential is not valid".to_owned(),
            Self::Forbidden { reference, .. } => {
                let text = "permission denied: no rule allows this caller to run this command";
                match reference {
                    Some(id) => format!("{text}; `muster permissions explain --request {}` shows why", id.as_str()),
                    None => text.to_owned(),
                }
            }
            Self::NotReadOnly => "the command is not read-only; use POST".to_owned(),
            Self::TooLarge { bytes_max } => {
                format!("the arguments are too large; at most {bytes_max} bytes are allowed")
            }
            Self::TooManyCalls => "too many calls are running; retry later".to_owned(),
            Self::Throttled { retry_after } => {
                let seconds = whole_seconds(*retry_after);
                format!("too many failed logins from this address; retry after {seconds} s")
            }
            Self::RateLimited { standing } => {
                let seconds = whole_seconds(standing.retry_after);
                format!("the rate limit `{}` is exceeded; retry after {seconds} s", standing.name)
            }
            Self::LimitExceeded { limit, bound } => format!("the call exceeded {limit} ({bound})"),
            Self::Deadline { deadline_ms } => format!("the call did not end within {deadline_ms} ms"),
            Self::Quarantined { retry_after } => {
                let seconds = whole_seconds(*retry_after);
                format!("command quarantined: most of your recent calls failed; retry after {seconds} s")
            }
            Self::PluginFault { fault, .. } => {
                format!("the plugin {}; see the log of the host for this request id", fault.deed())
            }
            Self::Internal { .. } => "internal error of the host; see its log for this request id".to_owned(),
        }
    }

    /// When it makes sense to try again, in whole seconds, at least one; nothing where it does not help to wait.
    pub fn retry_after_s(&self) -> Option<u64> {
        match self {
            Self::Throttled { retry_after } | Self::Quarantined { retry_after } => Some(whole_seconds(*retry_after)),
            Self::RateLimited { standing } => Some(whole_seconds(standing.retry_after)),
            Self::TooManyCalls | Self::Unavailable(_) => Some(1),
            Self::Malformed(_)
            | Self::InvalidArguments(_)
            | Self::Unauthenticated { .. }
            | Self::Forbidden { .. }
            | Self::UnknownCommand(_)
            | Self::NotReadOnly
            | Self::TooLarge { .. }
            | Self::NotFound(_)
            | Self::Conflict(_)
            | Self::Denied(_)
            | Self::Failed(_)
            | Self::LimitExceeded { .. }
            | Self::Deadline { .. }
            | Self::PluginRefused { .. }
            | Self::PluginFault { .. }
            | Self::Internal { .. } => None,
        }
    }

    /// What the log should have and the caller must not.
    pub fn internal(&self) -> Option<&str> {
        match self {
            Self::PluginFault { internal, .. } | Self::Internal { internal } => Some(internal),
            Self::Malformed(_)
            | Self::InvalidArguments(_)
            | Self::Unauthenticated { .. }
            | Self::Forbidden { .. }
            | Self::UnknownCommand(_)
            | Self::NotReadOnly
            | Self::TooLarge { .. }
            | Self::NotFound(_)
            | Self::Conflict(_)
            | Self::Denied(_)
            | Self::Unavailable(_)
            | Self::Failed(_)
            | Self::TooManyCalls
            | Self::Throttled { .. }
            | Self::RateLimited { .. }
            | Self::LimitExceeded { .. }
            | Self::PluginRefused { .. }
            | Self::Quarantined { .. }
            | Self::Deadline { .. } => None,
        }
    }
}

fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0 || duration.is_zero())
}

impl From<StorageError> for CallError {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Conflict { .. } => Self::Conflict("concurrent change; try again".to_owned()),
            StorageError::Unavailable(_) => {
                Self::Unavailable("the store does not answer at present; try again later".to_owned())
            }
            StorageError::Failed(_) => Self::internal_from(error),
        }
    }
}

impl From<Rejection> for CallError {
    fn from(reason: Rejection) -> Self {
        Self::Unauthenticated { rejected: Some(reason) }
    }
}
