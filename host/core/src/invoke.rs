//! The border between deciding about a call and running it.

use std::fmt::Debug;
use std::time::Instant;

use serde_json::Value;

use crate::BoxFuture;
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
    /// When the call must be over. Whoever runs it is dropped then.
    pub deadline: Instant,
    /// How many commands deep this is: 0 when called from outside, 1 when called by such a command, and so on.
    pub depth: u8,
}

/// What a command gave, before it is held against its schema.
#[derive(Debug)]
pub enum Output {
    /// A value made inside the host.
    Value(Value),
    /// JSON text from a guest, not yet read.
    Text(String),
}

/// Runs commands: natively, or in a plugin.
pub trait Invoke: Debug + Send + Sync {
    /// Runs the command. Dropping the future ends it.
    fn invoke(&self, invocation: Invocation) -> BoxFuture<'_, Result<Output, CallError>>;

    /// Hears whether a result satisfied the schema the command promised.
    fn checked(&self, _satisfied: bool) {}
}
