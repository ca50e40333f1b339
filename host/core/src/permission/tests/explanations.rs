//! Reasons, in words.

use super::*;

fn indent(reason: &Reason, depth: usize, into: &mut Vec<String>) {
    into.push(format!("{}{}: {}", "  ".repeat(depth), reason.answer.as_str(), reason.text));
    reason.parts.iter().for_each(|part| indent(part, depth + 1, into));
}

/// Group, caller, request → the reasons of the group's three parts, and the changes.
#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn reasons_name_the_part_that_fails() {
    let registry = registry();
    let setting = json!({
        "acl": {"admin": {"user": "admin@localhost"}, "loopback": {"ip": "127.0.0.0/8"}},
        "access_rules": {"notjohn": [{"deny": {"user": "john@localhost"}}, "allow"]},
    });
    let mut misfits = Vec::new();
    for (group, who, what, expected) in [
        (
            json!({"from": "cli", "who": "all", "what": "status"}),
            "john",
            "status",
            "no: interface cli; the call comes through rest",
        ),
        (
            json!({"from": {"tag": "magic"}, "who": "all", "what": "status"}),
            "john#x",
            "status",
            "no: a listener with the tag magic; the call's listener has the tag x",
        ),
        (
            json!({"from": {"tag": "magic"}, "who": "all", "what": "status"}),
            "john",
            "status",
            "no: a listener with the tag magic; the call's listener has no tag",
        ),
        (
            json!({"from": ["cli", {"tag": "a"}], "who": "all", "what": "status"}),
            "john",
            "status",
            "no: both of these must match",
        ),
        (
            json!({"from": "plugin", "who": "all", "what": "status"}),
            "john^",
            "status",
            "yes: interface plugin; the call comes through rest and a plugin",
        ),
        (json!({"who": "admin", "what": "status"}), "john", "status", "no: acl admin\n  no: user admin@localhost"),
        (json!({"who": {"user_regexp": ""}, "what": "status"}), "anon", "status", "no: user_regexp ''"),
        (json!({"who": "amdin", "what": "status"}), "john", "status", "no: acl amdin, which is not defined"),
        (json!({"what": "status"}), "john", "status", "no: no `who`, so it matches no caller"),
        (json!({"who": "all"}), "john", "status", "no: no `what`, so it matches no command"),
        (json!({"who": "all", "what": ["*", "!status"]}), "john", "status", "no: `!status` excludes `status`"),
        (
            json!({"who": "all", "what": ["stop", "[tag:logs]"]}),
            "john",
            "status",
            "no: `stop, [tag:logs]` does not cover `status`",
        ),
        (
            json!({"who": "all", "what": ["status", "*"]}),
            "john",
            "status",
            "yes: one of these must match\n  yes: `status` covers `status`\n  yes: `*` covers `status`",
        ),
        (
            json!({"who": {"ip": "10.0.0.0/8"}, "what": "status"}),
            "john",
            "status",
            "no: ip 10.0.0.0/8; the caller is 127.0.0.1",
        ),
        (
            json!({"who": {"ip": "10.0.0.0/8"}, "what": "status"}),
            "cli:john",
            "status",
            "no: ip 10.0.0.0/8; the caller is local",
        ),
        (
            json!({"who": "all", "what": "status"}),
            "john+x",
            "status",
            "no: all; the caller has a token, and only `oauth` conditions match tokens",
        ),
        (
            json!({"who": {"access": "notjohn"}, "what": "status"}),
            "john+x",
            "status",
            "no: access rule notjohn; the caller has a token",
        ),
        (
            json!({"who": {"oauth": {"scope": "x", "acl": "admin"}}, "what": "status"}),
            "john",
            "status",
            "no: a token with the scope x; the caller has none",
        ),
        (
            json!({"who": {"oauth": {"scope": ["x", "y"]}}, "what": "status"}),
            "john+x",
            "status",
            "no: a token with one of the scopes, and a matching account\n  yes: the scopes x, y; the token has the \
             scope x\n  no: no condition on the account of the token",
        ),
        (
            json!({"who": {"oauth": [{"scope": "x"}, {"user": "a@localhost"}, "admin"]}, "what": "status"}),
            "john+y",
            "status",
            "  no: the scope x; the token has the scope y\n  no: one of these must match\n    no: user a@localhost\n    no: acl admin",
        ),
        (
            json!({"who": {"access": {"allow": [{"acl": "loopback"}, {"acl": "admin"}]}}, "what": "status"}),
            "john",
            "status",
            "no: access rule: no line matches, so access is denied\n  no: allow if all of these match\n    yes: acl \
             loopback\n      yes: ip 127.0.0.0/8; the caller is 127.0.0.1\n    no: acl admin",
        ),
        (
            json!({"who": {"access": "notjohn"}, "what": "status"}),
            "john",
            "status",
            "no: access rule notjohn: the first line that matches decides\n  yes: deny if this matches, and decides\n    yes: user john@localhost\n  yes: allow everybody",
        ),
        (
            json!({"who": {"access": "nosuch"}, "what": "status"}),
            "john",
            "status",
            "no: access rule nosuch, which is not defined",
        ),
        (
            json!({"who": "all", "what": {"command": "hello", "where": {"name": "@caller.user"}}}),
            "john",
            "hello:name=ann",
            "no: `hello` covers `hello` if all of these match\n  no: argument name is @caller.user; it is \"ann\"",
        ),
        (
            json!({"who": "all", "what": {"command": "hello", "where": {"name": "x"}}}),
            "john",
            "hello",
            "  no: argument name is x; it is absent",
        ),
        (
            json!({"who": "all", "what": {"command": "status", "where": {"name": "x"}}}),
            "john",
            "status?",
            "  no: argument name is x; the command has no such argument",
        ),
        (
            json!({"who": "all", "what": {"command": "hello", "where": {"name": "x"}}}),
            "john",
            "hello?",
            "depends: `hello` covers `hello` if all of these match\n  depends: argument name is x",
        ),
    ] {
        let mut configuration = setting.clone();
        configuration["api_permissions"] = json!({"g": group});
        let (permissions, any) = (rules(&configuration), what.ends_with('?'));
        let (registered, arguments) = request(&registry, what.trim_end_matches('?'));
        let explanation = permissions.explain(&caller(who), &registered.command, (!any).then_some(&arguments));
        let reason = explanation.groups.iter().find(|reason| &*reason.group == "g").unwrap();
        let mut lines = Vec::new();
        for part in [&reason.from, &reason.who, &reason.what] {
            indent(part, 0, &mut lines);
        }
        let text = lines.join("\n");
        if !text.contains(expected) {
            misfits.push(format!("{group} {who} {what}\nexpected {expected}\nfound {text}"));
        }
    }
    assert!(misfits.is_empty(), "{}", misfits.join("\n"));
}

#[test]
fn the_smallest_change_comes_first() {
    let registry = registry();
    for (group, who, what, expected) in [
        (
            json!({"who": {"user": "a@localhost"}, "what": "status"}),
            "john",
            "status",
            "add `{user: john@localhost}` to `who` of the group `g`",
        ),
        (
            json!({"who": {"user": "a@localhost"}, "what": "status"}),
            "john+x",
            "status",
            "add `{oauth: {scope: 'x', user: john@localhost}}` to `who`",
        ),
        (
            json!({"who": {"user": "a@localhost"}, "what": "status"}),
            "client:ci+x",
            "status",
            "add `{oauth: {scope: 'x', client: ci}}` to `who`",
        ),
        (
            json!({"who": {"user": "a@localhost"}, "what": "status"}),
            "anon/10.0.0.7",
            "status",
            "add `{ip: '10.0.0.7'}` to `who`",
        ),
        (json!({"who": "all", "what": "stop"}), "john", "status", "add `status` to `what` of the group `g`"),
        (
            json!({"who": "all", "what": ["*", "!status"]}),
            "john",
            "status",
            "add a group: `'status for john at localhost'",
        ),
        (
            json!({"who": "all", "what": {"command": "hello", "where": {"name": "x"}}}),
            "john",
            "hello:name=y",
            "call it with arguments that match `where` of the group `g`",
        ),
        (
            json!({"who": "all", "what": {"command": "hello", "where": {"name": "x"}}}),
            "john",
            "hello?",
            "call it with arguments that match the group `g`",
        ),
        (
            json!({"from": "cli", "who": "all", "what": "status"}),
            "john",
            "status",
            "add `rest` to `from` of the group `g`",
        ),
        (
            json!({"from": {"tag": "a"}, "who": "all", "what": "status"}),
            "john",
            "status",
            "call a listener with the tag a, or remove the tag",
        ),
        (
            json!({"from": "cli", "who": "none", "what": "stop"}),
            "john",
            "status",
            "add a group: `'status for john at localhost': {from: rest, who: {user: john@localhost}, what: status}`",
        ),
        (json!({"who": "all", "what": "*"}), "john+", "status", "request a token with a scope, such as `status`"),
        (json!({"who": "all", "what": "*"}), "john=stop", "status", "create an API key whose scopes cover `status`"),
    ] {
        let (permissions, any) = (rules(&json!({"api_permissions": {"g": group}})), what.ends_with('?'));
        let (registered, arguments) = request(&registry, what.trim_end_matches('?'));
        let explanation = permissions.explain(&caller(who), &registered.command, (!any).then_some(&arguments));
        let first = explanation.changes.first().cloned().unwrap_or_default();
        assert!(first.contains(expected), "{group} {who} {what}: {first}");
        assert!(explanation.changes.len() <= 3);
        let allowed = permissions.explain(&caller("console"), &registered.command, None);
        assert_eq!((allowed.answer, allowed.changes.len()), (Answer::Yes, 0));
        assert_eq!(allowed.group.as_deref(), Some(CONSOLE_GROUP));
    }
}

#[test]
fn wide_changes_say_so_and_come_last() {
    let (registry, permissions) = (
        registry(),
        rules(&json!({"api_permissions": {
            "all": {"who": {"user": "a@localhost"}, "what": "*"},
            "most": {"who": "all", "what": ["*", "!status"]},
        }})),
    );
    let (registered, _) = request(&registry, "status");
    let changes = permissions.explain(&caller("john"), &registered.command, None).changes;
    assert_eq!(changes[1], "add `{user: john@localhost}` to `who` of the group `all`, which allows `*`");
    assert_eq!(changes[2], "remove `!status` from `what` of the group `most`");
}

#[test]
fn hosts_with_names_of_their_own_are_told_apart() {
    let registry = registry();
    let permissions = rules(&json!({
        "acl": {"admin": {"user": "admin@localhost"}},
        "host_config": {"example.org": {"acl": {"admin": {"user": "bob@example.org"}}}},
        "api_permissions": {"g": {"who": "admin", "what": "*"}},
    }));
    let (registered, _) = request(&registry, "registered_users");
    let explanation = permissions.explain(&caller("admin"), &registered.command, None);
    let mut lines = Vec::new();
    indent(&explanation.groups[1].who, 0, &mut lines);
    assert_eq!(
        lines,
        [
            "depends: the ACLs of the host that the call is about apply",
            "  no: for calls about example.org",
            "    no: acl admin",
            "      no: user bob@example.org",
            "  yes: for calls about other hosts",
            "    yes: acl admin",
            "      yes: user admin@localhost",
        ]
    );
}
