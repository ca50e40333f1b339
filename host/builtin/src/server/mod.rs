//! The server itself: its state, log level, configuration and backups.

mod backup;
mod get_loglevel;
mod help;
mod registered_vhosts;
mod reload_config;
mod set_loglevel;
mod stats;
mod stats_host;
mod status;
mod stop;

use crate::Command;

/// What there is, one file each.
pub(crate) const COMMANDS: &[Command] = &[
    backup::command,
    get_loglevel::command,
    help::command,
    registered_vhosts::command,
    reload_config::command,
    set_loglevel::command,
    stats::command,
    stats_host::command,
    status::command,
    stop::command,
];
