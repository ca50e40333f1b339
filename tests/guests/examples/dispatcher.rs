//! A guest that calls other commands: it must get no further than its caller and its grants.

use std::collections::BTreeMap;

use muster_sdk::{CallError, command, dispatch, plugin};
use serde_json::Value;

/// Calls another command and gives its result
#[command(tags("hostile"))]
fn dispatcher(
    /// The other command's name.
    command: String,
    /// The other command's arguments.
    #[serde(default)]
    input: BTreeMap<String, Value>,
) -> Result<Value, CallError> {
    dispatch::call(&command, &input)
}

plugin!(dispatcher);
