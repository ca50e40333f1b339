//! Rules as text again: what [`parse`](super::parse()) reads, as values. Names of other systems come back as Muster's.

use serde_json::{Map, Value, json};

use super::condition::Condition;
use super::subject::{AccessRule, Subject, TokenHolder, Who};
use super::what::Item;
use super::{Group, Names, Permissions};

impl Permissions {
    /// The rules as a configuration has them, the console's group written out.
    pub fn to_json(&self) -> Map<String, Value> {
        let mut written = names(&self.names);
        if !self.hosts.is_empty() {
            let hosts = self.hosts.iter().map(|(host, own)| (host.clone(), Value::Object(names(own))));
            written.insert("host_config".to_owned(), Value::Object(hosts.collect()));
        }
        if let Some(access) = &self.token_access {
            // As rules write it under the key `access`; `all` and `none` are words of their own.
            let entry = who(access);
            let value = entry.get("access").cloned().unwrap_or(entry);
            written.insert("oauth_access".to_owned(), value);
        }
        let groups = self.groups.iter().map(|one| (one.name.to_string(), group(one)));
        written.insert("api_permissions".to_owned(), Value::Object(groups.collect()));
        written
    }
}

fn names(names: &Names) -> Map<String, Value> {
    let acls = names.acls.iter().map(|(name, subjects)| (name.clone(), subjects.iter().map(subject).collect()));
    let rules = names.access_rules.iter().map(|(name, rule)| (name.clone(), access_rule(rule)));
    Map::from_iter([
        ("acl".to_owned(), Value::Object(acls.collect())),
        ("access_rules".to_owned(), Value::Object(rules.collect())),
    ])
}

fn group(group: &Group) -> Value {
    let tags = group.from.tags.iter().map(|tag| json!({ "tag": tag }));
    let from: Vec<Value> = group.from.interfaces.iter().map(|name| json!(name)).chain(tags).collect();
    let mut written = Map::new();
    if !from.is_empty() {
        written.insert("from".to_owned(), Value::Array(from));
    }
    written.insert("who".to_owned(), group.who.iter().map(who).collect());
    written.insert("what".to_owned(), group.what.items().iter().map(item).collect());
    Value::Object(written)
}

fn item(item: &Item) -> Value {
    if item.conditions.is_empty() {
        return json!(item.selector.to_string());
    }
    let conditions = item.conditions.iter().map(|Condition { argument, values }| {
        (argument.clone(), values.iter().map(super::Expected::to_value).collect())
    });
    json!({ "command": item.selector.to_string(), "where": Value::Object(conditions.collect()) })
}

fn who(who: &Who) -> Value {
    match who {
        Who::Subject(one) => subject(one),
        Who::Access(rule) => json!({ "access": access_rule(rule) }),
        Who::AccessNamed(name) => json!({ "access": name }),
        Who::OAuth(TokenHolder { scopes, who: inner }) => {
            let inner = inner.iter().map(self::who);
            json!({ "oauth": std::iter::once(json!({ "scope": scopes })).chain(inner).collect::<Value>() })
        }
    }
}

fn subject(subject: &Subject) -> Value {
    match subject.parts() {
        ("", word) => json!(word),
        (key, value) => json!({ key: value }),
    }
}

fn access_rule(rule: &AccessRule) -> Value {
    rule.lines
        .iter()
        .map(|line| {
            let verdict = if line.allow { "allow" } else { "deny" };
            match line.conditions.as_slice() {
                [] => json!(verdict),
                conditions => json!({ verdict: conditions.iter().map(subject).collect::<Value>() }),
            }
        })
        .collect()
}
