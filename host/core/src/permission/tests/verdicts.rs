//! Verdicts of ejabberd for the same groups, row by row as it was observed; and the few that differ on purpose.

use super::*;

/// Why a verdict is not ejabberd's. `host/docs/operators/coming-from-ejabberd.md` tells users the same.
const DIFFERENCES: [&str; 3] = [
    // A command with an argument `host` asks for no access rule `configure`: `where` says what is demanded.
    "configure",
    // A credential presented on the local socket is checked, and counts.
    "socket",
    // A group without `who` matches no caller; there it is an error of the server.
    "who",
];

fn setting() -> Value {
    json!({
        "acl": {
            "admin": {"user": "admin@localhost"},
            "support": {"user": ["john@localhost", "carol@localhost"]},
            "loopback": {"ip": ["127.0.0.0/8", "::1"]},
            "everyuser": {"user_regexp": ""},
        },
        "access_rules": {
            "configure": {"allow": "admin"},
            "trusted": {"allow": "loopback"},
            "notjohn": [{"deny": {"user": "john@localhost"}}, "allow"],
        },
        "host_config": {"example.org": {"acl": {"admin": {"user": "bob@example.org"}}}},
    })
}

/// The row in the reference, `api_permissions` (null where it is not set), and verdicts: `CALLER REQUEST A` for allowed
/// and `D` for denied, with `!REASON` where ejabberd says the opposite.
#[expect(clippy::too_many_lines, reason = "a table")]
fn rows() -> Vec<(u32, Value, &'static str)> {
    vec![
        (1, json!(null), "anon S D, admin S A, john S D, admin stop D"),
        (
            2,
            json!(null),
            "admin+ejabberd:admin S A, admin+ejabberd:user S D, admin+registered_users RU D, john+ejabberd:admin S D",
        ),
        (3, json!(null), "admin RU A, admin RX D"),
        (4, json!(null), "bob@example.org RX A, bob@example.org S D, bob@example.org RU D"),
        (5, json!(null), "console GL A, cli:john GL D!socket, cli:john RU D"),
        (
            6,
            json!({"a": {"from": "mod_http_api", "who": "all", "what": "status"}}),
            "anon S A, john S A, john+ejabberd:admin S D, anon GL D, console GL A",
        ),
        (7, json!({"a": {"who": "all", "what": ["*", "!status"]}}), "anon S D, anon GL A"),
        (8, json!({"a": {"who": "all", "what": ["!status", "*"]}}), "anon S D, anon GL A"),
        (9, json!({"a": {"who": "all", "what": "!status"}}), "anon S D, anon GL D"),
        (10, json!({"a": {"who": "all", "what": ["status", "!*"]}}), "anon S D"),
        (11, json!({"a": {"who": "all", "what": ["!*", "*"]}}), "anon S D"),
        (
            12,
            json!({"a": {"who": "all", "what": ["[tag:logs]", "!set_loglevel"]}}),
            "anon GL A, anon set_loglevel:loglevel=info D, anon S D",
        ),
        (13, json!({"a": {"who": "all", "what": ["*", "![tag:logs]"]}}), "anon GL D, anon S A"),
        (14, json!({"a": {"who": "all", "what": "[tag:v2]"}}), "anon versioned A, anon versioned/v0 A, anon S D"),
        (15, json!({"a": {"what": "*"}}), "anon S D!who, admin S D!who, console GL A"),
        (16, json!({"a": {"who": "none", "what": "*"}}), "admin S D"),
        (17, json!({"a": {"who": "all"}}), "admin S D"),
        (17, json!({"a": {}}), "admin S D"),
        (18, json!({}), "admin S D, console GL A"),
        (
            19,
            json!({"a": {"who": {"ip": "127.0.0.1/8"}, "what": "status"}}),
            "anon S A, anon/10.1.2.3 S D, john S A, john/10.1.2.3 S D",
        ),
        (
            20,
            json!({"a": {"who": {"ip": "127.0.0.1/8"}, "what": "status"}}),
            "john+ejabberd:admin S D, cli:john S D!socket",
        ),
        (
            21,
            json!({"a": {"who": [{"user": "john@localhost"}, {"ip": "10.0.0.0/8"}], "what": "*"}}),
            "john S A, anon/10.1.2.3 S A, anon S D, carol S D, carol/10.1.2.3 S A",
        ),
        (
            22,
            json!({"a": {"who": {"access": {"allow": {"user": "john@localhost", "ip": "10.0.0.0/8"}}}, "what": "*"}}),
            "john S D, anon/10.1.2.3 S D, john/10.1.2.3 S A",
        ),
        (
            23,
            json!({"a": {"who": {"access": {"allow": [{"acl": "loopback"}, {"acl": "admin"}]}}, "what": "*"}}),
            "admin S A, admin/10.1.2.3 S D, anon S D",
        ),
        (
            24,
            json!({"a": {"who": {"access": [{"allow": "loopback"}, {"allow": "admin"}]}, "what": "*"}}),
            "admin/10.1.2.3 S A, anon S A, john/10.1.2.3 S D",
        ),
        (
            25,
            json!({"a": {"who": {"access": {"allow": {"user": ["john@localhost", "carol@localhost"]}}}, "what": "*"}}),
            "john S D, carol S D",
        ),
        (
            26,
            json!({"a": {"who": {"user": ["john@localhost", "carol@localhost"]}, "what": "*"}}),
            "john S A, carol S A, admin S D",
        ),
        (27, json!({"a": {"who": {"access": "notjohn"}, "what": "*"}}), "john S D, carol S A, anon S A"),
        (
            28,
            json!({"a": {"who": {"access": "notjohn"}, "what": "*"}, "b": {"who": "everyuser", "what": "*"}}),
            "john S A",
        ),
        (29, json!({"a": {"who": {"access": "nosuchrule"}, "what": "*"}}), "admin S D"),
        (29, json!({"a": {"who": "nosuchacl", "what": "*"}}), "admin S D"),
        (30, json!({"a": {"who": {"access": ["allow"]}, "what": "*"}}), "anon S A"),
        (
            31,
            json!({"a": {"who": {"oauth": {"scope": "ejabberd:admin", "access": {"allow": {"acl": "admin"}}}}, "what": "*"}}),
            "admin S D, admin+ejabberd:admin S A, john+ejabberd:admin S D, anon S D",
        ),
        (32, json!({"a": {"who": {"oauth": {"scope": "ejabberd:admin"}}, "what": "*"}}), "admin+ejabberd:admin S D"),
        (
            33,
            json!({"a": {"who": {"oauth": {"scope": ["status", "sasl_auth"], "acl": "everyuser"}}, "what": "status"}}),
            "john+status S A, john+ejabberd:admin S D, admin+ejabberd:admin,status S A",
        ),
        (
            34,
            json!({"a": {"who": {"oauth": [{"scope": "ejabberd:user"}, {"scope": "status"}, "all"]}, "what": "*"}}),
            "john+status S A, john+status GL A",
        ),
        (
            35,
            json!({"a": {"who": {"oauth": {"scope": "status", "ip": "10.0.0.0/8"}}, "what": "*"}}),
            "john+status S D, john/10.1.2.3+status S A",
        ),
        (
            36,
            json!({"console commands": {"from": "ejabberd_ctl", "who": "all", "what": ["status", "reload_config"]}}),
            "console GL D, console RU D, console S A, anon S D",
        ),
        (37, json!({"console": {"from": "ejabberd_ctl", "who": "none", "what": "*"}}), "console GL A"),
        (
            38,
            json!({"console commands": {"from": "ejabberd_ctl", "who": "admin", "what": "*"}}),
            "console GL D, cli:admin GL A",
        ),
        (39, json!({"a": {"from": [{"tag": "magic"}], "who": "all", "what": "*"}}), "anon S D, anon#magic S A"),
        (
            40,
            json!({"a": {"from": ["mod_http_api", {"tag": "magic"}], "who": "all", "what": "*"}}),
            "anon S D, anon#magic S A",
        ),
        (41, json!({"a": {"from": ["ejabberd_ctl", {"tag": "magic"}], "who": "all", "what": "*"}}), "anon#magic S D"),
        (42, json!({"a": {"from": ["ejabberd_ctl", "mod_http_api"], "who": "all", "what": "*"}}), "anon S A"),
        (42, json!({"a": {"from": "ejabberd_web_admin", "who": "admin", "what": "*"}}), "admin S D"),
        (
            43,
            json!({"a": {"who": "everyuser", "what": "*"}}),
            "john GL A, dave@example.org S A, john RU A!configure, \
             john check_password:user=john:host=localhost:password=x A!configure",
        ),
        (44, json!({"a": {"who": "everyuser", "what": "*"}}), "admin RU A, admin RX D, bob@example.org RX D"),
        (
            45,
            json!({"a": {"who": "all", "what": "*"}}),
            "anon RU A, anon registered_users:host=zz.net A, john RU A!configure, admin+ejabberd:admin RU D",
        ),
        (
            46,
            json!({"a": {"who": "admin", "what": "*"}}),
            "bob@example.org S D, bob@example.org RX A, admin RX D, admin RU A, bob@example.org RU D",
        ),
        (47, json!({"a": {"who": "admin", "what": "*"}}), "cli:bob@example.org RX A, cli:bob@example.org RU D"),
        (48, json!({"a": {"who": "all", "what": ["status", "not_a_command"]}}), "anon S A, anon GL D"),
        (
            52,
            json!({
                "console commands": {"from": "ejabberd_ctl", "who": "all", "what": "*"},
                "webadmin commands": {"from": "ejabberd_web_admin", "who": "admin", "what": "*"},
                "adhoc commands": {"from": "mod_adhoc_api", "who": "admin", "what": "*"},
                "http access": {
                    "from": "mod_http_api",
                    "who": {
                        "access": {"allow": [{"acl": "loopback"}, {"acl": "admin"}]},
                        "oauth": {"scope": "ejabberd:admin", "access": {"allow": [{"acl": "loopback"}, {"acl": "admin"}]}},
                    },
                    "what": ["*", "!stop", "!start"],
                },
                "public commands": {"who": {"ip": "127.0.0.1/8"}, "what": ["status", "connected_users_number"]},
            }),
            "anon S A, anon/10.1.2.3 S D, admin GL A, admin/10.1.2.3 GL D, admin stop D, john S A, \
             admin+ejabberd:admin S A, john+ejabberd:admin S D, admin~xmpp GL A",
        ),
        // From here on, what ejabberd does not have.
        (
            100,
            json!({"a": {"who": {"user": "john"}, "what": "*"}}),
            "john S A, john@example.org S A, john@elsewhere.net S D, carol S D",
        ),
        (
            101,
            json!({"a": {"who": {"user_glob": "j*"}, "what": "*"}}),
            "john S A, jo@example.org S A, carol S D, jo@elsewhere.net S D",
        ),
        (
            102,
            json!({"a": {"who": {"user_regexp": "^j.*n$@example.org"}, "what": "*"}}),
            "john@example.org S A, john S D",
        ),
        (
            103,
            json!({"a": {"who": {"server": "Example.org"}, "what": "*"}}),
            "dave@example.org S A, john S D, anon S D",
        ),
        (104, json!({"a": {"who": {"server_regexp": "[.]org$"}, "what": "*"}}), "dave@example.org S A, john S D"),
        (105, json!({"a": {"who": {"server_glob": "*.org"}, "what": "*"}}), "dave@example.org S A, john S D"),
        (
            106,
            json!({"a": {"who": {"node_regexp": "^d@org$"}, "what": "*"}}),
            "dave@example.org S A, john@example.org S D, dave S D",
        ),
        (
            107,
            json!({"a": {"who": {"node_glob": "d*@*.org"}, "what": "*"}}),
            "dave@example.org S A, john@example.org S D, dave S D",
        ),
        (108, json!({"a": {"who": {"ip": "::ffff:10.0.0.0/104"}, "what": "*"}}), "anon/10.1.2.3 S A, anon S D"),
        (
            109,
            json!({"a": {"who": {"ip": "2001:db8::/32"}, "what": "*"}}),
            "anon/2001:db8::7 S A, anon/2001:db9::7 S D, console S A",
        ),
        (110, json!({"a": {"who": {"oauth": {"scope": "muster:admin", "all": null}}}}), "PARSE"),
        (
            111,
            json!({"a": {"who": {"oauth": {"scope": "muster:admin", "acl": "admin"}}, "what": "*"}}),
            "admin+ejabberd:admin S A, admin+muster:admin S A",
        ),
        (
            112,
            json!({"a": {"who": {"oauth": {"scope": "ejabberd:user", "server": "localhost"}}, "what": "*"}}),
            "john+muster:user S A, dave@example.org+muster:user S D, john+muster:admin S D",
        ),
        (
            113,
            json!({"a": {"who": {"oauth": [{"scope": "@command"}, "all"]}, "what": "*"}}),
            "john+status S A, john+status GL D, john+[tag:logs] GL A, john+[tag:logs] S D, john+* GL D, john+[audience:admin] GL D, \
             john+[plugin:hello] hello A, john+[plugin:hello] S D, john+@command S D, john+ S D, john S D",
        ),
        (
            114,
            json!({"a": {"who": {"oauth": {"scope": "x", "client": "ci"}}, "what": "*"}}),
            "client:ci+x S A, client:cd+x S D, john+x S D",
        ),
        (
            115,
            json!({"a": {"who": {"oauth": {"scope": "x", "user_regexp": ""}}, "what": "*"}}),
            "client:ci+x S D, john+x S A",
        ),
        (116, json!({"a": {"who": "all", "what": "[plugin:roster]"}}), "anon get_roster A, anon S D"),
        (117, json!({"a": {"who": "all", "what": ["*", "![plugin:roster]"]}}), "anon get_roster D, anon S A"),
        (118, json!({"a": {"who": "all", "what": "[audience:open]"}}), "anon hello A, anon S D, anon versioned D"),
        (119, json!({"a": {"who": "all", "what": ["*", "![audience:admin]"]}}), "anon hello A, anon GL D, anon S A"),
        (120, json!({"a": {"who": "all", "what": "[tag:new]"}}), "anon versioned A, anon versioned/v0 A"),
        (121, json!({"a": {"who": "all", "what": "[tag:old]"}}), "anon versioned D, anon versioned/v0 D"),
        (122, json!({"a": {"from": "plugin", "who": "all", "what": "*"}}), "anon S D, anon^ S A, john^ S A"),
        (123, json!({"a": {"from": "rest", "who": "all", "what": "*"}}), "anon^ S A, cli:john S D"),
        (
            124,
            json!({"a": {"who": {"user": "john@localhost"}, "what": ["status", "get_loglevel"]}}),
            "john=status S A, john=status GL D, john=[tag:logs] GL A, carol=status S D, john=*,!status S D",
        ),
        (
            125,
            json!({"a": {"who": {"oauth": {"scope": "status", "acl": "everyuser"}}, "what": "*"}}),
            "john=status S D",
        ),
        (
            126,
            json!({"a": {"from": [{"tag": "a"}, {"tag": "b"}], "who": "all", "what": "*"}}),
            "anon#a S A, anon#b S A, anon#c S D, cli:john S D",
        ),
        (
            127,
            json!({"a": {"who": {"access": [{"deny": {"ip": "10.0.0.0/8"}}, {"allow": "everyuser"}]}, "what": "*"}}),
            "john S A, john/10.1.2.3 S D, anon S D",
        ),
        (128, json!({"a": {"who": {"access": [{"allow": "everyuser"}, "deny"]}, "what": "*"}}), "john S A, anon S D"),
        (129, json!({"a": {"who": {"access": "all"}, "what": "status"}}), "anon S A"),
        (130, json!({"a": {"who": {"access": "none"}, "what": "status"}}), "anon S D"),
        (
            131,
            json!({"a": {"who": {"oauth": [{"scope": "x"}, {"access": "notjohn"}]}, "what": "*"}}),
            "john+x S D, carol+x S A, carol S D",
        ),
        (
            132,
            json!({"a": {"who": "admin", "what": "*"}}),
            "bob@example.org registered_users:host=EXAMPLE.org A, admin registered_users:host=Example.ORG D",
        ),
    ]
}

#[test]
fn verdicts_are_as_documented() {
    let registry = registry();
    let mut differences = std::collections::BTreeSet::new();
    for (row, groups, verdicts) in rows() {
        let mut configuration = setting();
        if !groups.is_null() {
            configuration["api_permissions"] = groups;
        }
        if verdicts == "PARSE" {
            parse_rules(&configuration).unwrap_err();
            continue;
        }
        let permissions = Arc::new(rules(&configuration));
        for verdict in verdicts.split(", ") {
            let [who, what, expected] = verdict.split(' ').collect::<Vec<_>>()[..] else { panic!("{verdict}") };
            let (expected, difference) = split(expected, '!');
            differences.extend(difference);
            let what = match what {
                "S" => "status",
                "GL" => "get_loglevel",
                "RU" => "registered_users:host=localhost",
                "RX" => "registered_users:host=example.org",
                other => other,
            };
            check(&permissions, &registry, who, what, expected == "A", &format!("row {row}"));
        }
    }
    assert_eq!(differences, std::collections::BTreeSet::from(DIFFERENCES));
}

/// What the setting of one host says about another.
#[test]
fn a_host_has_its_own_names() {
    let (registry, mut configuration) = (registry(), setting());
    configuration["append_host_config"] = configuration["host_config"].take();
    configuration["host_config"] = json!({});
    configuration["api_permissions"] =
        json!({"a": {"who": "everyuser", "what": "*"}, "b": {"who": {"access": "notjohn"}, "what": "hello"}});
    // Merged, the other ACLs are still there.
    let merged = Arc::new(rules(&configuration));
    check(&merged, &registry, "bob@example.org", "registered_users:host=example.org", true, "append_host_config");
    // A host can have access rules of its own.
    configuration["append_host_config"] = json!({"example.org": {"access_rules": {"notjohn": "deny"}}});
    let own = Arc::new(rules(&configuration));
    check(&own, &registry, "anon", "hello", true, "no argument host");
    configuration["api_permissions"] = json!({"a": {"who": {"access": "notjohn"}, "what": "registered_users"}});
    let own = Arc::new(rules(&configuration));
    check(&own, &registry, "anon", "registered_users:host=localhost", true, "global");
    check(&own, &registry, "anon", "registered_users:host=example.org", false, "own");
    // What replaces takes the other rules away, what is appended leaves them.
    for (key, expected) in [("host_config", false), ("append_host_config", true)] {
        let mut configuration = setting();
        configuration["host_config"] = json!({});
        configuration[key] = json!({"example.org": {"access_rules": {"other": "deny"}}});
        configuration["api_permissions"] = json!({"a": {"who": {"access": "notjohn"}, "what": "registered_users"}});
        let permissions = Arc::new(rules(&configuration));
        check(&permissions, &registry, "anon", "registered_users:host=example.org", expected, key);
        check(&permissions, &registry, "anon", "registered_users:host=localhost", true, key);
    }
}

#[test]
fn no_rules_permit_nothing() {
    let (registry, permissions) = (registry(), Arc::new(Permissions::default()));
    for registered in registry.snapshot().iter() {
        for who in ["anon", "admin", "admin+ejabberd:admin", "cli:admin", "client:x+*"] {
            assert!(!permissions.may_call(&caller(who), &registered.command), "{who}");
        }
        assert!(permissions.may_call(&caller("console"), &registered.command));
    }
}

#[test]
fn oauth_access_says_who_may_have_tokens() {
    for (access, who, expected) in [
        (json!(null), "john", true),
        (json!("all"), "john", true),
        (json!("none"), "john", false),
        (json!("notjohn"), "john", false),
        (json!("notjohn"), "carol", true),
        (json!("nosuchrule"), "carol", false),
        (json!({"allow": "admin"}), "admin", true),
        (json!({"allow": "admin"}), "john", false),
        (json!([{"allow": {"ip": "10.0.0.0/8"}}]), "john/10.1.2.3", true),
        (json!([{"allow": {"ip": "10.0.0.0/8"}}]), "john", false),
    ] {
        let mut configuration = setting();
        if !access.is_null() {
            configuration["oauth_access"] = access.clone();
        }
        let who = caller(who);
        let may = rules(&configuration).may_have_tokens(who.account().unwrap(), who.address);
        assert_eq!(may, expected, "{access} {}", who.label());
    }
}

#[test]
fn what_rules_speak_of_is_known() {
    let permissions = rules(&json!({
        "acl": {"a": {"user": "acl@localhost"}},
        "access_rules": {"r": [{"deny": {"user": "rule@localhost"}}]},
        "host_config": {"example.org": {"acl": {"b": {"user": "host@example.org"}}}},
        "api_permissions": {
            "g": {"who": [
                {"user": "direct@localhost"},
                {"access": {"allow": {"user": "inline@localhost"}}},
                {"oauth": [{"scope": ["x", "@command"]}, {"user": "token@localhost"}, {"access": [{"allow": {"user": "deep@localhost"}}]}]},
            ], "what": "*"},
            "h": {"who": {"oauth": [{"scope": "y"}, "all"]}, "what": "*"},
        },
    }));
    let accounts: Vec<&str> = permissions.accounts().into_iter().map(AccountId::as_str).collect();
    assert_eq!(
        accounts,
        [
            "acl@localhost",
            "deep@localhost",
            "direct@localhost",
            "host@example.org",
            "inline@localhost",
            "rule@localhost",
            "token@localhost",
        ]
    );
    assert_eq!(permissions.scopes().into_iter().collect::<Vec<_>>(), ["x", "y"]);
}
