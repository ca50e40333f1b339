//! Rules as text: from a configuration's values to [`Permissions`], in ejabberd's grammar with Muster's additions.
//!
//! Values carry no positions; a mistake names its place by a JSON Pointer, which the reader of the file translates to a
//! line.

use std::collections::BTreeMap;
use std::sync::Arc;

use ipnet::IpNet;
use serde_json::{Map, Value};

use super::condition::{Condition, Expected};
use super::pattern::Pattern;
use super::subject::{AccessLine, AccessRule, Subject, TokenHolder, Who};
use super::what::{Item, Selector, What};
use super::{From, Group, Names, Permissions};
use crate::name::{AccountId, NameError, Tag, host_in_form};
use crate::suggest;

/// The keys of a configuration that rules are written under.
pub const KEYS: [&str; 6] =
    ["acl", "access_rules", "api_permissions", "host_config", "append_host_config", "oauth_access"];
const GROUP_KEYS: [&str; 3] = ["from", "who", "what"];
const HOST_KEYS: [&str; 2] = ["acl", "access_rules"];
const WHO_KEYS: [&str; 13] = [
    "acl",
    "access",
    "oauth",
    "user",
    "user_regexp",
    "user_glob",
    "server",
    "server_regexp",
    "server_glob",
    "node_regexp",
    "node_glob",
    "ip",
    "client",
];

/// Of those, the ones that also take a map of users and hosts.
const PAIRED_KEYS: [&str; 5] = ["user", "user_regexp", "user_glob", "node_regexp", "node_glob"];

/// A name rules have for interfaces, and the interfaces it stands for.
pub type Interface = (&'static str, &'static [&'static str]);

/// A mistake in rules.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RuleError {
    /// JSON Pointer (RFC 6901) of the place, from the root of the configuration.
    pub pointer: String,
    /// Whether the key there is wrong, rather than its value.
    pub at_key: bool,
    /// What is wrong.
    pub text: String,
}

/// Reads the rules in a configuration; other keys are left alone. `interfaces` are the names `from` can have; `hosts`
/// are this server's.
///
/// # Errors
/// The first mistake.
pub fn parse(
    configuration: &Map<String, Value>,
    interfaces: &[Interface],
    hosts: &[String],
) -> Result<Permissions, RuleError> {
    let section = |key| configuration.get(key).map(|value| Node { value, parent: Parent::Root(key) });
    let names = Names {
        acls: section("acl").map_or_else(|| Ok(BTreeMap::new()), |node| acls(&node))?,
        access_rules: section("access_rules").map_or_else(|| Ok(BTreeMap::new()), |node| access_rules(&node))?,
    };
    let mut own = BTreeMap::new();
    for (key, merges) in [("host_config", false), ("append_host_config", true)] {
        let Some(node) = section(key) else { continue };
        for member in node.members("a map of hosts")? {
            let host = host_in_form(member.key);
            if !hosts.contains(&host) {
                return Err(member.node.unknown_key("host", member.key, hosts.iter().map(String::as_str)));
            }
            let of_host = own.entry(host).or_insert_with(|| names.clone());
            host_names(&member.node, of_host, merges)?;
        }
    }
    let mut permissions = match section("api_permissions") {
        Some(node) => {
            let members = node.members("a map of groups, each with `from`, `who` and `what`")?;
            let groups = members.iter().map(|member| group(member, interfaces)).collect::<Result<_, _>>()?;
            Permissions::new(groups, names)
        }
        None => Permissions::with_default_groups(names),
    };
    permissions = permissions.at_hosts(hosts);
    permissions.hosts = own;
    permissions.token_access = section("oauth_access").map(|node| access(&node)).transpose()?;
    Ok(permissions)
}

fn host_names(node: &Node<'_>, names: &mut Names, merges: bool) -> Result<(), RuleError> {
    for member in node.members("a map with `acl` and `access_rules`")? {
        match member.key {
            "acl" if merges => names.acls.extend(acls(&member.node)?),
            "acl" => names.acls = acls(&member.node)?,
            "access_rules" if merges => names.access_rules.extend(access_rules(&member.node)?),
            "access_rules" => names.access_rules = access_rules(&member.node)?,
            other => return Err(member.node.unknown_key("key of the settings of a host", other, HOST_KEYS)),
        }
    }
    Ok(())
}

fn acls(node: &Node<'_>) -> Result<BTreeMap<String, Vec<Subject>>, RuleError> {
    let members = node.members("a map of ACLs")?;
    members
        .iter()
        .map(|member| {
            if ["all", "none"].contains(&member.key) {
                return Err(member.node.key_error(format!("`{}` is a reserved name; choose another", member.key)));
            }
            let subjects = conditions(&member.node, false)?;
            if subjects.iter().any(|subject| matches!(subject, Subject::Acl(_))) {
                return Err(member.node.error("an ACL cannot name other ACLs; write an access rule".to_owned()));
            }
            Ok((member.key.to_owned(), subjects))
        })
        .collect()
}

fn access_rules(node: &Node<'_>) -> Result<BTreeMap<String, AccessRule>, RuleError> {
    let members = node.members("a map of access rules")?;
    members.iter().map(|member| Ok((member.key.to_owned(), access_rule(&member.node)?))).collect()
}

fn group(member: &Member<'_>, interfaces: &[Interface]) -> Result<Group, RuleError> {
    let mut read = Group { name: Arc::from(member.key), from: From::default(), who: Vec::new(), what: What::default() };
    for part in member.node.members("a map with `from`, `who` and `what`")? {
        match part.key {
            "from" => read.from = from(&part.node, interfaces)?,
            "who" => read.who = who(&part.node)?,
            "what" => read.what = what(&part.node)?,
            other => return Err(part.node.unknown_key("key", other, GROUP_KEYS)),
        }
    }
    Ok(read)
}

fn from(node: &Node<'_>, interfaces: &[Interface]) -> Result<From, RuleError> {
    let mut read = From::default();
    for item in node.one_or_many() {
        if item.value.is_object() {
            for member in item.members("`tag: NAME`")? {
                if member.key != "tag" {
                    return Err(member.node.unknown_key("key", member.key, ["tag"]));
                }
                let text = member.node.text("the tag of a listener")?;
                Tag::parse(&text).map_err(|error| member.node.error(error.to_string()))?;
                read.tags.push(text);
            }
            continue;
        }
        let text = item.text("the name of an interface, or `tag: NAME`")?;
        let Some((_, ours)) = interfaces.iter().find(|(name, _)| *name == text) else {
            return Err(item.unknown("interface", &text, interfaces.iter().map(|(name, _)| *name)));
        };
        for name in *ours {
            if !read.interfaces.iter().any(|own| own == name) {
                read.interfaces.push((*name).to_owned());
            }
        }
    }
    Ok(read)
}

fn what(node: &Node<'_>) -> Result<What, RuleError> {
    let mut items = Vec::new();
    for item in node.one_or_many() {
        if item.value.is_object() {
            items.extend(items_with_conditions(&item)?);
        } else {
            items.push(Item::from(selector(&item)?));
        }
    }
    Ok(What::new(items))
}

fn selector(node: &Node<'_>) -> Result<Selector, RuleError> {
    let text = node.text(
        "a command, `*`, `[tag:NAME]`, `[plugin:NAME]` or `[audience:NAME]`, each also with `!`, or a map with `command` and `where`",
    )?;
    Selector::parse(&text).map_err(|error| node.error(error.to_string()))
}

/// `{command: X, where: {argument: value}}`, with one selector or several.
fn items_with_conditions(node: &Node<'_>) -> Result<Vec<Item>, RuleError> {
    let (mut selectors, mut conditions) = (Vec::new(), Vec::new());
    for member in node.members("a map with `command` and `where`")? {
        match member.key {
            "command" => {
                for item in member.node.one_or_many() {
                    let selector = selector(&item)?;
                    if matches!(selector, Selector::Not(_)) {
                        return Err(item.error(
                            "an exclusion cannot depend on arguments; write it outside of this map".to_owned(),
                        ));
                    }
                    selectors.push(selector);
                }
            }
            "where" => {
                for argument in member.node.members("a map of arguments and their values")? {
                    let values = argument
                        .node
                        .one_or_many()
                        .into_iter()
                        .map(|item| Expected::parse(item.value).map_err(|text| item.error(text)));
                    let values = values.collect::<Result<Vec<_>, _>>()?;
                    if values.is_empty() {
                        return Err(argument.node.error("expected at least one value".to_owned()));
                    }
                    conditions.push(Condition { argument: argument.key.to_owned(), values });
                }
            }
            other => return Err(member.node.unknown_key("key", other, ["command", "where"])),
        }
    }
    if selectors.is_empty() {
        return Err(
            node.error("a map in `what` needs `command`, which names the commands that `where` applies to".to_owned())
        );
    }
    Ok(selectors.into_iter().map(|selector| Item { selector, conditions: conditions.clone() }).collect())
}

fn who(node: &Node<'_>) -> Result<Vec<Who>, RuleError> {
    let mut entries = Vec::new();
    for item in node.one_or_many() {
        if !item.value.is_object() {
            entries.push(Who::Subject(named(&item)?));
            continue;
        }
        for member in item.members("conditions")? {
            match member.key {
                "oauth" => entries.push(Who::OAuth(token_holder(&member.node)?)),
                _ => entries.extend(who_without_token(&member)?),
            }
        }
    }
    Ok(entries)
}

fn who_without_token(member: &Member<'_>) -> Result<Vec<Who>, RuleError> {
    match member.key {
        "access" => Ok(vec![access(&member.node)?]),
        _ => Ok(subjects(member)?.into_iter().map(Who::Subject).collect()),
    }
}

/// The body of `oauth`: one or more scopes, and alternatives of whom else the token's holder must be.
fn token_holder(node: &Node<'_>) -> Result<TokenHolder, RuleError> {
    let mut holder = TokenHolder::default();
    for item in node.one_or_many() {
        if !item.value.is_object() {
            holder.who.push(Who::Subject(named(&item)?));
            continue;
        }
        for member in item.members("scope, and conditions on the account of the token")? {
            match member.key {
                "scope" => {
                    for scope in member.node.one_or_many() {
                        let text = scope.text("a scope")?;
                        if text.is_empty() || text.contains(char::is_whitespace) {
                            return Err(scope.error("a scope is a word without white space (RFC 6749 §3.3)".to_owned()));
                        }
                        holder.scopes.push(text);
                    }
                }
                "oauth" => return Err(member.node.key_error("`oauth` cannot contain `oauth`".to_owned())),
                _ => holder.who.extend(who_without_token(&member)?),
            }
        }
    }
    if holder.scopes.is_empty() {
        return Err(node.error("`oauth` needs a `scope`: a name, a list of names, or `@command`".to_owned()));
    }
    Ok(holder)
}

/// A single name: `all`, `none`, or an ACL.
fn named(node: &Node<'_>) -> Result<Subject, RuleError> {
    Ok(match node.text("`all`, `none`, the name of an ACL, or a map of conditions")?.as_str() {
        "all" => Subject::All,
        "none" => Subject::NoCaller,
        acl => Subject::Acl(acl.to_owned()),
    })
}

/// `key: value` or `key: [values]`, as subjects.
fn subjects(member: &Member<'_>) -> Result<Vec<Subject>, RuleError> {
    let one = |item: Node<'_>| match member.key {
        "acl" => named(&item),
        "user" => user(&item),
        "user_regexp" => user_pattern(&item, Pattern::regexp),
        "user_glob" => user_pattern(&item, Pattern::glob),
        "server" => Ok(Subject::Server(host_in_form(&item.text("a host name")?))),
        "server_regexp" => {
            pattern(&item, &item.text("a regular expression")?, Pattern::regexp).map(Subject::ServerPattern)
        }
        "server_glob" => pattern(&item, &item.text("a glob")?, Pattern::glob).map(Subject::ServerPattern),
        "node_regexp" => node_pattern(&item, Pattern::regexp),
        "node_glob" => node_pattern(&item, Pattern::glob),
        "ip" => network(&item).map(Subject::Ip),
        "client" => item.text("the id of an OAuth client").map(Subject::Client),
        "resource" | "resource_regexp" | "resource_glob" | "shared_group" => Err(member
            .node
            .key_error(format!("`{}` is about chat sessions, which this server does not have; remove it", member.key))),
        other => Err(member.node.unknown_key("key", other, WHO_KEYS)),
    };
    let mut subjects = Vec::new();
    for item in member.node.one_or_many() {
        if item.value.is_object() && PAIRED_KEYS.contains(&member.key) {
            let pairs = item.members("a map of users and their hosts")?;
            if pairs.is_empty() {
                return Err(
                    item.error("expected `user@host`, a user name, or a map of user names and hosts".to_owned())
                );
            }
            for pair in pairs {
                subjects.push(pair_of_user_and_host(member.key, &pair)?);
            }
        } else {
            subjects.push(one(item)?);
        }
    }
    Ok(subjects)
}

/// `USER: HOST` below `user`, `PATTERN: HOST` below `user_regexp` and `user_glob`, `PATTERN: PATTERN` below `node_regexp`
/// and `node_glob`: what ejabberd takes beside `USER@HOST`. Here an `@` in the key is part of it.
fn pair_of_user_and_host(kind: &str, pair: &Member<'_>) -> Result<Subject, RuleError> {
    let at_key = |text: String| pair.node.key_error(text);
    let host = pair.node.text("a host name")?;
    let compile: Compile = if kind.ends_with("_regexp") { Pattern::regexp } else { Pattern::glob };
    if kind.starts_with("node_") {
        let user = compile(pair.key).map_err(at_key)?;
        return Ok(Subject::Node { user, host: pattern(&pair.node, &host, compile)? });
    }
    // The host is checked as part of an account; the user has a place of its own for its mistakes.
    let account = |user: &str| AccountId::new(user, &host);
    let checked = account("any").map_err(|error| pair.node.error(error.to_string()))?;
    if kind == "user" {
        return account(pair.key).map(Subject::User).map_err(|error| at_key(error.to_string()));
    }
    let user = compile(pair.key).map_err(at_key)?;
    Ok(Subject::UserPattern { user, host: Some(checked.host().to_owned()) })
}

fn user(node: &Node<'_>) -> Result<Subject, RuleError> {
    let text = node.text("`user@host`, a user name, or a map of user names and hosts")?;
    let misfit = |error: NameError| node.error(error.to_string());
    if text.contains('@') {
        return AccountId::parse(&text).map(Subject::User).map_err(misfit);
    }
    AccountId::new(&text, "any").map(|account| Subject::UserAnyHost(account.user().to_owned())).map_err(misfit)
}

type Compile = fn(&str) -> Result<Pattern, String>;

fn pattern(node: &Node<'_>, text: &str, compile: Compile) -> Result<Pattern, RuleError> {
    compile(text).map_err(|error| node.error(error))
}

/// `PATTERN`, for every host, or `PATTERN@host`.
fn user_pattern(node: &Node<'_>, compile: Compile) -> Result<Subject, RuleError> {
    let text = node.text("a pattern for user names, or PATTERN@host")?;
    Ok(match text.rsplit_once('@') {
        Some((user, host)) => {
            Subject::UserPattern { user: pattern(node, user, compile)?, host: Some(host_in_form(host)) }
        }
        None => Subject::UserPattern { user: pattern(node, &text, compile)?, host: None },
    })
}

fn node_pattern(node: &Node<'_>, compile: Compile) -> Result<Subject, RuleError> {
    let text = node.text("PATTERN@PATTERN")?;
    let Some((user, host)) = text.split_once('@') else {
        return Err(node.error(format!("`{text}` does not have the form PATTERN@PATTERN")));
    };
    Ok(Subject::Node { user: pattern(node, user, compile)?, host: pattern(node, host, compile)? })
}

/// An address or a network. An IPv4 network mapped into IPv6 is that IPv4 network.
fn network(node: &Node<'_>) -> Result<IpNet, RuleError> {
    let text = node.text("an address or a network such as 10.0.0.0/8")?;
    let network = text.parse::<IpNet>().ok().or_else(|| text.parse::<std::net::IpAddr>().map(IpNet::from).ok());
    let network =
        network.ok_or_else(|| node.error(format!("`{text}` is not an address or a network such as 10.0.0.0/8")))?;
    let mapped = match network {
        IpNet::V6(v6) if v6.prefix_len() >= 96 => v6
            .addr()
            .to_ipv4_mapped()
            .and_then(|address| ipnet::Ipv4Net::new(address, v6.prefix_len() - 96).ok())
            .map(IpNet::V4),
        IpNet::V4(_) | IpNet::V6(_) => None,
    };
    Ok(mapped.unwrap_or(network).trunc())
}

/// `access: NAME` or `access: {allow: …}` or `access: [- allow: …]`.
fn access(node: &Node<'_>) -> Result<Who, RuleError> {
    let items = node.one_or_many();
    match items.as_slice() {
        [only] => match only.value.as_str() {
            Some("all") => Ok(Who::Subject(Subject::All)),
            Some("none") => Ok(Who::Subject(Subject::NoCaller)),
            Some(name) if name != "allow" && name != "deny" => Ok(Who::AccessNamed(name.to_owned())),
            _ => Ok(Who::Access(access_rule(node)?)),
        },
        _ => Ok(Who::Access(access_rule(node)?)),
    }
}

/// A list of `allow` and `deny`, each with conditions that must all hold.
fn access_rule(node: &Node<'_>) -> Result<AccessRule, RuleError> {
    const VERDICTS: [&str; 2] = ["allow", "deny"];
    let mut rule = AccessRule::default();
    for item in node.one_or_many() {
        if !item.value.is_object() {
            let text = item.text("`allow` or `deny`, with conditions")?;
            if !VERDICTS.contains(&text.as_str()) {
                return Err(item.unknown("verdict", &text, VERDICTS));
            }
            rule.lines.push(AccessLine { allow: text == "allow", conditions: Vec::new() });
            continue;
        }
        for member in item.members("`allow` or `deny`, with conditions")? {
            if !VERDICTS.contains(&member.key) {
                return Err(member.node.unknown_key("verdict", member.key, VERDICTS));
            }
            rule.lines.push(AccessLine { allow: member.key == "allow", conditions: conditions(&member.node, true)? });
        }
    }
    Ok(rule)
}

/// A list of conditions. In a rule all must hold, so that one that is missing would widen it.
fn conditions(node: &Node<'_>, in_rule: bool) -> Result<Vec<Subject>, RuleError> {
    let mut conditions = Vec::new();
    for item in node.one_or_many() {
        if !item.value.is_object() {
            conditions.push(named(&item)?);
            continue;
        }
        for member in item.members("conditions")? {
            match member.key {
                "access" | "oauth" => {
                    return Err(member
                        .node
                        .key_error(format!("`{}` is only allowed directly below `who`", member.key)));
                }
                _ => {
                    let subjects = subjects(&member)?;
                    if in_rule && subjects.is_empty() {
                        return Err(member.node.error(
                            "expected at least one value: with an empty list, the line would match every caller"
                                .to_owned(),
                        ));
                    }
                    conditions.extend(subjects);
                }
            }
        }
    }
    Ok(conditions)
}

/// A value that knows where it stands.
#[derive(Clone, Copy)]
struct Node<'a> {
    value: &'a Value,
    parent: Parent<'a>,
}

#[derive(Clone, Copy)]
enum Parent<'a> {
    Root(&'a str),
    Key(&'a Node<'a>, &'a str),
    Index(&'a Node<'a>, usize),
}

struct Member<'a> {
    key: &'a str,
    node: Node<'a>,
}

impl<'a> Node<'a> {
    fn pointer(&self) -> String {
        let escape = |key: &str| key.replace('~', "~0").replace('/', "~1");
        match self.parent {
            Parent::Root(key) => format!("/{}", escape(key)),
            Parent::Key(parent, key) => format!("{}/{}", parent.pointer(), escape(key)),
            Parent::Index(parent, index) => format!("{}/{index}", parent.pointer()),
        }
    }

    fn error(&self, text: String) -> RuleError {
        RuleError { pointer: self.pointer(), at_key: false, text }
    }

    fn key_error(&self, text: String) -> RuleError {
        RuleError { pointer: self.pointer(), at_key: true, text }
    }

    fn unknown<'k>(&self, kind: &str, word: &str, known: impl IntoIterator<Item = &'k str>) -> RuleError {
        self.error(suggest::unknown(kind, word, known))
    }

    fn unknown_key<'k>(&self, kind: &str, word: &str, known: impl IntoIterator<Item = &'k str>) -> RuleError {
        self.key_error(suggest::unknown(kind, word, known))
    }

    /// A text, or a number or truth value as it can be written without quotes.
    fn text(&self, expected: &str) -> Result<String, RuleError> {
        match self.value {
            Value::String(text) => Ok(text.clone()),
            Value::Number(_) | Value::Bool(_) => Ok(self.value.to_string()),
            Value::Null => Err(self.error(format!("expected {expected}, found nothing"))),
            Value::Array(_) => Err(self.error(format!("expected {expected}, found a list"))),
            Value::Object(_) => Err(self.error(format!("expected {expected}, found a map"))),
        }
    }

    fn members(&'a self, expected: &str) -> Result<Vec<Member<'a>>, RuleError> {
        let Value::Object(members) = self.value else {
            self.text(expected)?;
            return Err(self.error(format!("expected {expected}, found `{}`", self.text(expected)?)));
        };
        Ok(members
            .iter()
            .map(|(key, value)| Member { key, node: Node { value, parent: Parent::Key(self, key) } })
            .collect())
    }

    /// The items of the list here, or the one thing that stands in its place.
    fn one_or_many(&'a self) -> Vec<Node<'a>> {
        match self.value {
            Value::Array(items) => items
                .iter()
                .enumerate()
                .map(|(index, value)| Node { value, parent: Parent::Index(self, index) })
                .collect(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => vec![*self],
        }
    }
}
