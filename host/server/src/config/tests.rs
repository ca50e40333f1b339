//! Every kind of mistake, with the place and the words it is reported with; and the table of verdicts.

use std::sync::Arc;

use muster_core::caller::{Authority, Caller, Identity, RequestId};
use muster_core::command::{Audience, Command, Effects, Origin};
use muster_core::name::{AccountId, CommandName, FrontendName, PluginName, Tag};
use muster_core::schema::Schema;
use serde_json::json;

use super::*;

#[test]
fn mistakes_are_reported_with_their_place() {
    let mut misfits = Vec::new();
    for (text, expected) in [
        ("listen: [", "muster.yaml:2:1: this is not YAML"),
        ("listn: 1", "muster.yaml:1:1: unknown key `listn`; did you mean `listen`? Known are"),
        ("listen: here", "muster.yaml:1:9: listen: `here` is not an address and a port"),
        ("hosts: []", "muster.yaml:1:8: hosts: expected at least one host"),
        ("hosts: [a b]", "muster.yaml:1:9: hosts: `a b` is not a valid host name"),
        ("loglevel: loud", "muster.yaml:1:11: loglevel: `loud` is not a level; known are none"),
        (
            "limits: {calls_max: 0}",
            "muster.yaml:1:21: limits: calls_max: expected a whole number from 1 to 4096, found `0`",
        ),
        ("limits: {calls_max: many}", "found `many`"),
        ("limits: {memory: 1}", "muster.yaml:1:10: limits: unknown key `memory`"),
        ("api_permissions: [a]", "api_permissions: expected a map of groups"),
        (
            "api_permissions:\n  a:\n    form: rest",
            "muster.yaml:3:5: api_permissions: a: unknown key `form`; did you mean `from`?",
        ),
        ("api_permissions: {a: {from: reest}}", "a: from: unknown interface `reest`; did you mean `rest`?"),
        ("api_permissions: {a: {what: Status}}", "a: what: invalid command: Status"),
        ("api_permissions: {a: {what: ['!!status']}}", "double negation: !!status"),
        ("api_permissions: {a: {what: '[tag:logs'}}", "invalid group: [tag:logs"),
        ("api_permissions: {a: {who: {usr: ann@localhost}}}", "unknown key `usr`; did you mean `user`?"),
        ("api_permissions: {a: {who: {resource: x}}}", "`resource` is about XMPP sessions"),
        ("api_permissions: {a: {who: {ip: 10.0.0.0/33}}}", "who: ip: `10.0.0.0/33` is not an address or a network"),
        ("api_permissions: {a: {who: {access: {alow: all}}}}", "access: unknown verdict `alow`; did you mean `allow`?"),
        ("acl: {admin: {user: '@x'}}", "acl: admin: user: `` is not a valid user name"),
        ("oauth: {isuer: x}", "muster.yaml:1:9: oauth: unknown key `isuer`; did you mean `issuer`?"),
        ("oauth: {issuer: id.example.org}", "oauth: issuer: `id.example.org` is not an address such as"),
        (
            "oauth: {issuer: 'https://id.example.org/auth'}",
            "is not an address such as https://id.example.org, without a",
        ),
        ("oauth: {issuer: 'https://a@id.example.org'}", "is not an address such as"),
        ("oauth: {access_seconds: 0}", "oauth: access_seconds: expected a whole number from 1 to 315360000, found `0`"),
        ("oauth: {password_grant: maybe}", "expected `true` or `false`, found `maybe`"),
        ("oauth: {resources: files}", "oauth: resources: `files` is not an absolute URI without a fragment"),
        ("acl: {a: all}\nacl: {b: all}", "muster.yaml:2:1: this is not YAML"),
        ("a: 1\n---\nb: 2", "the file has more than one document"),
    ] {
        let error = Config::parse("muster.yaml", text).map(|_| ()).unwrap_err().to_string();
        if !error.contains(expected) {
            misfits.push(format!("{text}\n  {error}"));
        }
    }
    assert!(misfits.is_empty(), "{}", misfits.join("\n"));
}

#[test]
fn an_empty_file_is_the_default() {
    for text in ["", "# nothing\n", "---\n"] {
        assert_eq!(Config::parse("muster.yaml", text).unwrap().listen, LISTEN);
    }
}

fn command(name: &str, tag: &str, plugin: Option<&str>) -> Command {
    Command {
        name: CommandName::parse(name).unwrap(),
        version: 0,
        summary: "x".to_owned(),
        description: String::new(),
        tags: vec![Tag::parse(tag).unwrap()],
        audience: Audience::Restricted,
        effects: Effects::default(),
        input: Schema::input(json!({"type": "object"})).unwrap(),
        output: Schema::output(json!({})).unwrap(),
        examples: vec![],
        deprecated: None,
        input_bytes_max: None,
        origin: plugin.map_or(Origin::Builtin, |plugin| Origin::Plugin {
            name: PluginName::parse(plugin).unwrap(),
            version: "1.0.0".to_owned(),
        }),
    }
}

/// `who` is an account, `anon` or `console`; with `/ADDRESS` from there, otherwise from 127.0.0.1.
fn caller(who: &str) -> Arc<Caller> {
    let (who, address) = who.split_once('/').unwrap_or((who, "127.0.0.1"));
    let (identity, via) = match who {
        "anon" => (Identity::Anonymous, "rest"),
        "console" => (Identity::Console, "console"),
        account => (Identity::Account(AccountId::parse(account).unwrap()), "rest"),
    };
    Arc::new(Caller {
        identity,
        authority: Authority::Full,
        via: FrontendName(via),
        tag: None,
        through_plugin: false,
        address: (via == "rest").then(|| address.parse().unwrap()),
        request_id: RequestId::from_random(1),
    })
}

const SETTING: &str = "
acl:
  admin: {user: admin@localhost}
  support: {user: [john@localhost, carol@localhost]}
  loopback: {ip: [127.0.0.0/8, '::1']}
  ours: {server: localhost}
access_rules:
  trusted: {allow: loopback}
  notjohn:
    - deny: {user: john@localhost}
    - allow
";

/// Verdicts of ejabberd for the same groups (its reference lists them), as far as they rest on rules both have:
/// `A` allowed, `D` denied. Requests: `S` is `status`, `GL` is `get_loglevel` (tag `logs`), `R` is `get_roster` of the
/// plugin `roster`.
const VERDICTS: [(&str, &str); 34] = [
    ("", "anon S D, admin@localhost S A, john@localhost S D, admin@localhost stop D, console stop A"),
    ("{}", "admin@localhost S D, console GL A"),
    ("{a: {}}", "admin@localhost S D"),
    ("{a: {who: all}}", "admin@localhost S D"),
    ("{a: {what: '*'}}", "anon S D, admin@localhost S D, console GL A"),
    ("{a: {from: mod_http_api, who: all, what: status}}", "anon S A, john@localhost S A, anon GL D, console GL A"),
    ("{a: {who: all, what: ['*', '!status']}}", "anon S D, anon GL A"),
    ("{a: {who: all, what: ['!status', '*']}}", "anon S D, anon GL A"),
    ("{a: {who: all, what: '!status'}}", "anon S D, anon GL D"),
    ("{a: {who: all, what: [status, '!*']}}", "anon S D"),
    ("{a: {who: all, what: ['!*', '*']}}", "anon S D"),
    ("{a: {who: all, what: ['[tag:logs]', '!set_loglevel']}}", "anon GL A, anon set_loglevel D, anon S D"),
    ("{a: {who: all, what: ['*', '![tag:logs]']}}", "anon GL D, anon S A"),
    ("{a: {who: all, what: '[plugin:roster]'}}", "anon R A, anon S D"),
    ("{a: {who: all, what: ['*', '![plugin:roster]']}}", "anon R D, anon S A"),
    ("{a: {who: none, what: '*'}}", "admin@localhost S D"),
    (
        "{a: {who: {ip: 127.0.0.1/8}, what: status}}",
        "anon S A, anon/10.1.2.3 S D, john@localhost S A, john@localhost/10.1.2.3 S D",
    ),
    (
        "{a: {who: [user: john@localhost, ip: 10.0.0.0/8], what: '*'}}",
        "john@localhost S A, anon/10.1.2.3 S A, anon S D, carol@localhost S D, carol@localhost/10.1.2.3 S A",
    ),
    (
        "{a: {who: {access: {allow: {user: john@localhost, ip: 10.0.0.0/8}}}, what: '*'}}",
        "john@localhost S D, anon/10.1.2.3 S D, john@localhost/10.1.2.3 S A",
    ),
    (
        "{a: {who: {access: {allow: [acl: loopback, acl: admin]}}, what: '*'}}",
        "admin@localhost S A, admin@localhost/10.1.2.3 S D, anon S D",
    ),
    (
        "{a: {who: {access: [{allow: loopback}, {allow: admin}]}, what: '*'}}",
        "admin@localhost/10.1.2.3 S A, anon S A, john@localhost/10.1.2.3 S D",
    ),
    (
        "{a: {who: {access: {allow: {user: [john@localhost, carol@localhost]}}}, what: '*'}}",
        "john@localhost S D, carol@localhost S D",
    ),
    (
        "{a: {who: {user: [john@localhost, carol@localhost]}, what: '*'}}",
        "john@localhost S A, carol@localhost S A, admin@localhost S D",
    ),
    ("{a: {who: {access: notjohn}, what: '*'}}", "john@localhost S D, carol@localhost S A, anon S A"),
    ("{a: {who: {access: notjohn}, what: '*'}, b: {who: ours, what: '*'}}", "john@localhost S A"),
    ("{a: {who: {access: nosuchrule}, what: '*'}}", "admin@localhost S D"),
    ("{a: {who: nosuchacl, what: '*'}}", "admin@localhost S D"),
    ("{a: {who: {access: [allow]}, what: '*'}}", "anon S A"),
    (
        "{console commands: {from: ejabberd_ctl, who: all, what: [status, reload_config]}}",
        "console GL D, console S A, anon S D",
    ),
    ("{console: {from: ejabberd_ctl, who: none, what: '*'}}", "console GL A"),
    ("{console commands: {from: ejabberd_ctl, who: admin, what: '*'}}", "console GL D"),
    ("{a: {from: [ejabberd_ctl, mod_http_api], who: all, what: '*'}}", "anon S A"),
    ("{a: {from: mcp, who: admin, what: '*'}}", "admin@localhost S D"),
    ("{a: {who: {user: john}, what: '*'}}", "john@localhost S A, john@example.org S A, carol@localhost S D"),
];

#[test]
fn verdicts_are_as_documented() {
    for (groups, verdicts) in VERDICTS {
        let groups = if groups.is_empty() { String::new() } else { format!("api_permissions: {groups}\n") };
        let permissions = Config::parse("muster.yaml", &format!("{SETTING}{groups}")).unwrap().permissions;
        for verdict in verdicts.split(", ") {
            let [who, request, expected] = verdict.split(' ').collect::<Vec<_>>()[..] else { panic!("{verdict}") };
            let command = match request {
                "S" => command("status", "server", None),
                "GL" => command("get_loglevel", "logs", None),
                "R" => command("get_roster", "roster", Some("roster")),
                "set_loglevel" => command("set_loglevel", "logs", None),
                other => command(other, "server", None),
            };
            let allowed = permissions.allowing_group(&caller(who), &command).is_some();
            assert_eq!(if allowed { "A" } else { "D" }, expected, "{groups} {verdict}");
        }
    }
}
