//! `api_permissions`, `acl` and `access_rules`, in ejabberd's grammar.

use ipnet::IpNet;
use muster_core::name::AccountId;
use muster_core::permission::{AccessLine, AccessRule, CONSOLE, Group, Selector, Subject, What, Who};

use super::yaml::{ConfigError, Node};

/// Interfaces as rules name them, with the names ejabberd has for them.
const INTERFACES: [(&str, &[&str]); 10] = [
    ("rest", &["rest"]),
    ("cli", &["cli"]),
    (CONSOLE, &[CONSOLE]),
    ("mcp", &["mcp"]),
    ("xmlrpc", &["xmlrpc"]),
    ("xmpp", &["xmpp"]),
    ("mod_http_api", &["rest"]),
    ("ejabberd_ctl", &[CONSOLE, "cli"]),
    ("ejabberd_xmlrpc", &["xmlrpc"]),
    ("mod_adhoc_api", &["xmpp"]),
];
const SUBJECTS: [&str; 5] = ["acl", "ip", "server", "user", "access"];

/// `api_permissions`: a map of groups.
pub(super) fn groups(node: &Node<'_>) -> Result<Vec<Group>, ConfigError> {
    let members = node.members("a map of groups, each with from, who and what")?;
    members
        .iter()
        .map(|member| {
            let group = node.below(member.key, member.value);
            let mut read =
                Group { name: member.key.to_owned(), from: Vec::new(), who: Vec::new(), what: What::default() };
            for part in group.members("a map with from, who and what")? {
                let below = group.below(part.key, part.value);
                match part.key {
                    "from" => read.from = from(&below)?,
                    "who" => read.who = who(&below)?,
                    "what" => read.what = what(&below)?,
                    other => return Err(group.at(part.key_node).unknown("key", other, &["from", "who", "what"])),
                }
            }
            Ok(read)
        })
        .collect()
}

fn from(node: &Node<'_>) -> Result<Vec<String>, ConfigError> {
    let mut names = Vec::new();
    for item in node.one_or_many() {
        let text = item.text("the name of an interface")?;
        let known = INTERFACES.iter().find(|(name, _)| *name == text);
        let Some((_, ours)) = known else {
            return Err(item.unknown("interface", &text, &INTERFACES.map(|(name, _)| name)));
        };
        names.extend(ours.iter().map(|name| (*name).to_owned()));
    }
    Ok(names)
}

fn what(node: &Node<'_>) -> Result<What, ConfigError> {
    let selector = |item: Node<'_>| {
        let text = item.text("a command, `*`, `[tag:NAME]` or `[plugin:NAME]`, each also with `!`")?;
        Selector::parse(&text).map_err(|error| item.error(error.to_string()))
    };
    Ok(What::new(node.one_or_many().into_iter().map(selector).collect::<Result<_, _>>()?))
}

fn who(node: &Node<'_>) -> Result<Vec<Who>, ConfigError> {
    let mut entries = Vec::new();
    for item in node.one_or_many() {
        if !item.is_map() {
            entries.push(Who::Subject(named(&item)?));
            continue;
        }
        for member in item.members("conditions")? {
            let below = item.below(member.key, member.value);
            match member.key {
                "access" => entries.push(access(&below)?),
                _ => entries
                    .extend(subjects(&item.at(member.key_node), member.key, &below)?.into_iter().map(Who::Subject)),
            }
        }
    }
    Ok(entries)
}

/// A name that stands alone: everybody, nobody, or an ACL.
fn named(node: &Node<'_>) -> Result<Subject, ConfigError> {
    Ok(match node.text("`all`, `none`, the name of an ACL, or a map of conditions")?.as_str() {
        "all" => Subject::All,
        "none" => Subject::Nobody,
        acl => Subject::Acl(acl.to_owned()),
    })
}

/// `key: value` or `key: [values]`, as subjects.
fn subjects(key_node: &Node<'_>, key: &str, node: &Node<'_>) -> Result<Vec<Subject>, ConfigError> {
    let one = |item: Node<'_>| match key {
        "acl" => named(&item),
        "user" => user(&item),
        "server" => Ok(Subject::Server(item.text("a host name")?.to_lowercase())),
        "ip" => network(&item).map(Subject::Ip),
        "resource" | "resource_regexp" | "resource_glob" | "shared_group" => {
            Err(key_node.error(format!("`{key}` is about XMPP sessions, which this server does not have; remove it")))
        }
        other => Err(key_node.unknown("key", other, &SUBJECTS)),
    };
    node.one_or_many().into_iter().map(one).collect()
}

fn user(node: &Node<'_>) -> Result<Subject, ConfigError> {
    let text = node.text("`user@host` or a user name")?;
    let misfit = |error: muster_core::name::NameError| node.error(error.to_string());
    if text.contains('@') {
        return AccountId::parse(&text).map(Subject::User).map_err(misfit);
    }
    AccountId::new(&text, "any").map(|account| Subject::UserAnyHost(account.user().to_owned())).map_err(misfit)
}

fn network(node: &Node<'_>) -> Result<IpNet, ConfigError> {
    let text = node.text("an address or a network such as 10.0.0.0/8")?;
    let network = text.parse::<IpNet>().ok().or_else(|| text.parse::<std::net::IpAddr>().map(IpNet::from).ok());
    network.ok_or_else(|| node.error(format!("`{text}` is not an address or a network such as 10.0.0.0/8")))
}

/// `access: NAME` or `access: {allow: …}` or `access: [- allow: …]`.
fn access(node: &Node<'_>) -> Result<Who, ConfigError> {
    let items = node.one_or_many();
    match items.as_slice() {
        [only] if only.scalar().is_some_and(|text| text != "allow" && text != "deny") => {
            Ok(Who::AccessNamed(only.text("the name of an access rule")?))
        }
        _ => Ok(Who::Access(access_rule(node)?)),
    }
}

/// A list of `allow` and `deny`, each with conditions that must all hold.
pub(super) fn access_rule(node: &Node<'_>) -> Result<AccessRule, ConfigError> {
    let mut rule = AccessRule::default();
    for item in node.one_or_many() {
        if let Some(text) = item.scalar() {
            let allow = verdict(&item, &text)?;
            rule.lines.push(AccessLine { allow, conditions: Vec::new() });
            continue;
        }
        for member in item.members("`allow` or `deny`, with conditions")? {
            let allow = verdict(&item.at(member.key_node), member.key)?;
            let below = item.below(member.key, member.value);
            rule.lines.push(AccessLine { allow, conditions: conditions(&below)? });
        }
    }
    Ok(rule)
}

fn verdict(node: &Node<'_>, text: &str) -> Result<bool, ConfigError> {
    match text {
        "allow" => Ok(true),
        "deny" => Ok(false),
        other => Err(node.unknown("verdict", other, &["allow", "deny"])),
    }
}

fn conditions(node: &Node<'_>) -> Result<Vec<Subject>, ConfigError> {
    let mut conditions = Vec::new();
    for item in node.one_or_many() {
        if !item.is_map() {
            conditions.push(named(&item)?);
            continue;
        }
        for member in item.members("conditions")? {
            let below = item.below(member.key, member.value);
            conditions.extend(subjects(&item.at(member.key_node), member.key, &below)?);
        }
    }
    Ok(conditions)
}

/// The entries of one ACL: alternatives.
pub(super) fn acl(node: &Node<'_>) -> Result<Vec<Subject>, ConfigError> {
    conditions(node)
}
