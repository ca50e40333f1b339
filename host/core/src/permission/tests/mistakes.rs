//! Mistakes in rules, where they are and how they are told.

use super::*;

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn a_mistake_has_its_place_and_says_what_was_expected() {
    let group = |group: Value| json!({"api_permissions": {"a/b": group}});
    let who = |who: Value| group(json!({"who": who}));
    let what = |what: Value| group(json!({"what": what}));
    for (configuration, pointer, at_key, text) in [
        (json!({"acl": [1]}), "/acl", false, "expected a map of ACLs, found a list"),
        (json!({"acl": "x"}), "/acl", false, "expected a map of ACLs, found `x`"),
        (json!({"acl": {"all": "none"}}), "/acl/all", true, "`all` is a reserved name"),
        (json!({"acl": {"none": "all"}}), "/acl/none", true, "`none` is a reserved name"),
        (json!({"acl": {"a": {"acl": "b"}}}), "/acl/a", false, "an ACL cannot name other ACLs"),
        (json!({"acl": {"a": ["b"]}}), "/acl/a", false, "an ACL cannot name other ACLs"),
        (
            json!({"acl": {"a": {"access": "b"}}}),
            "/acl/a/access",
            true,
            "`access` is only allowed directly below `who`",
        ),
        (json!({"acl": {"a": {"usr": "b"}}}), "/acl/a/usr", true, "unknown key `usr`; did you mean `user`?"),
        (json!({"acl": {"a": [{"user": "x"}, {"user": "@x"}]}}), "/acl/a/1/user", false, "`` is not a valid user name"),
        (
            json!({"acl": {"a": {"user": {}}}}),
            "/acl/a/user",
            false,
            "expected `user@host`, a user name, or a map of user names and hosts",
        ),
        (json!({"acl": {"a": {"user": [{"a b": "h"}]}}}), "/acl/a/user/0/a b", true, "`a b` is not a valid user name"),
        (json!({"acl": {"a": {"user": {"ann": []}}}}), "/acl/a/user/ann", false, "expected a host name, found a list"),
        (json!({"acl": {"a": {"user_glob": {"[*": "h"}}}}), "/acl/a/user_glob/[*", true, "without its `]`"),
        (json!({"acl": {"a": {"ip": {"10.0.0.1": "h"}}}}), "/acl/a/ip", false, "found a map"),
        (
            json!({"access_rules": {"a": [{"allow": {"user": []}}]}}),
            "/access_rules/a/0/allow/user",
            false,
            "with an empty list, the line would match every caller",
        ),
        (
            json!({"api_permissions": {"a": {"who": {"access": {"allow": {"ip": [], "user": "ann"}}}}}}),
            "/api_permissions/a/who/access/allow/ip",
            false,
            "with an empty list, the line would match every caller",
        ),
        (
            json!({"acl": {"a": {"user": null}}}),
            "/acl/a/user",
            false,
            "expected `user@host`, a user name, or a map of user names and hosts, found nothing",
        ),
        (json!({"acl": {"a": {"user_regexp": "("}}}), "/acl/a/user_regexp", false, "`(` is not a usable pattern"),
        (json!({"acl": {"a": {"server_glob": "[x"}}}), "/acl/a/server_glob", false, "has a `[` without its `]`"),
        (json!({"acl": {"a": {"server_regexp": "("}}}), "/acl/a/server_regexp", false, "is not a usable pattern"),
        (
            json!({"acl": {"a": {"node_regexp": "x"}}}),
            "/acl/a/node_regexp",
            false,
            "does not have the form PATTERN@PATTERN",
        ),
        (
            json!({"acl": {"a": {"ip": "10.0.0.0/33"}}}),
            "/acl/a/ip",
            false,
            "`10.0.0.0/33` is not an address or a network",
        ),
        (json!({"acl": {"a": {"resource": "x"}}}), "/acl/a/resource", true, "`resource` is about chat sessions"),
        (json!({"acl": {"a": {"resource_regexp": "x"}}}), "/acl/a/resource_regexp", true, "is about chat sessions"),
        (json!({"acl": {"a": {"resource_glob": "x"}}}), "/acl/a/resource_glob", true, "is about chat sessions"),
        (json!({"acl": {"a": {"shared_group": "x"}}}), "/acl/a/shared_group", true, "is about chat sessions"),
        (
            json!({"access_rules": {"a": {"alow": "all"}}}),
            "/access_rules/a/alow",
            true,
            "unknown verdict `alow`; did you mean `allow`?",
        ),
        (json!({"access_rules": {"a": ["alow"]}}), "/access_rules/a/0", false, "unknown verdict `alow`"),
        (
            json!({"host_config": {"nowhere": {}}}),
            "/host_config/nowhere",
            true,
            "unknown host `nowhere`; known are localhost, example.org",
        ),
        (
            json!({"host_config": {"localhost": {"s2s": 1}}}),
            "/host_config/localhost/s2s",
            true,
            "unknown key of the settings of a host `s2s`",
        ),
        (
            json!({"append_host_config": {"localhost": {"acl": 1}}}),
            "/append_host_config/localhost/acl",
            false,
            "expected a map of ACLs",
        ),
        (json!({"api_permissions": []}), "/api_permissions", false, "expected a map of groups"),
        (
            group(json!({"form": "rest"})),
            "/api_permissions/a~1b/form",
            true,
            "unknown key `form`; did you mean `from`?",
        ),
        (
            group(json!({"from": "reest"})),
            "/api_permissions/a~1b/from",
            false,
            "unknown interface `reest`; did you mean `rest`?",
        ),
        (
            group(json!({"from": ["rest", {"tga": "x"}]})),
            "/api_permissions/a~1b/from/1/tga",
            true,
            "unknown key `tga`; did you mean `tag`?",
        ),
        (group(json!({"from": {"tag": "A B"}})), "/api_permissions/a~1b/from/tag", false, "`A B` is not a valid tag"),
        (who(json!({"oauth": {"acl": "x"}})), "/api_permissions/a~1b/who/oauth", false, "`oauth` needs a `scope`"),
        (who(json!({"oauth": "x"})), "/api_permissions/a~1b/who/oauth", false, "`oauth` needs a `scope`"),
        (who(json!({"oauth": {"scope": ""}})), "/api_permissions/a~1b/who/oauth/scope", false, "a scope is a word"),
        (who(json!({"oauth": {"scope": "a\tb"}})), "/api_permissions/a~1b/who/oauth/scope", false, "a scope is a word"),
        (
            who(json!({"oauth": {"scope": "x", "oauth": {}}})),
            "/api_permissions/a~1b/who/oauth/oauth",
            true,
            "cannot contain",
        ),
        (
            who(json!({"access": {"allow": {"oauth": {}}}})),
            "/api_permissions/a~1b/who/access/allow/oauth",
            true,
            "is only allowed directly below `who`",
        ),
        (what(json!(["status", "!!x"])), "/api_permissions/a~1b/what/1", false, "double negation: !!x"),
        (what(json!([[]])), "/api_permissions/a~1b/what/0", false, "expected a command, `*`"),
        (
            what(json!({"comand": "x"})),
            "/api_permissions/a~1b/what/comand",
            true,
            "unknown key `comand`; did you mean `command`?",
        ),
        (what(json!({"where": {}})), "/api_permissions/a~1b/what", false, "a map in `what` needs `command`"),
        (
            what(json!({"command": ["x", "!y"]})),
            "/api_permissions/a~1b/what/command/1",
            false,
            "cannot depend on arguments",
        ),
        (
            what(json!({"command": "x", "where": 5})),
            "/api_permissions/a~1b/what/where",
            false,
            "expected a map of arguments",
        ),
        (
            what(json!({"command": "x", "where": {"a": []}})),
            "/api_permissions/a~1b/what/where/a",
            false,
            "at least one value",
        ),
        (
            what(json!({"command": "x", "where": {"a": [1, null]}})),
            "/api_permissions/a~1b/what/where/a/1",
            false,
            "expected a string, a number",
        ),
        (
            what(json!({"command": "x", "where": {"a": "@caller.hots"}})),
            "/api_permissions/a~1b/what/where/a",
            false,
            "unknown value `@caller.hots`",
        ),
        (what(json!({"command": "x", "where": {"a": "["}})), "", false, ""),
        (
            what(json!({"command": "x", "where": {"a": "[*"}})),
            "/api_permissions/a~1b/what/where/a",
            false,
            "without its `]`",
        ),
        (json!({"oauth_access": {"alow": "x"}}), "/oauth_access/alow", true, "unknown verdict `alow`"),
    ] {
        match parse_rules(&configuration) {
            Ok(_) => assert_eq!(pointer, "", "{configuration} is no mistake"),
            Err(error) => {
                assert_eq!((error.pointer.as_str(), error.at_key), (pointer, at_key), "{configuration} {error:?}");
                assert!(error.text.contains(text), "{configuration}: {}", error.text);
            }
        }
    }
}

/// What can be written in several ways is the same.
#[test]
fn ways_to_write_are_the_same() {
    let group = |group: Value| rules(&json!({"api_permissions": {"a": group}}));
    for (one, other) in [
        (json!({"from": "rest"}), json!({"from": ["mod_http_api"]})),
        (json!({"from": ["cli", "console"]}), json!({"from": ["console", "ejabberd_ctl"]})),
        (json!({"who": "admin"}), json!({"who": [{"acl": "admin"}]})),
        (json!({"who": {"acl": "all"}}), json!({"who": "all"})),
        (
            json!({"who": {"user": ["a@localhost", "b@localhost"]}}),
            json!({"who": [{"user": "A@localhost"}, {"user": "b@LOCALHOST"}]}),
        ),
        (
            json!({"who": {"user": {"A": "LOCALHOST", "b": "h"}}}),
            json!({"who": [{"user": "a@localhost"}, {"user": "b@h"}]}),
        ),
        (json!({"who": {"user": [{"a": "h"}, "b"]}}), json!({"who": [{"user": "a@h"}, {"user": "b"}]})),
        (json!({"who": {"user_regexp": {"^a": "H"}}}), json!({"who": {"user_regexp": "^a@h"}})),
        (json!({"who": {"user_glob": [{"a*": "h"}]}}), json!({"who": {"user_glob": "a*@h"}})),
        (json!({"who": {"node_glob": {"a*": "*.h"}}}), json!({"who": {"node_glob": "a*@*.h"}})),
        (json!({"who": {"node_regexp": {"^a": "h$"}}}), json!({"who": {"node_regexp": "^a@h$"}})),
        (json!({"who": {"ip": "10.1.2.3"}}), json!({"who": {"ip": "10.1.2.3/32"}})),
        (json!({"who": {"ip": "10.1.2.3/8"}}), json!({"who": {"ip": "::ffff:10.0.0.0/104"}})),
        (json!({"who": {"access": {"allow": "a"}}}), json!({"who": {"access": [{"allow": [{"acl": "a"}]}]}})),
        (json!({"who": {"access": "allow"}}), json!({"who": {"access": ["allow"]}})),
        (
            json!({"who": {"oauth": {"scope": ["x", "y"], "acl": "a"}}}),
            json!({"who": {"oauth": [{"scope": "x"}, {"scope": "y"}, "a"]}}),
        ),
        (json!({"what": "x"}), json!({"what": ["x"]})),
        (
            json!({"what": {"command": ["x", "y"], "where": {"a": 1}}}),
            json!({"what": [{"command": "x", "where": {"a": [1]}}, {"command": "y", "where": {"a": 1}}]}),
        ),
    ] {
        let [one, other] = [one, other].map(|written| {
            let mut read = group(written);
            read.groups.iter_mut().for_each(|group| group.from.interfaces.sort_unstable());
            read
        });
        assert_eq!(one, other);
    }
    // A network of IPv6 stays one.
    assert_ne!(group(json!({"who": {"ip": "::ffff:0:0/95"}})), group(json!({"who": {"ip": "0.0.0.0/0"}})));
}
