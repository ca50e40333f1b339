//! Results in ejabberd's conventions, and account errors in ours.

use std::time::{Duration, UNIX_EPOCH};

use muster_core::authn::AccountError;
use muster_core::caller::{Authority, Caller};
use muster_core::error::CallError;
use muster_core::name::{AccountId, NameError, PluginName};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

/// 0 for yes or done, 1 for no or not done: what ejabberd's commands that only succeed or fail return.
pub(crate) struct ReturnCode(pub(crate) bool);

impl ReturnCode {
    pub(crate) const DONE: Self = Self(true);
}

impl Serialize for ReturnCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(u8::from(!self.0))
    }
}

impl JsonSchema for ReturnCode {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ReturnCode".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "enum": [0, 1], "description": "0 means yes or done, 1 means no or not done" })
    }
}

/// Reads an account from two arguments.
pub(crate) fn account(user: &str, host: &str) -> Result<AccountId, CallError> {
    let misfit = |pointer: &str, error: &NameError| CallError::argument(pointer, error.to_string());
    AccountId::new(user, "host").map_err(|error| misfit("/user", &error))?;
    AccountId::new(user, host).map_err(|error| misfit("/host", &error))
}

/// Reads a plugin's name from the argument `module`.
pub(crate) fn plugin_name(module: &str) -> Result<PluginName, CallError> {
    PluginName::parse(module).map_err(|error| CallError::argument("/module", error.to_string()))
}

/// What a caller is told when an operation on an account was not done.
pub(crate) fn account_error(error: AccountError) -> CallError {
    let text = error.to_string();
    match error {
        AccountError::UnknownHost => CallError::argument("/host", text),
        AccountError::Exists(_) => CallError::Conflict(text),
        AccountError::Missing(_) => CallError::NotFound(text),
        AccountError::UnusableName(_) => CallError::argument("/user", text),
        AccountError::UnusablePassword | AccountError::ShortPassword(_) | AccountError::CommonPassword => {
            CallError::argument("/password", text)
        }
        AccountError::Below(below) => below,
    }
}

/// A moment as RFC 3339 in UTC, from seconds since the epoch.
pub(crate) fn moment(seconds: u64) -> String {
    // Later than any calendar goes, the last moment it has.
    const YEAR_9999_SECONDS: u64 = 253_402_300_799;
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds.min(YEAR_9999_SECONDS))).to_string()
}

/// Refuses to make a credential for the account a caller with a narrower one stands for: it would be a way around the
/// narrowness.
pub(crate) fn refuse_widening(caller: &Caller, account: &AccountId) -> Result<(), CallError> {
    match caller.authority {
        Authority::Token(_) | Authority::Narrowed(_) if caller.account() == Some(account) => Err(CallError::Denied(
            "a key or token cannot create another credential for its own account; use the password".to_owned(),
        )),
        Authority::Full | Authority::Token(_) | Authority::Narrowed(_) => Ok(()),
    }
}
