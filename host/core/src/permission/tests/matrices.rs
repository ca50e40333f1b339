//! Tables of who may call what, and what other rules would change.

use super::matrix::{changes, locked_out, matrix, sample_callers};
use super::*;

const WIRES: [FrontendName; 3] = [FrontendName("rest"), FrontendName("cli"), FrontendName("console")];

#[test]
fn a_table_has_a_row_for_everybody_the_rules_tell_apart() {
    let registry = registry();
    let permissions = rules(&json!({
        "acl": {"admin": {"user": "admin@localhost"}},
        "api_permissions": {
            "a": {"who": "admin", "what": ["*", "!stop"]},
            "b": {"who": {"ip": "10.0.0.0/8"}, "what": "status"},
            "c": {"from": "cli", "who": {"user": "john@localhost"}, "what": "status"},
            "d": {"who": {"oauth": {"scope": "x", "user": "john@localhost"}}, "what": "get_loglevel"},
            "e": {"who": {"oauth": {"scope": "@command", "user": "john@localhost"}}, "what": "hello"},
            "f": {"from": {"tag": "t"}, "who": {"user": "john@localhost"}, "what": "hello"},
            "g": {"who": {"server": "localhost"}, "what": {"command": "hello", "where": {"name": "@caller.user"}}},
        },
    }));
    let callers = sample_callers(&[&permissions], &[AccountId::parse("ann@localhost").unwrap()], &WIRES);
    let snapshot = registry.snapshot();
    let commands: Vec<&Command> = snapshot.iter().map(|registered| &registered.command).collect();
    let rows = matrix(&permissions, &callers, &commands);
    let text: Vec<String> = rows
        .iter()
        .map(|row| {
            let rights = row
                .rights
                .iter()
                .map(|(name, answer)| if *answer == Answer::Yes { name.clone() } else { format!("{name}?") });
            let rights = if row.rights.len() > 5 {
                format!("{} commands", row.rights.len())
            } else {
                rights.collect::<Vec<_>>().join(" ")
            };
            format!("{}: {rights}", row.label)
        })
        .collect();
    assert_eq!(
        text,
        [
            "console: 10 commands",
            "anonymous: ",
            "anonymous from 10.0.0.0/8: status",
            "admin@localhost: 9 commands",
            "ann@localhost: hello?",
            "ann@localhost from 10.0.0.0/8: hello? status",
            "john@localhost: hello?",
            "john@localhost from 10.0.0.0/8: hello? status",
            "john@localhost through cli: hello? status",
            "john@localhost at the listener t: hello",
            "john@localhost with a token for x: get_loglevel",
            "john@localhost with a token for the command: hello",
            "another account at example.org: ",
            "another account at example.org from 10.0.0.0/8: status",
            "another account at localhost: hello?",
            "another account at localhost from 10.0.0.0/8: hello? status",
        ]
    );
}

#[test]
fn changes_name_who_gains_and_who_loses() {
    let registry = registry();
    let before = rules(&json!({"api_permissions": {
        "a": {"who": {"user": "john@localhost"}, "what": ["status", "stop"]},
        "b": {"who": {"user": "ann@localhost"}, "what": "hello"},
    }}));
    let after = rules(&json!({"api_permissions": {
        "a": {"who": {"user": "john@localhost"}, "what": ["status", "get_loglevel"]},
        "b": {"who": {"user": "ann@localhost"}, "what": {"command": "hello", "where": {"loud": false}}},
    }}));
    let callers = sample_callers(&[&before, &after], &[], &WIRES);
    let snapshot = registry.snapshot();
    let commands: Vec<&Command> = snapshot.iter().map(|registered| &registered.command).collect();
    let (found, all) = changes(&before, &after, &callers, &commands);
    assert!(all);
    let text: Vec<String> = found
        .iter()
        .map(|change| {
            format!(
                "{} +{} -{} ~{}",
                change.label,
                change.gained.join(" "),
                change.lost.join(" "),
                change.changed.join(" ")
            )
        })
        .collect();
    assert_eq!(text, ["ann@localhost + - ~hello", "john@localhost +get_loglevel -stop ~"]);
    let (none, _) = changes(&before, &before, &callers, &commands);
    assert!(none.is_empty());
}

#[test]
fn a_lockout_is_reported() {
    let registry = registry();
    let (reload, _) = request(&registry, "reload_config");
    let admins = |who: Value| json!({"api_permissions": {"a": {"who": who, "what": "*"}}});
    let both = rules(&admins(json!({"user": ["ann@localhost", "bob@localhost"]})));
    for (after, expected) in [
        (admins(json!({"user": ["ann@localhost", "bob@localhost"]})), &[][..]),
        (admins(json!({"user": "ann@localhost"})), &[]),
        (admins(json!({"user": "carol@localhost"})), &[]),
        (admins(json!("none")), &["ann@localhost", "bob@localhost"]),
        (admins(json!({"oauth": [{"scope": "x"}, "all"]})), &["ann@localhost", "bob@localhost"]),
        (
            json!({"api_permissions": {"a": {"who": {"user": "ann@localhost"}, "what": "*"}, "console commands": {"what": "*"}}}),
            &["console"],
        ),
        (json!({"api_permissions": {"console commands": {}}}), &["console", "ann@localhost", "bob@localhost"]),
    ] {
        let after = rules(&after);
        let callers = sample_callers(&[&both, &after], &[], &WIRES);
        assert_eq!(locked_out(&both, &after, &callers, &reload.command), expected, "{after:?}");
    }
    // Where no account could before, there is nothing to lose.
    let (before, after) = (Permissions::default(), Permissions::default());
    let callers = sample_callers(&[&before], &[], &WIRES);
    assert!(locked_out(&before, &after, &callers, &reload.command).is_empty());
}

#[test]
fn accounts_that_rules_name_come_first() {
    let permissions = rules(&json!({"api_permissions": {"a": {"who": {"user": "zoe@localhost"}, "what": "*"}}}));
    let many: Vec<AccountId> =
        (0..500).map(|number| AccountId::new(&format!("a{number:03}"), "localhost").unwrap()).collect();
    let callers = sample_callers(&[&permissions], &many, &WIRES);
    let accounts = callers.iter().filter(|one| one.caller.account().is_some() && one.base.is_none()).count();
    assert_eq!(accounts, matrix::ACCOUNTS_MAX + 2, "and another one at each host");
    assert!(callers.iter().any(|one| one.label == "zoe@localhost"));
}
