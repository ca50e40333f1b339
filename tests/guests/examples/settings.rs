//! A guest that tells what it can read of its settings: the list, and one it names. It logs that one as well, as guests
//! should not.

use std::collections::BTreeMap;

use muster_sdk::{CallError, command, config, log, plugin};

/// What was found.
#[derive(Debug)]
#[muster_sdk::data]
struct Found {
    /// Names of the settings that are listed.
    listed: Vec<String>,
    /// The setting that was asked for.
    named: Option<String>,
}

/// Tells what it can read of its settings
#[command(tags("hostile"))]
fn settings(
    /// A setting to read by its name.
    name: String,
) -> Result<Found, CallError> {
    let all: BTreeMap<String, String> = config::get_all()?.into_iter().collect();
    let named = config::get(&name)?;
    log::info!("`{name}` is {named:?}");
    Ok(Found { listed: all.into_keys().collect(), named })
}

plugin!(settings);
