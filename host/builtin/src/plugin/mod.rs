//! Plugins: installing, upgrading, releasing and looking at them.

mod candidate;

mod module_change;
mod module_check;
mod module_grants;
mod module_install;
mod module_release;
mod module_uninstall;
mod module_upgrade;
mod modules_available;
mod modules_details;
mod modules_installed;
mod modules_limits;

use crate::Command;

/// What there is, one file each.
pub(crate) const COMMANDS: &[Command] = &[
    module_change::command,
    module_check::command,
    module_grants::command,
    module_install::command,
    module_release::command,
    module_uninstall::command,
    module_upgrade::command,
    modules_available::command,
    modules_details::command,
    modules_installed::command,
    modules_limits::command,
];
