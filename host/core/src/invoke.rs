//! The border between deciding about a call and running it.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Map, Value};

use crate::BoxFuture;
use crate::caller::Caller;
use crate::error::CallError;
use crate::permission::Permit;
use crate::schema::Arguments;

/// A call that passed every check. It cannot be made without a [`Permit`], and only the permission module makes those
/// (invariant I2).
#[derive(Debug)]
pub struct Invocation {
    /// Proof that the caller may run the command with these arguments; names both.
    pub permit: Permit,
    /// Arguments that satisfy the command's schema.
    pub arguments: Arguments,
    /// When the call must be over. Its task is dropped then.
    pub deadline: Instant,
    /// How many commands deep this is: 0 when called from outside, 1 when called by such a command, and so on.
    pub depth: u8,
    /// Who wants to hear how far it is.
    pub progress: Option<Arc<dyn Progress>>,
}

/// Hears how far a call is. It is told while the command runs, and must not wait.
pub trait Progress: Debug + Send + Sync {
    /// `done` of `total` units are done; without `total` the end is not known. `message` comes from the command, and is as
    /// long as it wants.
    fn report(&self, done: u64, total: Option<u64>, message: &str);
}

/// What a command gave, before it is held against its schema.
#[derive(Debug)]
pub enum Output {
    /// A value made inside the host.
    Value(Value),
    /// A part of a longer list made inside the host, and the arguments of a call that goes on behind it.
    Page(Value, Map<String, Value>),
    /// JSON text from a guest, not yet read.
    Text(String),
}

/// Runs commands: natively, or in a plugin.
pub trait Invoke: Debug + Send + Sync {
    /// Runs the command. Dropping the future ends it.
    fn invoke(&self, invocation: Invocation) -> BoxFuture<'_, Result<Output, CallError>>;

    /// Hears whether a result for this caller satisfied the schema the command promised.
    fn checked(&self, _caller: &Caller, _satisfied: bool) {}
}
