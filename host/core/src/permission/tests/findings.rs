//! What the check says about rules.

use super::matrix::sample_callers;
use super::*;

fn lint(configuration: &Value) -> Vec<String> {
    let (registry, permissions) = (registry(), rules(configuration));
    let snapshot = registry.snapshot();
    let mut commands: Vec<&Command> = snapshot.iter().map(|registered| &registered.command).collect();
    commands.dedup_by(|later, first| later.name == first.name);
    let callers = sample_callers(&[&permissions], &[], &[FrontendName("rest"), FrontendName("cli")]);
    let tags = ["magic".to_owned()];
    let findings = permissions.lint(Surroundings { commands: &commands, callers: &callers, tags: Some(&tags) });
    findings
        .iter()
        .map(|finding| format!("{} {}: {}", finding.severity.as_str(), finding.place, finding.text))
        .collect()
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn what_cannot_be_meant_is_found() {
    let group = |who: Value, what: Value| json!({"acl": {"admin": {"user": "admin@localhost"}, "lan": {"ip": "10.0.0.0/8"}}, "api_permissions": {"g": {"who": who, "what": what}}});
    let access = |line: Value| group(json!({"access": {"allow": line}}), json!("status"));
    let mut misfits = Vec::new();
    for (configuration, expected) in [
        (
            json!({"api_permissions": {"g": {"what": "status"}}}),
            "warning group g: the group has no `who`, so it matches no caller",
        ),
        (
            json!({"api_permissions": {"g": {"who": "all"}}}),
            "warning group g: the group has no `what`, so it matches no command",
        ),
        (
            group(json!("none"), json!("status")),
            "warning group g: the group matches no caller: `none` matches no caller",
        ),
        (
            group(json!("amdin"), json!("status")),
            "the group matches no caller: the acl `amdin` is not defined (did you mean `admin`?)",
        ),
        (
            group(json!([{"acl": "amdin"}, "admin"]), json!("status")),
            "warning group g: the acl `amdin` is not defined (did you mean `admin`?)",
        ),
        (
            group(json!({"access": "lcoal"}), json!("status")),
            "the group matches no caller: the access rule `lcoal` is not defined",
        ),
        (
            group(json!({"oauth": {"scope": "status"}}), json!("status")),
            "`oauth` with the scope status has no condition on the account of the token",
        ),
        (
            group(json!({"oauth": [{"scope": "status"}, "none"]}), json!("status")),
            "the group matches no caller: `none` matches no caller",
        ),
        (
            group(json!({"access": "deny"}), json!("status")),
            "the group matches no caller: its access rule has no `allow`, so it never matches",
        ),
        (
            access(json!({"user": ["john@localhost", "carol@localhost"]})),
            "no caller matches both `user john@localhost` and `user carol@localhost`: all conditions of one `allow`",
        ),
        (
            access(json!({"server": ["localhost", "example.org"]})),
            "no caller matches both `server localhost` and `server example.org`",
        ),
        (access(json!({"user": ["john", "carol"]})), "no caller matches both `user john` and `user carol`"),
        (
            access(json!({"user": "john@localhost", "server": "example.org"})),
            "no caller matches both `user john@localhost` and `server example.org`",
        ),
        (
            access(json!({"server": "example.org", "user": "john@localhost"})),
            "no caller matches both `server example.org` and `user john@localhost`",
        ),
        (access(json!({"user": "john@localhost", "user_glob": "c*"})), "no caller matches both"),
        (access(json!({"user": "john@localhost", "client": "ci"})), "no caller matches both"),
        (access(json!({"client": ["ci", "cd"]})), "no caller matches both"),
        (access(json!({"client": "ci", "server": "localhost"})), "no caller matches both"),
        (
            access(json!({"ip": ["10.0.0.0/8", "192.168.0.0/16"]})),
            "no caller matches both `ip 10.0.0.0/8` and `ip 192.168.0.0/16`",
        ),
        (
            access(json!([{"acl": "admin"}, {"user": "john@localhost"}])),
            "no caller matches both `acl admin` and `user john@localhost`",
        ),
        (
            access(json!([{"acl": "lan"}, {"ip": "127.0.0.1"}])),
            "no caller matches both `acl lan` and `ip 127.0.0.1/32`",
        ),
        (access(json!(["none", "all"])), "`none` matches no caller"),
        (
            group(
                json!({"access": [{"allow": {"ip": ["10.0.0.1", "10.0.0.2"]}}, {"allow": "admin"}]}),
                json!("status"),
            ),
            "warning group g: no caller matches both `ip 10.0.0.1/32`",
        ),
        (
            group(json!({"access": ["allow", {"deny": "admin"}]}), json!("status")),
            "line 1 of its access rule always matches",
        ),
        (
            json!({"access_rules": {"r": [{"deny": "all"}, "allow"]}, "api_permissions": {}}),
            "warning access rule r: line 1 of its access rule always matches",
        ),
        (group(json!("admin"), json!("!status")), "`what` only has exclusions, so it matches no command"),
        (group(json!("admin"), json!("statsu")), "there is no command `statsu` at present; did you mean `status`?"),
        (group(json!("admin"), json!("[tag:log]")), "no command has the tag `log` at present; did you mean `logs`?"),
        (
            group(json!("admin"), json!("[plugin:rooster]")),
            "there is no plugin `rooster` with commands at present; did you mean `roster`?",
        ),
        (
            group(json!("admin"), json!(["status", "!stop"])),
            "notice group g: `!stop` excludes commands that the group does not match anyway",
        ),
        (
            group(json!("admin"), json!({"command": "registered_users", "where": {"hsot": "x"}})),
            "no command of `registered_users` has an argument `hsot`, so it matches none; did you mean `host`?",
        ),
        (
            group(json!("admin"), json!({"command": "[tag:accounts]", "where": {"user": "x"}})),
            "`[tag:accounts]` does not match registered_users, which have no argument `user`",
        ),
        (
            json!({"api_permissions": {"g": {"from": ["cli", {"tag": "magic"}], "who": "all", "what": "status"}}}),
            "use no listener, so the group never applies; write two groups",
        ),
        (
            json!({"api_permissions": {"g": {"from": {"tag": "majic"}, "who": "all", "what": "status"}}}),
            "no listener has the tag `majic`; did you mean `magic`?",
        ),
        (json!({"acl": {"x": {"user": "a@localhost"}}, "api_permissions": {}}), "notice acl x: no rule uses it"),
        (
            json!({"api_permissions": {"a": {"who": "all", "what": "*"}, "b": {"who": {"user": "j@localhost"}, "what": "status"}}}),
            "notice group b: it is redundant: other groups allow the same calls",
        ),
        (
            json!({"api_permissions": {"a": {"from": "xmpp", "who": {"ip": "10.0.0.0/8"}, "what": "status"}}}),
            "notice group a: it currently allows no caller any command",
        ),
        (
            json!({"api_permissions": {"a": {"who": "all", "what": "*"}}}),
            "anonymous callers may call commands that change data and whose audience is not `open`: reload_config, set_loglevel, stop",
        ),
        (
            json!({"api_permissions": {"a": {"who": "all", "what": "status"}}}),
            "notice : anonymous callers may call status",
        ),
        (json!({"api_permissions": {}}), "notice : only the console may call commands"),
        (
            json!({"api_permissions": {"console commands": {"from": "console", "who": "all", "what": "status"}}}),
            "warning group console commands: the console may not call `reload_config`",
        ),
    ] {
        let findings = lint(&configuration);
        if !findings.iter().any(|finding| finding.contains(expected)) {
            misfits.push(format!("{configuration}\n  expected {expected}\n  found {findings:#?}"));
        }
    }
    assert!(misfits.is_empty(), "{}", misfits.join("\n"));
}

#[test]
fn sound_rules_raise_no_warning() {
    for configuration in [
        json!({}),
        json!({"acl": {"admin": {"user": "admin@localhost"}}}),
        json!({
            "acl": {"admin": {"user": "admin@localhost"}, "lan": {"ip": ["10.0.0.0/8", "127.0.0.1"]}},
            "access_rules": {"near": [{"deny": {"user": "guest@localhost"}}, {"allow": "lan"}]},
            "api_permissions": {
                "a": {"who": {"access": {"allow": [{"acl": "lan"}, {"acl": "admin"}]}}, "what": ["*", "!stop"]},
                "b": {"who": {"access": "near"}, "what": "status"},
                "c": {"from": ["rest", {"tag": "magic"}], "who": {"oauth": [{"scope": "x"}, {"user_glob": "*"}]}, "what": "hello"},
                "d": {"who": {"access": {"allow": {"user": "john@localhost", "user_glob": "j*", "server": "localhost"}}}, "what": "get_loglevel"},
                "e": {"who": {"access": {"allow": {"ip": ["10.0.0.0/8", "10.1.0.0/16"]}}}, "what": "[tag:roster]"},
            },
        }),
    ] {
        let warnings: Vec<String> =
            lint(&configuration).into_iter().filter(|text| text.starts_with("warning")).collect();
        let only_default = warnings.iter().all(|text| text.contains("the acl `admin` is not defined"));
        assert!(warnings.is_empty() || only_default, "{configuration}: {warnings:#?}");
    }
}
