//! The path a newcomer takes: install a plugin, call it as different people over every way there is.

use serde_json::json;
use tests::Host;

fn bob() -> serde_json::Value {
    json!({
        "localuser": "ann", "localhost": "localhost", "user": "bob", "host": "localhost", "nick": "Bob",
        "groups": ["friends"], "subs": "both",
    })
}

#[test]
fn a_roster_is_kept_by_permitted_callers() {
    let mut host = Host::start();
    host.install("roster", &["keyvalue"]);

    let added = host.call("admin", "add_rosteritem", &bob());
    assert_eq!((added.verdict().as_str(), added.value()), ("200", json!(0)));
    let expected = json!([{
        "jid": "bob@localhost", "nick": "Bob", "subscription": "both", "pending": "none", "groups": ["friends"],
    }]);
    let ann = json!({"user": "ann", "host": "localhost"});
    assert_eq!(host.call("admin", "get_roster", &ann).value(), expected);

    host.crash_and_restart();
    assert_eq!(host.call("admin", "get_roster", &ann).value(), expected, "after kill -9");
    let listed = host.cli(&["--json", "call", "get_roster", "user=ann", "host=localhost"]);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&listed.stdout).unwrap(), expected, "{listed:?}");
    let counted = host.cli(&["call", "get-roster-count", "--user", "ann", "--host", "localhost"]);
    assert_eq!(counted.stdout, "1\n");
    let by_query = host.request("GET", "/api/get_roster_count?user=ann&host=localhost").as_user("admin").send();
    assert_eq!(by_query.value(), json!(1));
    let remote = tests::run(
        std::process::Command::new(tests::binary())
            .env("MUSTER_PASSWORD", tests::PASSWORD)
            .args(["--url", &format!("http://{}", host.address()), "--user", "admin@localhost"])
            .args([
                "call",
                "delete_rosteritem",
                r#"{"localuser":"ann","localhost":"localhost","user":"bob","host":"localhost"}"#,
            ]),
        "",
    );
    assert_eq!((remote.code, remote.stdout.as_str()), (0, "0\n"), "{remote:?}");
    assert_eq!(host.call("admin", "get_roster", &ann).value(), json!([]));
}

#[test]
fn everybody_else_is_told_why_not() {
    let host = Host::start();
    host.install("roster", &["keyvalue"]);
    let bob = bob();
    assert_eq!(host.call("", "add_rosteritem", &bob).verdict(), "401 unauthenticated");
    assert_eq!(host.call("ann", "add_rosteritem", &bob).verdict(), "403 forbidden");

    let mut wrong = bob.clone();
    wrong["groups"] = json!(["friends", 5]);
    let answer = host.call("admin", "add_rosteritem", &wrong);
    assert_eq!(answer.verdict(), "400 invalid-arguments");
    assert_eq!(answer.value()["errors"][0]["pointer"], "/groups/1");

    let mut unknown = bob.clone();
    unknown["nickname"] = json!("B");
    let answer = host.call("admin", "add_rosteritem", &unknown);
    assert_eq!(answer.value()["errors"], json!([{"pointer": "/nickname", "detail": "is not allowed here"}]));

    assert_eq!(host.call("admin", "add_rosteritem/v1", &bob).verdict(), "200");
    let old = host.call("admin", "add_rosteritem/v0", &bob);
    assert_eq!(old.verdict(), "400 invalid-arguments", "version 0 takes `group`");
    assert_eq!(old.value()["errors"][0]["pointer"], "/group");
    let answer = host.call("admin", "add_rosteritm", &bob);
    assert_eq!(answer.verdict(), "404 unknown-command");
    assert!(answer.value()["detail"].as_str().unwrap().contains("did you mean `add_rosteritem`?"));
    let hidden = host.call("ann", "add_rosteritm", &bob);
    assert_eq!(
        hidden.value()["detail"],
        "there is no command `add_rosteritm`",
        "never names what the caller may not call"
    );
}

#[test]
fn accounts_are_managed_as_by_an_ejabberd_client() {
    let host = Host::start();
    let account = json!({"user": "bob", "host": "localhost"});
    let with = |key: &str, value: &str| {
        let mut arguments = account.clone();
        arguments[key] = json!(value);
        arguments
    };
    for (command, arguments, status, expected) in [
        ("check_account", account.clone(), 200, json!(1)),
        ("register", with("password", "one password"), 200, json!("User bob@localhost successfully registered")),
        ("check_account", account.clone(), 200, json!(0)),
        ("check_password", with("password", "one password"), 200, json!(0)),
        ("check_password", with("password", "another one"), 200, json!(1)),
        ("change_password", with("newpass", "another one"), 200, json!(0)),
        ("check_password", with("password", "one password"), 200, json!(1)),
        ("check_password", with("password", "another one"), 200, json!(0)),
        ("registered_users", json!({"host": "localhost"}), 200, json!(["admin", "ann", "bob"])),
        ("registered_vhosts", json!({}), 200, json!(["localhost"])),
        ("unregister", account.clone(), 200, json!("")),
        ("unregister", account.clone(), 200, json!("")),
        ("check_account", account.clone(), 200, json!(1)),
    ] {
        let answer = host.call("admin", command, &arguments);
        assert_eq!((answer.status, answer.value()), (status, expected), "{command} {arguments}");
    }
    for (command, arguments, verdict, detail) in [
        (
            "register",
            json!({"user": "ann", "host": "localhost", "password": "x"}),
            "409 conflict",
            "User ann@localhost already registered",
        ),
        (
            "register",
            json!({"user": "ann", "host": "example.org", "password": "x"}),
            "400 invalid-arguments",
            "/host: Unknown virtual host",
        ),
        ("registered_users", json!({"host": "example.org"}), "400 invalid-arguments", "/host: Unknown virtual host"),
        ("change_password", with("newpass", "x"), "404 not-found", "there is no account bob@localhost"),
    ] {
        let answer = host.call("admin", command, &arguments);
        assert_eq!((answer.verdict().as_str(), answer.value()["detail"].as_str().unwrap()), (verdict, detail));
    }
}

#[test]
fn a_password_change_ends_cached_credentials_at_once() {
    let host = Host::start();
    let greet = |password: &str| host.request("GET", "/api/status").basic("ann@localhost", password).send().status;
    assert_eq!((greet(tests::PASSWORD), greet(tests::PASSWORD), greet("wrong")), (200, 200, 401));
    host.call("admin", "change_password", &json!({"user": "ann", "host": "localhost", "newpass": "a new password"}));
    assert_eq!((greet(tests::PASSWORD), greet("a new password")), (401, 200));
    host.call("admin", "unregister", &json!({"user": "ann", "host": "localhost"}));
    assert_eq!(greet("a new password"), 401);
}

#[test]
fn wrong_credentials_are_never_anonymous() {
    let host = Host::start();
    let request = || host.request("GET", "/api/check_account?user=ann&host=localhost");
    assert_eq!(request().send().status, 200, "open to everybody");
    for value in ["Basic !!", "Bearer token", "Basic", "Negotiate x"] {
        assert_eq!(request().header("authorization", value).send().verdict(), "401 unauthenticated", "{value}");
    }
    for account in ["ann", "ann@localhost", "nobody@localhost", "@", ""] {
        assert_eq!(request().basic(account, "wrong").send().verdict(), "401 unauthenticated", "{account}");
    }
    let long = "x".repeat(40_000);
    assert_eq!(request().basic("ann@localhost", &long).send().verdict(), "401 unauthenticated");
    let challenge = host.call("", "stop", &json!({}));
    assert_eq!(challenge.header("www-authenticate"), "Basic realm=\"muster\", charset=\"UTF-8\"");
}

#[test]
fn rules_are_reloaded_whole_or_not_at_all() {
    let host = Host::start();
    let status = || host.call("ann", "status", &json!({})).status;
    let file = host.data().join("muster.yaml");
    assert_eq!(status(), 200);
    std::fs::write(&file, "api_permissions: {a: {who: admn, what: [statsu, '!!x']}}").unwrap();
    let refused = host.cli(&["call", "reload_config"]);
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("muster.yaml:1:49: api_permissions: a: what: double negation: !!x"), "{refused:?}");
    assert_eq!(status(), 200, "the old rules stay");
    std::fs::write(&file, "api_permissions: {}").unwrap();
    assert_eq!(host.cli(&["config", "reload", "--force"]).code, 0);
    assert_eq!(status(), 403);
    assert_eq!(host.cli(&["call", "status"]).code, 0, "the console cannot be locked out");
}
