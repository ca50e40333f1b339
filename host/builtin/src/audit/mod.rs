//! The audit record: searching it, and proving that it is whole.

mod audit_search;
mod audit_verify;

use crate::Command;

/// What there is, one file each.
pub(crate) const COMMANDS: &[Command] = &[audit_search::command, audit_verify::command];
