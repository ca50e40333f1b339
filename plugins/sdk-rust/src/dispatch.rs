//! Calls other commands of the host, on behalf of this command's caller.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{CallError, raw};

/// Runs the latest version of the command `name` with the arguments `input`.
///
/// It succeeds only where the caller could run that command itself *and* the operator granted it to this plugin. The
/// call counts against the deadline of the call it is made from, and only a few such calls may be nested.
///
/// # Errors
///
/// The other command's; `Denied` without permission or grant; `Failed` when `input` has no JSON form or the result is
/// not an `Out`.
pub fn call<In: Serialize + ?Sized, Out: DeserializeOwned>(name: &str, input: &In) -> Result<Out, CallError> {
    let input = serde_json::to_string(input)
        .map_err(|error| CallError::failed(format!("the arguments for {name} have no JSON form: {error}")))?;
    let output = raw::muster::plugin::dispatch::call(name, &input)?;
    serde_json::from_str(&output)
        .map_err(|error| CallError::failed(format!("{name} answered something unexpected: {error}")))
}
