//! Accounts of this server: who has one, with which password, and who is banned.

mod ban_account;
mod change_password;
mod check_account;
mod check_password;
mod count_banned;
mod get_ban_details;
mod list_banned;
mod register;
mod registered_users;
mod unban_account;
mod unregister;

use crate::Command;

/// What there is, one file each.
pub(crate) const COMMANDS: &[Command] = &[
    ban_account::command,
    change_password::command,
    check_account::command,
    check_password::command,
    count_banned::command,
    get_ban_details::command,
    list_banned::command,
    register::command,
    registered_users::command,
    unban_account::command,
    unregister::command,
];
