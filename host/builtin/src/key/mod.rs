//! API keys.

mod key_create;
mod key_list;
mod key_revoke;

use crate::Command;

/// What there is, one file each.
pub(crate) const COMMANDS: &[Command] = &[key_create::command, key_list::command, key_revoke::command];
