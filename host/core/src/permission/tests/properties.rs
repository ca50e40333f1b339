//! What holds for all rules, callers and commands.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::matrix::{changes, matrix, sample_callers};
use super::*;

fn subject() -> impl Strategy<Value = Value> {
    select(vec![
        json!("all"),
        json!("none"),
        json!({"acl": "a"}),
        json!({"acl": "b"}),
        json!({"acl": "missing"}),
        json!({"user": "john@localhost"}),
        json!({"user": ["john", "carol@example.org"]}),
        json!({"user_regexp": "^j"}),
        json!({"user_glob": "*n@localhost"}),
        json!({"server": "example.org"}),
        json!({"server_glob": "*.org"}),
        json!({"server_regexp": "^local"}),
        json!({"node_glob": "j*@*"}),
        json!({"node_regexp": "n@^local"}),
        json!({"ip": ["10.0.0.0/8", "::1"]}),
        json!({"ip": "127.0.0.0/8"}),
        json!({"client": "ci"}),
    ])
}

/// A line's conditions, as a list: each of one key.
fn line() -> impl Strategy<Value = Value> {
    (prop::bool::ANY, vec(subject(), 0..3)).prop_map(|(allow, conditions)| {
        let verdict = if allow { "allow" } else { "deny" };
        if conditions.is_empty() { json!(verdict) } else { json!({ verdict: conditions }) }
    })
}

fn access() -> impl Strategy<Value = Value> {
    prop_oneof![vec(line(), 0..3).prop_map(Value::from), select(vec![json!("r"), json!("missing"), json!("all")])]
}

fn who_without_token() -> impl Strategy<Value = Value> {
    prop_oneof![3 => subject(), 1 => access().prop_map(|rule| json!({"access": rule}))]
}

fn who() -> impl Strategy<Value = Value> {
    let scope = select(vec!["x", "ejabberd:admin", "muster:admin", "status", "@command", "[tag:logs]"]);
    let token = (vec(scope, 1..3), vec(who_without_token(), 0..3)).prop_map(|(scopes, inner)| {
        let body = [vec![json!({ "scope": scopes })], inner].concat();
        json!({ "oauth": body })
    });
    prop_oneof![3 => who_without_token(), 2 => token]
}

fn what() -> impl Strategy<Value = Value> {
    let selector = select(vec![
        "*",
        "status",
        "registered_users",
        "get_roster",
        "hello",
        "[tag:logs]",
        "[tag:v2]",
        "[plugin:roster]",
        "[audience:open]",
        "versioned",
        "not_there",
    ]);
    let value = select(vec![
        json!("@caller.user"),
        json!("@caller.host"),
        json!("@caller.account"),
        json!("local*"),
        json!("john"),
        json!("@@x"),
        json!(true),
        json!(5),
    ]);
    let argument = select(vec!["host", "user", "name", "loud"]);
    let conditional = (selector.clone(), argument, vec(value, 1..3))
        .prop_map(|(selector, argument, values)| json!({"command": selector, "where": {argument: values}}));
    prop_oneof![
        4 => selector.clone().prop_map(Value::from),
        1 => selector.prop_map(|selector| json!(format!("!{selector}"))),
        2 => conditional,
    ]
}

fn group() -> impl Strategy<Value = Value> {
    let from = select(vec![json!("rest"), json!("cli"), json!({"tag": "t"}), json!("plugin"), json!("ejabberd_ctl")]);
    (vec(from, 0..2), vec(who(), 0..3), vec(what(), 0..3))
        .prop_map(|(from, who, what)| json!({"from": from, "who": who, "what": what}))
}

fn names() -> impl Strategy<Value = Value> {
    let flat = || subject().prop_filter("an ACL has no ACLs in it", |subject| subject.get("acl").is_none());
    (vec(flat(), 0..3), vec(flat(), 0..3), vec(line(), 0..3))
        .prop_map(|(a, b, rule)| json!({"acl": {"a": a, "b": b}, "access_rules": {"r": rule}}))
}

fn configuration() -> impl Strategy<Value = Value> {
    (names(), proptest::option::of(names()), vec(group(), 0..4), proptest::option::of(access())).prop_map(
        |(mut configuration, own, groups, token_access)| {
            let groups: Map<String, Value> =
                groups.into_iter().enumerate().map(|(index, group)| (format!("g{index}"), group)).collect();
            configuration["api_permissions"] = Value::Object(groups);
            if let Some(own) = own {
                configuration["host_config"] = json!({"example.org": own});
            }
            if let Some(access) = token_access {
                configuration["oauth_access"] = access;
            }
            configuration
        },
    )
}

fn who_words() -> impl Strategy<Value = String> {
    let base = select(vec!["anon", "john", "carol@example.org", "ann", "client:ci", "cli:john", "console"]);
    let rest = select(vec![
        "",
        "/10.1.2.3",
        "+x",
        "+status",
        "+muster:admin,x",
        "+",
        "#t",
        "=status,[tag:logs]",
        "^",
        "/10.9.9.9+[tag:logs]",
    ]);
    (base, rest).prop_map(|(base, rest)| {
        if base.starts_with("client") && !rest.contains('+') { format!("{base}+x") } else { format!("{base}{rest}") }
    })
}

fn request_words() -> impl Strategy<Value = &'static str> {
    select(vec![
        "status",
        "get_loglevel",
        "registered_users:host=localhost",
        "registered_users:host=example.org",
        "versioned/v0",
        "get_roster:user=john:host=localhost",
        "get_roster:user=ann",
        "hello:name=john:loud=true",
        "hello:name=@x",
        "hello",
    ])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn what_is_printed_is_read_back(configuration in configuration()) {
        let permissions = rules(&configuration);
        let printed = Value::Object(permissions.to_json());
        prop_assert_eq!(&rules(&printed), &permissions, "{}", printed);
    }

    #[test]
    fn another_group_never_takes_anything_away(
        configuration in configuration(), more in group(), who in who_words(), what in request_words(),
    ) {
        let registry = registry();
        let (caller, (registered, arguments)) = (caller(&who), request(&registry, what));
        let before = rules(&configuration);
        let mut with_more = configuration.clone();
        with_more["api_permissions"]["more"] = more;
        let after = rules(&with_more);
        for arguments in [None, Some(&arguments)] {
            let answer = |rules: &Permissions| rules.decide(&caller, &registered.command, arguments).answer();
            prop_assert!(answer(&before) <= answer(&after));
        }
    }

    #[test]
    fn the_reason_is_never_another_than_the_verdict(
        configuration in configuration(), who in who_words(), what in request_words(),
    ) {
        let registry = registry();
        let (caller, (registered, arguments)) = (caller(&who), request(&registry, what));
        let (permissions, command) = (rules(&configuration), &registered.command);
        for arguments in [None, Some(&arguments)] {
            let decision = permissions.decide(&caller, command, arguments);
            let explanation = permissions.explain(&caller, command, arguments);
            prop_assert_eq!(decision.answer(), explanation.answer);
            if let Decision::Allowed(group) = decision {
                prop_assert_eq!(Some(&group.name), explanation.group.as_ref());
            }
            prop_assert_eq!(permissions.groups().len(), explanation.groups.len());
            for (group, reason) in permissions.groups().iter().zip(&explanation.groups) {
                let answer = permissions.group_answer(group, &caller, command, arguments);
                prop_assert_eq!(answer, reason.answer);
            }
            prop_assert_eq!(explanation.changes.is_empty(), explanation.answer == Answer::Yes);
        }
    }

    #[test]
    fn arguments_only_settle_what_was_open(
        configuration in configuration(), who in who_words(), what in request_words(),
    ) {
        let registry = registry();
        let (caller, (registered, arguments)) = (caller(&who), request(&registry, what));
        let permissions = rules(&configuration);
        let open = permissions.decide(&caller, &registered.command, None).answer();
        let settled = permissions.decide(&caller, &registered.command, Some(&arguments)).answer();
        prop_assert_ne!(settled, Answer::Depends);
        prop_assert!(open == Answer::Depends || open == settled);
        prop_assert!(open == Answer::Depends || permissions.demands(&caller, &registered.command).is_empty());
    }

    #[test]
    fn a_narrower_credential_never_has_more(
        configuration in configuration(), what in request_words(), user in select(vec!["john", "carol@example.org"]),
    ) {
        let registry = registry();
        let (registered, arguments) = request(&registry, what);
        let permissions = rules(&configuration);
        let answer = |who: &str| permissions.decide(&caller(who), &registered.command, Some(&arguments)).answer();
        let narrowed = format!("{user}=status,[tag:logs],hello");
        prop_assert!(answer(&narrowed) <= answer(user));
    }

    #[test]
    fn surveys_and_checks_take_any_rules(configuration in configuration()) {
        let (registry, permissions) = (registry(), rules(&configuration));
        let snapshot = registry.snapshot();
        let commands: Vec<&Command> = snapshot.iter().map(|registered| &registered.command).collect();
        let callers = sample_callers(&[&permissions], &[], &[FrontendName("rest"), FrontendName("cli")]);
        permissions.lint(Surroundings { commands: &commands, callers: &callers, tags: Some(&[]) });
        for row in matrix(&permissions, &callers, &commands) {
            let one = callers.iter().find(|one| one.label == row.label).unwrap();
            for command in &commands {
                let listed = row.rights.contains_key(command.name.as_str());
                prop_assert!(listed || !permissions.may_call(&one.calling(command), command));
            }
        }
        let (nothing, _) = changes(&permissions, &permissions, &callers, &commands);
        prop_assert!(nothing.is_empty());
    }
}
