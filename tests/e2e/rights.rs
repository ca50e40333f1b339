//! Rules on a live host: conditions on arguments, reasons, checks, and a reload that locks nobody out.

use serde_json::{Value, json};
use tests::Host;

const CONFIG: &str = "
hosts: [localhost, example.org]
acl: {admin: {user: admin@localhost}}
host_config: {example.org: {acl: {admin: {user: bob@example.org}}}}
api_permissions:
  admins: {who: admin, what: '*'}
  own roster:
    who: {user_regexp: ''}
    what: [{command: '[plugin:roster]', where: {user: '@caller.user', host: '@caller.host'}}]
  public: {who: all, what: [check_account]}
";

fn host() -> Host {
    let host = Host::start_with(CONFIG);
    host.add_account("admin");
    host.add_account("ann");
    host
}

fn write(host: &Host, config: &str) {
    std::fs::write(host.data().join("muster.yaml"), config).unwrap();
}

#[test]
fn users_act_on_their_own_account_and_on_no_other() {
    let host = host();
    host.install("roster", &["keyvalue"]);
    for (user, arguments, expected) in [
        ("ann", json!({"user": "ann", "host": "localhost"}), "200"),
        ("ann", json!({"user": "admin", "host": "localhost"}), "403 forbidden"),
        ("ann", json!({"user": "ann", "host": "example.org"}), "403 forbidden"),
        ("ann", json!({"user": "ann"}), "400 invalid-arguments"),
        ("ann", json!({"user": ["ann"], "host": "localhost"}), "400 invalid-arguments"),
        ("admin", json!({"user": "ann", "host": "localhost"}), "200"),
        // ACLs are those of the host a call is about.
        ("admin", json!({"user": "ann", "host": "example.org"}), "403 forbidden"),
        ("", json!({"user": "ann", "host": "localhost"}), "401 unauthenticated"),
    ] {
        let answer = host.call(user, "get_roster", &arguments);
        assert_eq!(answer.verdict(), expected, "{user} {arguments}");
    }
    let listed = host.request("GET", "/api").as_user("ann").send().value();
    let entry = listed["commands"].as_array().unwrap().iter().find(|entry| entry["name"] == "get_roster").unwrap();
    assert_eq!(entry["only_where"], json!(["user is @caller.user and host is @caller.host"]));
    let admin = host.request("GET", "/api").as_user("admin").send().value();
    let status = admin["commands"].as_array().unwrap().iter().find(|entry| entry["name"] == "status").unwrap();
    assert_eq!(status["only_where"], json!([]));
}

#[test]
fn a_refusal_refers_those_to_the_reason_who_may_ask_for_it() {
    let host = Host::start_with(
        "
api_permissions:
  asks: {who: {user: admin@localhost}, what: permissions_explain}
  hello: {who: {user: ann@localhost}, what: check_account}
",
    );
    host.add_account("admin");
    host.add_account("ann");
    let detail = |user| host.call(user, "stop", &json!({})).value()["detail"].as_str().unwrap().to_owned();
    let id =
        |detail: &str| detail.split("--request ").nth(1).and_then(|rest| rest.split('`').next().map(str::to_owned));
    assert_eq!(id(&detail("ann")), None);
    let reference = id(&detail("admin")).unwrap();
    let explained = host.cli(&["permissions", "explain", "--request", &reference]);
    assert!(
        explained
            .stdout
            .starts_with("denied: `stop` for admin@localhost through rest from 127.0.0.1\nrecorded: forbidden at "),
        "{explained:?}"
    );
    let missing = host.cli(&["permissions", "explain", "--request", "nothing"]);
    assert_eq!(missing.code, 5, "{missing:?}");
    assert_eq!(host.call("admin", "permissions_explain", &json!({})).value()["errors"][0]["pointer"], "/command");
}

#[test]
fn every_verdict_can_be_explained() {
    let host = host();
    host.install("roster", &["keyvalue"]);
    let explain = |words: &[&str]| {
        let ran = host.cli(&[&["permissions", "explain"], words].concat());
        assert_eq!(ran.code, 0, "{ran:?}");
        ran.stdout
    };
    let own = ["--as", "ann@localhost", "--from", "::ffff:10.0.0.7", "get_roster", "user=ann", "host=localhost"];
    insta::assert_snapshot!("explain_allowed", explain(&own));
    let other = ["--as", "ann@localhost", "--from", "10.0.0.7", "get_roster", "user=bob", "host=localhost"];
    insta::assert_snapshot!("explain_denied", explain(&other));
    insta::assert_snapshot!("explain_token", explain(&["--as", "admin@localhost", "--scope", "status", "status"]));
    insta::assert_snapshot!("explain_open", explain(&["--as", "bob@example.org", "registered-users"]));
    let unknown = host.cli(&["permissions", "explain", "stpo"]);
    assert_eq!((unknown.code, unknown.stderr.contains("did you mean `stop`?")), (5, true), "{unknown:?}");
    let json = host.cli(&["--json", "permissions", "explain", "--as", "console", "stop"]);
    let value: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((&value["answer"], &value["group"]), (&json!("yes"), &json!("console commands")));
    for (field, value) in [("as", "x"), ("via", "post"), ("address", "here")] {
        let answer = host.call("admin", "permissions_explain", &json!({"command": "stop", field: value}));
        assert_eq!(answer.value()["errors"][0]["pointer"], format!("/{field}"), "{field}");
    }
}

#[test]
fn odd_rules_are_found_with_and_without_a_host() {
    let host = host();
    let file = host.data().join("odd.yaml");
    std::fs::write(
        &file,
        "
acl: {admin: {user: admin@localhost}}
api_permissions:
  admins: {who: amdin, what: '*'}
  both: {who: {access: {allow: {user: [ann@localhost, bob@localhost]}}}, what: stauts}
",
    )
    .unwrap();
    let file = file.to_str().unwrap();
    let checked = host.cli(&["permissions", "check", file]);
    assert_eq!(checked.code, 1);
    insta::assert_snapshot!("check_with_host", checked.stdout);
    let elsewhere = tempfile::tempdir().unwrap();
    let offline = host.cli(&["--data", elsewhere.path().to_str().unwrap(), "permissions", "check", file]);
    assert_eq!(offline.code, 1, "{offline:?}");
    insta::assert_snapshot!("check_without_host", offline.stdout);
    let own = host.cli(&["permissions", "check"]);
    assert_eq!(own.code, 1, "the plugin the rules name is not installed: {own:?}");
    assert!(own.stdout.contains("there is no plugin `roster` with commands at present"), "{own:?}");
}

#[test]
fn the_matrix_has_every_command() {
    let host = host();
    host.install("roster", &["keyvalue"]);
    let table = host.cli(&["permissions", "matrix"]);
    assert_eq!(table.code, 0, "{table:?}");
    insta::assert_snapshot!("matrix", table.stdout);
    let rows: Value = serde_json::from_str(&host.cli(&["--json", "permissions", "matrix"]).stdout).unwrap();
    let console = &rows[0];
    assert_eq!(console["caller"], "console");
    let listed = host.cli(&["--json", "help"]);
    let listed: Value = serde_json::from_str(&listed.stdout).unwrap();
    for entry in listed.as_array().unwrap() {
        let name = entry["name"].as_str().unwrap();
        assert_eq!(console["commands"][name], "yes", "{name} is not in the matrix");
    }
}

#[test]
fn a_reload_reports_changes_and_lockouts_first() {
    let host = host();
    write(&host, &CONFIG.replace("what: [check_account]", "what: [check_account, status]"));
    let dry = host.cli(&["config", "reload", "--dry-run"]);
    assert_eq!(dry.stdout.lines().next().unwrap(), "anonymous: gains status", "{dry:?}");
    assert_eq!(host.call("", "status", &json!({})).status, 401, "a dry run changes nothing");
    assert_eq!(host.cli(&["config", "reload"]).code, 0);
    assert_eq!(host.call("", "status", &json!({})).status, 200);

    // What only a restart puts into force is named, before and after.
    write(
        &host,
        &CONFIG.replace("what: [check_account]", "what: [check_account, status]").replacen(
            '\n',
            "\nlimits: {cpu_ms_max: 7}\n",
            1,
        ),
    );
    for words in [&["config", "reload", "--dry-run"][..], &["config", "reload"]] {
        let told = host.cli(words);
        assert!(told.stdout.contains("a restart is needed for limits.cpu_ms_max"), "{words:?} {told:?}");
    }

    // A mistake changes nothing.
    write(&host, "api_permissions: {a: {whom: all}}");
    let refused = host.cli(&["config", "reload"]);
    assert!(refused.stderr.contains("unknown key `whom`; did you mean `who`?"), "{refused:?}");
    assert_eq!(host.call("", "status", &json!({})).status, 200);

    // Neither the last administrator nor the console goes without being told.
    for config in [
        "api_permissions: {a: {who: {user: nobody@localhost}, what: status}}",
        "{acl: {admin: {user: admin@localhost}}, api_permissions: {a: {who: admin, what: '*'}, console commands: {from: console, who: all, what: status}}}",
    ] {
        write(&host, config);
        let dry = host.cli(&["config", "reload", "--dry-run"]);
        assert!(dry.stdout.contains("the host applies this only with --force"), "{dry:?}");
        let refused = host.cli(&["config", "reload"]);
        assert_eq!((refused.code, refused.stderr.contains("call it with `force`")), (1, true), "{refused:?}");
        assert_eq!(host.call("", "status", &json!({})).status, 200);
    }
    let forced = host.cli(&["config", "reload", "--force"]);
    assert_eq!(forced.code, 0, "{forced:?}");
    assert_eq!(host.call("", "status", &json!({})).status, 401);
    assert_eq!(host.cli(&["call", "get_loglevel"]).code, 4, "the console may only ask for the status now");
    assert_eq!(host.call("admin", "reload_config", &json!({})).status, 200);
}

#[test]
fn recorded_calls_are_explained_with_their_credential_and_arguments() {
    let host = host();
    host.install("roster", &["keyvalue"]);
    let refused = |token: Option<&str>, command: &str, arguments: Value| {
        let request = host.request("POST", &format!("/api/{command}")).json(&arguments);
        let answer = match token {
            Some(token) => request.header("authorization", &format!("Bearer {token}")).send(),
            None => request.as_user("ann").send(),
        };
        assert_eq!(answer.status, 403);
        answer.header("x-request-id").to_owned()
    };
    let of_where = refused(None, "get_roster", json!({"user": "bob", "host": "localhost"}));
    let key = host.cli(&["key", "create", "ann@localhost", "laptop", "--scope", "get_roster"]).stdout;
    let of_key = refused(Some(key.trim()), "check_account", json!({"user": "a", "host": "localhost"}));
    let token = host.cli(&["token", "issue", "ann@localhost", "status"]).stdout;
    let of_token = refused(Some(token.trim()), "status", json!({}));
    for (id, expected) in [
        (&of_where, "[no ] argument user is @caller.user; it is \"bob\""),
        (&of_key, "credential: an API key for `get_roster`, which does not cover `check_account`"),
        (&of_token, "credential: a token with the scope status"),
    ] {
        let explained = host.cli(&["permissions", "explain", "--request", id]);
        assert!(explained.stdout.contains(expected), "{explained:?}");
    }
}

#[test]
fn forbidden_commands_hide_their_arguments() {
    let host = host();
    let right = host.call("ann", "set_loglevel", &json!({"loglevel": "info"}));
    let wrong = host.call("ann", "set_loglevel", &json!({"nonsense": 1}));
    assert_eq!((right.verdict(), wrong.verdict()), ("403 forbidden".to_owned(), "403 forbidden".to_owned()));
    assert_eq!(right.value()["detail"], wrong.value()["detail"]);
}

#[test]
fn anonymous_callers_cannot_probe() {
    let host = host();
    let answer = |command: &str| {
        let mut answer = host.call("", command, &json!({})).value();
        answer["instance"] = Value::Null;
        answer
    };
    assert_eq!(answer("set_loglevel"), answer("no_such_command"));
}
