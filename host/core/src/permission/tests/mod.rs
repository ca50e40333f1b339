//! Rules in words, callers and commands in words, and what comes out. Each file holds one kind of table.

mod demands;
mod explanations;
mod findings;
mod matrices;
mod mistakes;
mod properties;
mod verdicts;

use serde_json::{Value, json};

use super::*;
use crate::BoxFuture;
use crate::command::{Audience, Effects, Origin};
use crate::invoke::{Invocation, Invoke, Output};
use crate::name::{CommandName, PluginName, Tag};
use crate::registry::Registry;
use crate::schema::Schema;

const INTERFACES: [Interface; 10] = [
    ("rest", &["rest"]),
    ("cli", &["cli"]),
    ("console", &["console"]),
    ("plugin", &["plugin"]),
    ("xmpp", &["xmpp"]),
    ("mod_http_api", &["rest"]),
    ("ejabberd_ctl", &["console", "cli"]),
    ("ejabberd_xmlrpc", &["xmlrpc"]),
    ("mod_adhoc_api", &["xmpp"]),
    ("ejabberd_web_admin", &["ejabberd_web_admin"]),
];

fn parse_rules(configuration: &Value) -> Result<Permissions, RuleError> {
    let hosts = ["localhost".to_owned(), "example.org".to_owned()];
    parse(configuration.as_object().unwrap(), &INTERFACES, &hosts)
}

#[track_caller]
fn rules(configuration: &Value) -> Permissions {
    parse_rules(configuration).unwrap_or_else(|error| panic!("{error:?} in {configuration}"))
}

#[derive(Debug)]
struct Nothing;

impl Invoke for Nothing {
    fn invoke(&self, _: Invocation) -> BoxFuture<'_, Result<Output, CallError>> {
        Box::pin(async { Ok(Output::Value(json!(null))) })
    }
}

use crate::error::CallError;

/// Name, version, tags, arguments, plugin, audience, read-only.
type Row = (&'static str, u32, &'static [&'static str], &'static [&'static str], Option<&'static str>, Audience, bool);

const COMMANDS: [Row; 11] = [
    ("status", 0, &["server"], &[], None, Audience::Restricted, true),
    ("stop", 0, &["server"], &[], None, Audience::Admin, false),
    ("reload_config", 0, &["config"], &[], None, Audience::Admin, false),
    ("get_loglevel", 0, &["logs"], &[], None, Audience::Admin, true),
    ("set_loglevel", 0, &["logs"], &["loglevel"], None, Audience::Admin, false),
    ("registered_users", 0, &["accounts"], &["host"], None, Audience::Admin, true),
    ("check_password", 0, &["accounts"], &["user", "host", "password"], None, Audience::Restricted, true),
    ("versioned", 0, &["old"], &[], None, Audience::User, true),
    ("versioned", 2, &["new"], &[], None, Audience::User, true),
    ("get_roster", 0, &["roster"], &["user", "host", "groups"], Some("roster"), Audience::User, true),
    ("hello", 0, &[], &["name", "loud"], Some("hello"), Audience::Open, true),
];

/// Every command of these tests, registered as a host does it.
fn registry() -> Registry {
    let registry = Registry::default();
    let mut owners: Vec<(Origin, Vec<Registered>)> = Vec::new();
    for (name, version, tags, arguments, plugin, audience, read_only) in COMMANDS {
        let origin = plugin.map_or(Origin::Builtin, |plugin| Origin::Plugin {
            name: PluginName::parse(plugin).unwrap(),
            version: "1.0.0".to_owned(),
        });
        let properties: Map<String, Value> = arguments.iter().map(|name| ((*name).to_owned(), json!({}))).collect();
        let command = Command {
            name: CommandName::parse(name).unwrap(),
            version,
            summary: "x".to_owned(),
            description: String::new(),
            tags: tags.iter().map(|tag| Tag::parse(tag).unwrap()).collect(),
            rule_tags: vec![],
            audience,
            effects: Effects { read_only, ..Effects::default() },
            input: Schema::input(json!({"type": "object", "properties": properties})).unwrap(),
            output: Schema::output(json!({})).unwrap(),
            examples: vec![],
            deprecated: None,
            input_bytes_max: None,
            deadline_least: None,
            origin: origin.clone(),
        };
        let registered = Registered { command, invoke: Arc::new(Nothing) };
        match owners.iter_mut().find(|(owner, _)| *owner == origin) {
            Some((_, commands)) => commands.push(registered),
            None => owners.push((origin, vec![registered])),
        }
    }
    for (owner, commands) in owners {
        registry.replace(&owner, commands).unwrap();
    }
    registry
}

/// A caller in words: `anon`, `console`, or an account (at localhost where it says no host); then any of `/ADDRESS`
/// (127.0.0.1 otherwise), `+SCOPE,SCOPE` for a token, `~INTERFACE`, `#TAG`, `=SELECTORS` for an API key, `^` for a call
/// through a plugin. `cli:NAME` is that account on the local socket.
fn caller(words: &str) -> Caller {
    let (words, through_plugin) = words.strip_suffix('^').map_or((words, false), |rest| (rest, true));
    let (words, key) = split(words, '=');
    let (words, tag) = split(words, '#');
    let (words, via) = split(words, '~');
    let (words, scopes) = split(words, '+');
    let (who, address) = split(words, '/');
    let (who, usual) = match who.strip_prefix("cli:") {
        Some(who) => (who, "cli"),
        None if who == "console" => (who, "console"),
        None => (who, "rest"),
    };
    let identity = match who {
        "anon" => Identity::Anonymous,
        "console" => Identity::Console,
        _ => match who.strip_prefix("client:") {
            Some(id) => Identity::Client(Arc::from(id)),
            None if who.contains('@') => Identity::Account(AccountId::parse(who).unwrap()),
            None => Identity::Account(AccountId::new(who, "localhost").unwrap()),
        },
    };
    let list = |text: &str| text.split(',').filter(|word| !word.is_empty()).map(str::to_owned).collect::<Vec<_>>();
    let authority = match (scopes, key) {
        (Some(scopes), _) => Authority::Token(Arc::from(list(scopes))),
        (None, Some(key)) => {
            Authority::Narrowed(Arc::new(What::of(list(key).iter().map(|text| Selector::parse(text).unwrap()))))
        }
        (None, None) => Authority::Full,
    };
    let via = INTERFACES.iter().map(|(name, _)| *name).find(|name| *name == via.unwrap_or(usual)).unwrap();
    Caller {
        identity,
        authority,
        record: None,
        via: FrontendName(via),
        tag: tag.map(Arc::from),
        through_plugin,
        address: (usual == "rest").then(|| address.unwrap_or("127.0.0.1").parse().unwrap()),
        request_id: RequestId::from_random(1),
        trace: None,
    }
}

fn split(words: &str, at: char) -> (&str, Option<&str>) {
    words.split_once(at).map_or((words, None), |(rest, part)| (rest, Some(part)))
}

/// A request in words: a command, `NAME/vN` for a version, then `:argument=value` for each argument.
fn request(registry: &Registry, words: &str) -> (Arc<Registered>, Map<String, Value>) {
    let mut words = words.split(':');
    let name = words.next().unwrap();
    let (name, version) = split(name, '/');
    let version = version.map(|version| version.trim_start_matches('v').parse().unwrap());
    let registered = Arc::clone(registry.snapshot().get(name, version).unwrap_or_else(|| panic!("no command {name}")));
    let arguments = words.map(|word| {
        let (argument, value) = word.split_once('=').unwrap();
        (argument.to_owned(), serde_json::from_str(value).unwrap_or_else(|_| json!(value)))
    });
    (registered, arguments.collect())
}

/// Both steps of a verdict; and the reason given for it is the same.
#[track_caller]
fn check(permissions: &Arc<Permissions>, registry: &Registry, who: &str, what: &str, expected: bool, hint: &str) {
    let (caller, (registered, arguments)) = (Arc::new(caller(who)), request(registry, what));
    let text = Value::Object(arguments.clone()).to_string();
    let read = Arguments::read(crate::schema::Unread::Json(text.into()), &registered.command.input).unwrap();
    let permit = permissions.admit(&caller, &registered).and_then(|admission| admission.permit(&read));
    assert_eq!(permit.is_some(), expected, "{who} {what} under {hint}");
    let explanation = permissions.explain(&caller, &registered.command, Some(&arguments));
    assert_eq!(explanation.answer, Answer::from(expected), "explained otherwise: {who} {what} under {hint}");
    assert_eq!(permit.map(|permit| Arc::clone(permit.group())), explanation.group);
}
