//! The host's own commands, one file each, in a folder by what they are about. This file only
//! lists the folders; what commands share stands beside it.
//!
//! Where a command corresponds to one of ejabberd, it keeps that one's name, arguments and result, so that existing
//! clients work.

mod definition;
mod lint_context;
mod paging;
mod result;
mod services;

mod account;
mod audit;
mod key;
mod oauth;
mod permission;
mod plugin;
mod server;

use std::sync::Arc;

use muster_core::registry::Registered;

pub use services::{BackupFile, Control, LOG_LEVELS, Reading, Services};

/// Makes one command, or one form of it.
type Command = fn(&Arc<Services>) -> Result<Registered, String>;

const NOUNS: &[&[Command]] = &[
    account::COMMANDS,
    audit::COMMANDS,
    key::COMMANDS,
    oauth::COMMANDS,
    permission::COMMANDS,
    plugin::COMMANDS,
    server::COMMANDS,
];

/// Every built-in command.
///
/// # Errors
/// When a definition does not satisfy the rules for commands, which is a mistake in this crate.
pub fn commands(services: &Arc<Services>) -> Result<Vec<Registered>, String> {
    NOUNS.iter().copied().flatten().map(|command| command(services)).collect()
}
