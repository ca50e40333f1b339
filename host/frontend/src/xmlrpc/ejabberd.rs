//! How ejabberd names the results of commands it has as well: its clients read them by these names.

/// The form a result comes in: always a struct.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Form {
    /// The result as this member.
    Named(&'static str),
    /// A list as this member, whose items are structs with this one.
    List(&'static str, &'static str),
    /// An object as this member: a list of structs, with the names of the object as this member and its values as that
    /// one.
    Pairs(&'static str, &'static str, &'static str),
    /// A text as `text`, beside `res`, which is 0 for done.
    Done,
}

/// The form of results of commands ejabberd does not have.
const OTHER: Form = Form::Named("result");

const FORMS: [(&str, Form); 35] = [
    ("add_rosteritem", Form::Named("res")),
    ("ban_account", Form::Named("res")),
    ("change_password", Form::Named("res")),
    ("check_account", Form::Named("res")),
    ("check_password", Form::Named("res")),
    ("count_banned", Form::Named("banned")),
    ("delete_rosteritem", Form::Named("res")),
    ("get_ban_details", Form::Pairs("ban_details", "name", "value")),
    ("get_loglevel", Form::Named("levelatom")),
    ("get_roster", Form::Named("contacts")),
    ("get_roster_count", Form::Named("value")),
    ("list_banned", Form::List("banned", "jid")),
    ("module_check", Form::Named("res")),
    ("module_install", Form::Named("res")),
    ("module_uninstall", Form::Named("res")),
    ("module_upgrade", Form::Named("res")),
    ("modules_available", Form::Pairs("modules", "name", "summary")),
    ("modules_installed", Form::Pairs("modules", "name", "summary")),
    ("oauth_add_client_implicit", Form::Done),
    ("oauth_add_client_password", Form::Done),
    ("oauth_issue_token", Form::Named("result")),
    ("oauth_list_tokens", Form::Named("tokens")),
    ("oauth_remove_client", Form::Done),
    ("oauth_revoke_token", Form::Done),
    ("register", Form::Done),
    ("registered_users", Form::List("users", "username")),
    ("registered_vhosts", Form::List("vhosts", "vhost")),
    ("reload_config", Form::Named("res")),
    ("set_loglevel", Form::Named("res")),
    ("stats", Form::Named("stat")),
    ("stats_host", Form::Named("stat")),
    ("status", Form::Done),
    ("stop", Form::Named("res")),
    ("unban_account", Form::Named("res")),
    ("unregister", Form::Done),
];

/// The form a command's result comes in.
pub(super) fn form(command: &str) -> Form {
    FORMS.iter().find(|(name, _)| *name == command).map_or(OTHER, |(_, form)| *form)
}
