//! The rules in `muster.yaml`. Their grammar is core's; here are the names `from` has for interfaces, and the way from a
//! mistake in a value back to its place in the file.

use muster_core::name::FrontendName;
use muster_core::permission::{self, CONSOLE, Interface, PLUGIN, Permissions};
use serde_json::{Map, Value};

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

/// Most mistakes in rules that are told at once.
const MISTAKES_MAX: usize = 100;

/// Reads the rules below the root of the file. Of each group, ACL, access rule and host, the first mistake is told.
pub(super) fn rules(root: &Node<'_>, hosts: &[String]) -> Result<Permissions, Vec<ConfigError>> {
    let mut sections = Map::new();
    let mut mistakes = Vec::new();
    for member in root.members("a map of settings").map_err(|mistake| vec![mistake])? {
        if permission::KEYS.contains(&member.key) {
            match root.below(member.key, member.value).to_value(is_argument) {
                Ok(value) => drop(sections.insert(member.key.to_owned(), value)),
                Err(mistake) => mistakes.push(mistake),
            }
        }
    }
    loop {
        match permission::parse(&sections, &NAMES, hosts) {
            Ok(rules) if mistakes.is_empty() => return Ok(rules),
            Ok(_) => return Err(mistakes),
            Err(error) => {
                mistakes.push(root.rule_error(&error));
                // Without the part that has the mistake, the next one shows.
                if mistakes.len() >= MISTAKES_MAX || !remove_part(&mut sections, &error.pointer) {
                    return Err(mistakes);
                }
            }
        }
    }
}

/// Removes the member of a section a pointer leads into, or the section itself where it leads to that; whether there was
/// one.
fn remove_part(sections: &mut Map<String, Value>, pointer: &str) -> bool {
    let mut steps = pointer.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~"));
    let Some(section) = steps.next() else { return false };
    match (steps.next(), sections.get_mut(&section)) {
        (Some(member), Some(Value::Object(members))) if members.len() > 1 => members.shift_remove(&member).is_some(),
        _ => sections.shift_remove(&section).is_some(),
    }
}

/// Whether the keys lead to a value an argument is compared with: `api_permissions: GROUP: what: where: ARGUMENT`.
fn is_argument(keys: &[&str]) -> bool {
    matches!(keys, ["api_permissions", _, "what", "where", ..])
}
