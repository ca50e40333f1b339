//! A guest that makes a list longer: no call may overwrite what another one added, however many run at a time.

use muster_sdk::{CallError, command, plugin, store};

/// Adds a number to a list and gives its length
#[command(tags("hostile"))]
fn append(
    /// What to add.
    number: u32,
) -> Result<u32, CallError> {
    let list = store::open("list")?.update("numbers", |old: Option<Vec<u32>>| {
        let mut list = old.unwrap_or_default();
        list.push(number);
        Ok::<_, CallError>(list)
    })?;
    Ok(u32::try_from(list.len()).unwrap_or(u32::MAX))
}

/// Gives the list
#[command(tags("hostile"), effects(read_only))]
fn appended() -> Result<Vec<u32>, CallError> {
    Ok(store::open("list")?.get("numbers")?.unwrap_or_default())
}

plugin!(append, appended);
