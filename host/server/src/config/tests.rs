//! Every kind of mistake, with the place and the words it is reported with.

use super::*;

#[test]
#[expect(clippy::too_many_lines, reason = "one table")]
fn mistakes_are_reported_with_their_place() {
    let mut misfits = Vec::new();
    for (text, expected) in [
        ("listen: [", "muster.yaml:2:1: this is not YAML"),
        ("listn: 1", "muster.yaml:1:1: unknown key `listn`; did you mean `listen`? Known are"),
        ("listen: here", "muster.yaml:1:9: listen: `here` is not an address and a port"),
        ("listen: []", "muster.yaml:1:9: listen: expected at least one address"),
        ("listen: {tag: x}", "muster.yaml:1:9: listen: a listener needs an `address`"),
        ("listen: [{adress: x}]", "muster.yaml:1:11: listen: unknown key `adress`; did you mean `address`?"),
        ("listen: {address: '127.0.0.1:1', tag: A}", "listen: tag: `A` is not a valid tag"),
        ("listen: {address: '127.0.0.1:1', tls: {key: k}}", "tls: `tls` needs both a `certificate` and its `key`"),
        ("listen: {address: '127.0.0.1:1', tls: {cert: k}}", "tls: unknown key `cert`"),
        (
            "listen: {address: '127.0.0.1:1', tls: {certificate: c, key: k, client_account: any}}",
            "`client_account` needs `client_ca`",
        ),
        (
            "listen: {address: '127.0.0.1:1', tls: {certificate: c, key: k, client_ca: a, client_account: mail}}",
            "client_account: unknown name `mail`; did you mean `email`?",
        ),
        ("listen: {address: '127.0.0.1:1', trusted_proxies: [10.0.0.0/33]}", "`10.0.0.0/33` is not an address"),
        ("audit: {enable: true}", "audit: unknown key `enable`; did you mean `enabled`?"),
        ("audit: {enabled: 7}", "audit: enabled: expected true or false, found `7`"),
        ("audit: {files_max: 1}", "audit: files_max: expected a whole number from 2 to 1000000, found `1`"),
        ("audit: {arguments: all}", "audit: arguments: unknown way `all`"),
        ("rate_limits: [a]", "rate_limits: expected a map of limits"),
        ("rate_limits: {a: {}}", "rate_limits: a: a limit needs `per_minute`"),
        ("rate_limits: {a: {per_minute: 0}}", "a: per_minute: expected a whole number from 1 to 1000000, found `0`"),
        ("rate_limits: {a: {per: acount, per_minute: 1}}", "unknown kind `acount`"),
        ("rate_limits: {a: {per_minut: 1}}", "unknown key `per_minut`; did you mean `per_minute`?"),
        ("rate_limits: {a: {what: '[tg:x]', per_minute: 1}}", "invalid group: [tg:x]"),
        ("rate_limits: {\"é\": {per_minute: 1}}", "the name of a limit is sent to callers"),
        ("allowed_hosts: ['a b']", "muster.yaml:1:17: allowed_hosts: `a b` is not a host name without a port"),
        ("allowed_hosts: 'a:80'", "allowed_hosts: `a:80` is not a host name without a port"),
        ("cors: {}", "muster.yaml:1:7: cors: `cors` needs `origins`"),
        ("cors: {origin: x}", "cors: unknown key `origin`; did you mean `origins`?"),
        ("cors: {origins: ['*']}", "cors: origins: `*` is not an origin such as https://app.example.org"),
        ("cors: {origins: ['null']}", "cors: origins: `null` is not an origin such as https://app.example.org"),
        ("cors: {origins: ['https://a.example/']}", "`https://a.example/` is not an origin such as"),
        ("cors: {origins: ['https://a.example'], methods: [PUT]}", "cors: methods: unknown method `PUT`"),
        ("cors: {origins: ['https://a.example'], credentials: 1}", "expected true or false, found `1`"),
        ("limits: {write_deadline_ms: 0}", "limits: write_deadline_ms: expected a whole number from 1 to 86400000"),
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
        ("api_permissions: {a: {who: {resource: x}}}", "`resource` is about chat sessions"),
        ("api_permissions: {a: {who: {ip: 10.0.0.0/33}}}", "who: ip: `10.0.0.0/33` is not an address or a network"),
        ("api_permissions: {a: {who: {access: {alow: all}}}}", "access: unknown verdict `alow`; did you mean `allow`?"),
        ("acl: {admin: {user: '@x'}}", "acl: admin: user: `` is not a valid user name"),
        (
            "api_permissions: {a: {what: [status, {comand: x}]}}",
            "muster.yaml:1:39: api_permissions: a: what: unknown key `comand`; did you mean `command`?",
        ),
        (
            "api_permissions: {a: {what: [{command: x, where: {host: '@caller.hots'}}]}}",
            "where: host: unknown value `@caller.hots`; known are @caller.user",
        ),
        (
            "api_permissions: {a: {what: [{command: x, where: {a: [null]}}]}}",
            "expected a string, a number, true or false",
        ),
        (
            "api_permissions: {a: {who: {access: {allow: {oauth: {scope: x}}}}}}",
            "`oauth` is only allowed directly below `who`",
        ),
        ("acl: {a: {acl: b}}", "muster.yaml:1:10: acl: a: an ACL cannot name other ACLs; write an access rule"),
        (
            "host_config: {nowhere: {acl: {}}}",
            "muster.yaml:1:15: host_config: unknown host `nowhere`; known are localhost",
        ),
        ("oauth: {isuer: x}", "muster.yaml:1:9: oauth: unknown key `isuer`; did you mean `issuer`?"),
        ("oauth: {issuer: id.example.org}", "oauth: issuer: `id.example.org` is not an address such as"),
        (
            "oauth: {issuer: 'https://id.example.org/auth'}",
            "is not an address such as https://id.example.org, without a",
        ),
        ("oauth: {issuer: 'https://a@id.example.org'}", "is not an address such as"),
        ("oauth: {access_seconds: 0}", "oauth: access_seconds: expected a whole number from 1 to 315360000, found `0`"),
        ("oauth: {password_grant: maybe}", "expected true or false, found `maybe`"),
        ("issuers: [{}]", "muster.yaml:1:11: issuers: `issuer` is missing"),
        ("issuers: {issuer: a, audience: b}", "issuers: `jwks_url` or `jwks_file` is missing"),
        (
            "issuers: {issuer: a, jwks_file: b}",
            "issuers: `audience` is missing: tokens for other services would be accepted",
        ),
        ("issuers: {isuer: a}", "issuers: unknown key `isuer`; did you mean `issuer`?"),
        ("issuers: {algorithms: HS256}", "issuers: algorithms: unknown algorithm `HS256`; did you mean `RS256`?"),
        ("issuers: {algorithms: none}", "issuers: algorithms: unknown algorithm `none`; known are RS256"),
        (
            "issuers: {jwks_url: 'http://id.example.org/keys'}",
            "is neither an https address nor an http address of this machine",
        ),
        (
            "issuers: {jwks_url: 'http://127.0.0.1.example.org/'}",
            "is neither an https address nor an http address of this",
        ),
        ("issuers: {jwks_url: 'https://a/', jwks_file: b}", "`jwks_url` and `jwks_file` cannot be used together"),
        (
            "issuers: {issuer: a, audience: b, jwks_file: c, accounts: external}",
            "external accounts need an `account_host` that is not in `hosts`",
        ),
        (
            "issuers: {issuer: a, audience: b, jwks_file: c, accounts: external, account_host: localhost}",
            "external accounts need an `account_host` that is not in `hosts`",
        ),
        ("xmpp: {}", "muster.yaml:1:7: xmpp: `server` is missing"),
        ("xmpp: {servr: x}", "muster.yaml:1:8: xmpp: unknown key `servr`; did you mean `server`?"),
        ("xmpp: {server: localhost}", "xmpp: server: `localhost` is not a host and a port, such as 127.0.0.1:5347"),
        ("xmpp: {server: 'localhost:5347', domain: a b}", "xmpp: domain: `a b` is not a valid host name"),
        ("xmpp: {server: 'localhost:5347', domain: a, secret: x}", "xmpp: `trusted_domains` is missing"),
        ("xmpp: {server: 'localhost:5347', domain: a, trusted_domains: b}", "xmpp: `secret` is missing"),
        (
            "xmpp: {server: 'localhost:5347', secret: '@/nowhere'}",
            "xmpp: secret: /nowhere cannot be read: No such file",
        ),
        ("xmpp: {server: 'localhost:5347', secret: ''}", "xmpp: secret: the secret is empty"),
        (
            "xmpp: {server: 'example.org:5347', domain: a, secret: x}",
            "`server` is another machine: say how it speaks TLS",
        ),
        ("xmpp: {server: 'example.org:5347', tls: {name: a b}}", "xmpp: tls: `a b` is not a valid name for a"),
        ("xmpp: {server: 'example.org:5347', tls: {cert: x}}", "xmpp: tls: unknown key `cert`"),
        ("xmlrpc: /RPC2", "muster.yaml:1:9: xmlrpc: expected a map with a path, found `/RPC2`"),
        ("xmlrpc: {pth: /x}", "muster.yaml:1:10: xmlrpc: unknown key `pth`; did you mean `path`?"),
        ("xmlrpc: {path: RPC2}", "xmlrpc: path: `RPC2` is not a path such as /RPC2"),
        ("xmlrpc: {path: '/a/{b}'}", "xmlrpc: path: `/a/{b}` is not a path such as /RPC2"),
        ("xmlrpc: {path: /}", "xmlrpc: path: `/` is not a path such as /RPC2"),
        ("xmlrpc: {path: /api/x}", "xmlrpc: path: `/api` belongs to another interface"),
        ("oauth: {resources: files}", "oauth: resources: `files` is not an absolute URI without a fragment"),
        ("acl: {a: all}\nacl: {b: all}", "muster.yaml:2:1: this is not YAML"),
        ("acl: {a: all, 'a': none}", "muster.yaml:1:15: acl: duplicate key `a`"),
        ("acl: {a: &x [[*x]]}\nb: *y", "this is not YAML"),
        ("acl: {~: all}", "muster.yaml:1:7: acl: expected a string as key, found nothing"),
        ("acl: {a: {user: {a b: localhost}}}", "muster.yaml:1:18: acl: a: user: `a b` is not a valid user name"),
        ("acl: {a: {user: {ann: a b}}}", "muster.yaml:1:23: acl: a: user: ann: `a b` is not a valid host name"),
        ("acl: {a: {user_regexp: {'(': localhost}}}", "muster.yaml:1:25: acl: a: user_regexp: "),
        ("acl: {a: {server: {ann: localhost}}}", "expected a host name, found a map"),
        ("a: 1\n---\nb: 2", "the file has more than one document"),
    ] {
        let error = Config::parse("muster.yaml", text).map(|_| ()).unwrap_err().to_string();
        if !error.contains(expected) {
            misfits.push(format!("{text}\n  {error}"));
        }
    }
    assert!(misfits.is_empty(), "{}", misfits.join("\n"));
}

/// Maps, lists, both by turns, in brackets, and by aliases of aliases: the level that is too deep is named.
#[test]
fn what_nests_too_deep_is_refused_with_its_place() {
    let maps =
        |levels: usize| (0..levels).map(|level| format!("{}a:", " ".repeat(level))).collect::<Vec<_>>().join("\n");
    let chain: Vec<_> = (1..200).map(|link| format!("a{link}: &a{link} [[[[*a{}]]]]", link - 1)).collect();
    let chain = chain.join("\n");
    for (text, place) in [
        (maps(2_000), "muster.yaml:65:65: "),
        (format!("{}x", "- ".repeat(100_000)), "muster.yaml:1:129: "),
        ("a: [".repeat(100), "muster.yaml:1:129: "),
        (format!("acl: {}{}", "[".repeat(200), "]".repeat(200)), "muster.yaml:1:69: "),
        (format!("{}x", "? ".repeat(5_000)), "muster.yaml:1:129: "),
        (format!("a0: &a0 [x]\n{chain}"), "muster.yaml:17:15: "),
    ] {
        let error = Config::parse("muster.yaml", &text).map(|_| ()).unwrap_err().to_string();
        assert!(error.starts_with(place), "{error}");
        assert!(error.contains("nested deeper than 64 levels"), "{error}");
    }
    for levels in [1, 64] {
        let error = Config::parse("muster.yaml", &maps(levels)).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("unknown key `a`"), "{error}");
    }
}

/// A scalar without quotes is the text that was written where a text is wanted, and a value where a value is.
#[test]
fn names_are_what_was_written() {
    let text = "
hosts: [1.10, localhost]
acl: {admin: {user: [007, 1e3, 0x1F, 1.10, 42, 0o17, .5, 1_000, True, -0, +1, .inf, 'null']}, 08: {user: {0x10: 1.10}}}
api_permissions: {010: {who: {acl: 08}, what: [{command: x, where: {a: [0x1F, 1e3, '0x1F', 007]}}]}}
";
    let config = Config::parse("muster.yaml", text).unwrap();
    assert_eq!(config.hosts, ["1.10", "localhost"]);
    let rules = serde_json::Value::Object(config.permissions.to_json());
    assert_eq!(
        rules["acl"]["admin"],
        serde_json::json!([
            {"user": "007"}, {"user": "1e3"}, {"user": "0x1f"}, {"user": "1.10"}, {"user": "42"}, {"user": "0o17"},
            {"user": ".5"}, {"user": "1_000"}, {"user": "true"}, {"user": "-0"}, {"user": "+1"}, {"user": ".inf"},
            {"user": "null"}
        ])
    );
    assert_eq!(rules["acl"]["08"], serde_json::json!([{"user": "0x10@1.10"}]));
    let compared = &rules["api_permissions"]["010"]["what"][0]["where"]["a"];
    assert_eq!(*compared, serde_json::json!([31, 1000.0, "0x1F", 7]));
}

#[test]
fn what_is_most_likely_not_meant_is_said() {
    for (text, expected) in [
        ("listen: '0.0.0.0:5280'", 1),
        ("listen: ['[::]:5280', '127.0.0.1:1']", 1),
        ("listen: '0.0.0.0:5280'\noauth: {issuer: 'https://id.example.org'}", 0),
        ("listen: '127.0.0.1:5280'", 0),
        ("", 0),
    ] {
        let warnings = Config::parse("muster.yaml", text).unwrap().warnings();
        assert_eq!(warnings.len(), expected, "{text}: {warnings:?}");
    }
}

#[test]
fn an_empty_file_is_the_default() {
    for text in ["", "# nothing\n", "---\n"] {
        assert_eq!(Config::parse("muster.yaml", text).unwrap().listen, [Listener::plain(LISTEN)]);
    }
}

/// The grammar of rules is core's, with its own tables; here is that YAML reaches it whole, and finds its way back.
#[test]
fn rules_in_yaml_are_the_same_as_in_json() {
    let yaml = "
hosts: [localhost, example.org]
acl:
  admin: {user: admin@localhost}
  numbers: {user: [42, true]}
  pairs: {user: {ann: localhost, 'b': example.org}, user_regexp: [{'^a': localhost}, {'^b': Example.org}], user_glob: {'c*': localhost}, node_glob: {'*': '*.org'}}
host_config:
  example.org: {acl: {admin: {user: bob@example.org}}}
access_rules:
  near: [{deny: {ip: 10.0.0.7}}, allow]
api_permissions:
  admins: {from: [mod_http_api, tag: inside], who: [admin, oauth: {scope: 'ejabberd:admin', acl: admin}], what: ['*', '!stop']}
  own: {who: {access: near}, what: [{command: get_roster, where: {user: '@caller.user', n: [1, true]}}]}
oauth_access: {allow: admin}
";
    let read = Config::parse("muster.yaml", yaml).unwrap().permissions;
    let mut printed = read.to_json();
    printed.insert("hosts".to_owned(), serde_json::json!(["localhost", "example.org"]));
    // JSON is YAML.
    let json = serde_json::Value::Object(printed).to_string();
    assert_eq!(Config::parse("muster.yaml", &json).unwrap().permissions, read);
    assert_eq!(read.accounts().len(), 4);
}
