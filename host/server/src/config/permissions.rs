//! The rules in `muster.yaml`. Their grammar is core's; here are the names `from` has for interfaces, and the way from a
//! mistake in a value back to its place in the file.

use muster_core::name::FrontendName;
use muster_core::permission::{self, CONSOLE, Interface, PLUGIN, Permissions};
use serde_json::Map;

use super::yaml::{ConfigError, Node};

/// The interfaces there are.
pub(crate) const INTERFACES: [FrontendName; 6] = [
    FrontendName("rest"),
    FrontendName("cli"),
    FrontendName(CONSOLE),
    FrontendName("mcp"),
    FrontendName("xmlrpc"),
    FrontendName("xmpp"),
];

/// Interfaces as rules name them, with the names ejabberd has for them.
const NAMES: [Interface; 13] = [
    ("rest", &["rest"]),
    ("cli", &["cli"]),
    (CONSOLE, &[CONSOLE]),
    ("mcp", &["mcp"]),
    ("xmlrpc", &["xmlrpc"]),
    ("xmpp", &["xmpp"]),
    (PLUGIN, &[PLUGIN]),
    ("mod_http_api", &["rest"]),
    ("ejabberd_ctl", &[CONSOLE, "cli"]),
    ("ejabberd_xmlrpc", &["xmlrpc"]),
    ("mod_adhoc_api", &["xmpp"]),
    ("mod_cron", &["mod_cron"]),
    ("ejabberd_web_admin", &["ejabberd_web_admin"]),
];

/// Reads the rules below the root of the file.
pub(super) fn rules(root: &Node<'_>, hosts: &[String]) -> Result<Permissions, ConfigError> {
    let mut sections = Map::new();
    for member in root.members("a map of settings")? {
        if permission::KEYS.contains(&member.key) {
            sections.insert(member.key.to_owned(), root.below(member.key, member.value).to_value(is_argument)?);
        }
    }
    permission::parse(&sections, &NAMES, hosts).map_err(|error| root.rule_error(&error))
}

/// Whether the keys lead to a value an argument is compared with: `api_permissions: GROUP: what: where: ARGUMENT`.
fn is_argument(keys: &[&str]) -> bool {
    matches!(keys, ["api_permissions", _, "what", "where", ..])
}
