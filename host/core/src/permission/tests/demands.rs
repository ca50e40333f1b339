//! What rules demand of arguments.

use super::*;

#[test]
fn arguments_are_held_against_where() {
    let registry = registry();
    for (conditions, verdicts) in [
        (
            json!({"host": "@caller.host"}),
            "john registered_users:host=localhost A, john registered_users:host=example.org D, \
          dave@example.org registered_users:host=example.org A, anon registered_users:host=localhost D, john hello D",
        ),
        (
            json!({"user": "@caller.user", "host": "@caller.host"}),
            "john get_roster:user=john:host=localhost A, \
          john get_roster:user=ann:host=localhost D, john get_roster:user=john:host=example.org D, john get_roster:user=john D, \
          john get_roster D, client:x+y get_roster:user=x:host=y D",
        ),
        (
            json!({"host": ["localhost", "*.org"]}),
            "anon registered_users:host=localhost A, anon registered_users:host=example.org A, \
          anon registered_users:host=example.com D, anon registered_users:host=5 D",
        ),
        (json!({"name": "@caller.account"}), "john hello:name=john@localhost A, john hello:name=john D"),
        (json!({"name": "@@caller.user"}), "john hello:name=@caller.user A, john hello:name=john D"),
        (
            json!({"loud": true}),
            "anon hello:loud=true A, anon hello:loud=false D, anon hello D, anon hello:loud=\"true\" D",
        ),
        (json!({"loud": [1, 2]}), "anon hello:loud=2 A, anon hello:loud=3 D, anon hello:loud=\"2\" D"),
        (
            json!({"groups": "f*"}),
            "anon get_roster:groups=[\"friends\",\"f\"] A, anon get_roster:groups=[\"friends\",\"x\"] D, \
          anon get_roster:groups=[] D, anon get_roster:groups=null D, anon get_roster:groups={} D",
        ),
    ] {
        let configuration = json!({"api_permissions": {"a": {
            "who": [{"access": "all"}, {"oauth": [{"scope": "y"}, "all"]}], "what": [{"command": "*", "where": conditions}],
        }}});
        let permissions = Arc::new(rules(&configuration));
        for verdict in verdicts.split(", ") {
            let [who, what, expected] = verdict.trim().split(' ').collect::<Vec<_>>()[..] else { panic!("{verdict}") };
            check(&permissions, &registry, who, what, expected == "A", &conditions.to_string());
        }
    }
}

#[test]
fn other_items_and_groups_stand_beside_a_condition() {
    let registry = registry();
    let permissions = Arc::new(rules(&json!({"api_permissions": {
        "own": {"who": {"user_regexp": ""}, "what": [{"command": ["get_roster", "[tag:accounts]"], "where": {"host": "@caller.host"}}, "!check_password"]},
        "all": {"who": {"user": "root@localhost"}, "what": "get_roster"},
        "two": {"who": {"user": "root@localhost"}, "what": [{"command": "hello", "where": {"name": "x"}}, {"command": "hello", "where": {"loud": true}}]},
    }})));
    for (who, what, expected) in [
        ("john", "get_roster:host=localhost", true),
        ("john", "get_roster:host=example.org", false),
        ("root", "get_roster:host=example.org", true),
        ("root", "get_roster", true),
        ("john", "registered_users:host=localhost", true),
        ("john", "check_password:host=localhost", false),
        ("root", "hello:name=x", true),
        ("root", "hello:name=y:loud=true", true),
        ("root", "hello:name=y", false),
    ] {
        check(&permissions, &registry, who, what, expected, "items beside one another");
    }
}

#[test]
fn listings_tell_what_is_demanded() {
    let registry = registry();
    let permissions = rules(&json!({
        "acl": {"admin": {"user": "admin@localhost"}},
        "host_config": {"example.org": {"acl": {"admin": {"user": "bob@example.org"}}}},
        "api_permissions": {
            "own": {"who": {"user_regexp": ""}, "what": {"command": "get_roster", "where": {"user": "@caller.user", "host": ["@caller.host", "x"]}}},
            "admins": {"who": "admin", "what": "*"},
        },
    }));
    for (who, what, expected) in [
        ("john", "get_roster", &["user is @caller.user and host is @caller.host or x"][..]),
        ("anon", "get_roster", &[]),
        ("admin", "status", &[]),
        ("admin", "registered_users", &["host is one whose own rules allow it"]),
        (
            "admin",
            "get_roster",
            &["user is @caller.user and host is @caller.host or x", "host is one whose own rules allow it"],
        ),
    ] {
        let (registered, _) = request(&registry, what);
        assert_eq!(permissions.demands(&caller(who), &registered.command), expected, "{who} {what}");
    }
}

#[test]
fn a_condition_that_cannot_match_lets_no_caller_in() {
    let registry = registry();
    let permissions = Arc::new(rules(&json!({"api_permissions": {
        "a": {"who": "all", "what": [{"command": "status", "where": {"host": "x"}}, {"command": "hello", "where": {"name": "@caller.user"}}]},
    }})));
    for (who, what, expected) in [("john", "status", false), ("anon", "hello", false), ("john", "hello", true)] {
        let (registered, _) = request(&registry, what);
        assert_eq!(permissions.admit(&Arc::new(caller(who)), &registered).is_some(), expected, "{who} {what}");
    }
}
