//! Permissions: why a call is allowed or denied, and what a change of the rules would change.

mod permissions_changes;
mod permissions_check;
mod permissions_explain;
mod permissions_matrix;

use crate::Command;

/// What there is, one file each.
pub(crate) const COMMANDS: &[Command] = &[
    permissions_changes::command,
    permissions_check::command,
    permissions_explain::command,
    permissions_matrix::command,
];
