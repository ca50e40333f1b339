//! The record of calls: what stands in it and what never does, that it survives a crash, and that nobody changes it
//! unnoticed.

use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::{Host, PASSWORD, RULES, binary, run};

fn search(host: &Host, conditions: &Value) -> Vec<Value> {
    let found = host.cli(&["--json", "call", "audit_search", &conditions.to_string()]);
    let found: Value = serde_json::from_str(&found.stdout).map_err(|_| format!("{found:?}")).unwrap();
    found["records"].as_array().unwrap().clone()
}

/// The newest record of a command.
fn newest(host: &Host, command: &str) -> Value {
    search(host, &json!({"command": command, "limit": 1})).first().cloned().unwrap_or_default()
}

fn files(host: &Host) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(host.data().join("audit")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.is_file());
    files.sort();
    files
}

fn everything_recorded(host: &Host) -> String {
    files(host).iter().map(|file| std::fs::read_to_string(file).unwrap()).collect()
}

#[test]
fn every_call_leaves_a_record() {
    let host = Host::start();
    host.install("hello", &[]);
    let answer = host.call("ann", "hello", &json!({"name": "Ada"}));
    let record = newest(&host, "hello");
    assert_eq!(record["request_id"], answer.header("x-request-id"));
    let shape = [
        "caller",
        "identity",
        "authority",
        "via",
        "address",
        "version",
        "plugin",
        "verdict",
        "group",
        "arguments",
        "outcome",
    ];
    let shape: Vec<Value> = shape.iter().map(|key| record[*key].clone()).collect();
    let expected = json!([
        "ann@localhost", "account", "full", "rest", "127.0.0.1", 0, "hello@0.1.0", "allowed", "greeting", {"name": "Ada"}, "ok"
    ]);
    assert_eq!(json!(shape), expected, "{record}");
    assert!(record["duration_us"].as_u64().unwrap() > 0 && record["time"].as_str().unwrap().ends_with('Z'));

    let rows: &[(&str, &str, &Value, &str, &str)] = &[
        ("ann", "hello", &json!({}), "allowed", "invalid-arguments"),
        ("ann", "stop", &json!({}), "refused", "forbidden"),
        ("ann", "nothing", &json!({}), "refused", "unknown-command"),
        ("", "registered_users", &json!({}), "refused", "unauthenticated"),
        ("admin", "unregister", &json!({"user": "nobody", "host": "localhost"}), "allowed", "ok"),
        ("admin", "register", &json!({"user": "ann", "host": "localhost", "password": "x"}), "allowed", "conflict"),
    ];
    for (user, command, arguments, verdict, outcome) in rows {
        host.call(user, command, arguments);
        let record = newest(&host, command);
        assert_eq!((&record["verdict"], &record["outcome"]), (&json!(verdict), &json!(outcome)), "{command}: {record}");
    }
    host.request("POST", "/api/status").basic("Ann@localhost", "wrong").send();
    let record = newest(&host, "status");
    assert_eq!(
        (&record["claimed"], &record["caller"], &record["outcome"]),
        (&json!("ann@localhost"), &Value::Null, &json!("unauthenticated"))
    );
    assert_eq!(search(&host, &json!({"outcome": "unauthenticated", "limit": 9})).len(), 2);
    assert_eq!(search(&host, &json!({"caller": "console", "command": "module_install"})).len(), 1);
    assert_eq!(search(&host, &json!({"request_id": answer.header("x-request-id")})).len(), 1);
    // Who may not read it may not.
    assert_eq!(host.call("ann", "audit_search", &json!({})).verdict(), "403 forbidden");
}

#[test]
fn what_the_host_does_leaves_a_record() {
    let mut host = Host::start();
    assert_eq!(host.cli(&["call", "reload_config"]).code, 0);
    host.terminate();
    host.start_again();
    let events: Vec<Value> =
        search(&host, &json!({"limit": 1000})).into_iter().filter(|record| record["kind"] == "event").collect();
    let names: Vec<&str> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(names, ["started", "stopped", "config-reloaded", "started"]);
    assert!(host.cli(&["audit", "verify"]).stdout.starts_with("intact: "));
}

#[test]
fn no_secret_is_recorded_logged_or_answered() {
    let host = Host::start();
    let secret = "S3cret-never-shown";
    let answers = [
        host.call("admin", "register", &json!({"user": "bob", "host": "localhost", "password": secret})),
        host.call("admin", "register", &json!({"user": "bob", "host": "localhost", "password": secret})),
        host.call("admin", "register", &json!({"user": "bob", "host": "localhost", "pasword": secret})),
        host.call("admin", "register", &json!({"user": "bob", "host": "localhost", "password": secret, "x": secret})),
        host.call("admin", "change_password", &json!({"user": "bob", "host": "localhost", "newpass": secret})),
        host.call("admin", "check_password", &json!({"user": "bob", "host": "localhost", "password": secret})),
        host.call("ann", "register", &json!({"user": "eve", "host": "localhost", "password": secret})),
        host.request("POST", "/api/status").basic("bob@localhost", secret).send(),
        host.request("POST", "/api/status").basic(secret, secret).send(),
        host.request("POST", "/api/status").basic(&format!("{secret}@x"), secret).send(),
        host.request("POST", "/api/status").header("authorization", &format!("Bearer {secret}")).send(),
        host.request("POST", "/api/register").as_user("admin").body(format!("{{\"password\":\"{secret}\"")).send(),
        host.call("admin", "module_install", &json!({"module": "x", "component": secret, "settings": {"key": secret}})),
    ];
    for answer in &answers {
        assert!(!String::from_utf8_lossy(&answer.bytes).contains(secret), "{answer:?}");
    }
    let recorded = newest(&host, "change_password");
    assert_eq!(recorded["arguments"], json!({"user": "bob", "host": "localhost", "newpass": "***"}));
    let kept = everything_recorded(&host) + &host.log();
    // Accounts are folded to lower case, and would be in there so.
    assert!(!kept.contains(&secret.to_lowercase()));
    // What `module_install` was given as a component is no secret, and no password was told by its name alone.
    let without_component = kept.replace(&format!("\"component\":\"{secret}\""), "");
    assert!(!without_component.contains(secret), "{without_component}");
    assert!(!kept.contains(PASSWORD));
}

#[test]
fn a_call_without_a_waiting_caller_is_recorded_as_abandoned() {
    let host = Host::start();
    host.install("sleep", &[]);
    let head = format!(
        "POST /api/sleep HTTP/1.1\r\nhost: x\r\nauthorization: Basic {}\r\ncontent-length: 2\r\n\r\n{{}}",
        base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("admin@localhost:{PASSWORD}"))
    );
    let mut stream = std::net::TcpStream::connect(host.address()).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let _ = stream.read(&mut [0; 1]);
    drop(stream);
    let begun = Instant::now();
    while newest(&host, "sleep")["outcome"] != "abandoned" {
        assert!(begun.elapsed() < Duration::from_secs(10), "{}", newest(&host, "sleep"));
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn what_was_answered_is_recorded_whatever_happens_then() {
    let mut host = Host::start();
    for round in 0..5 {
        let user = format!("user{round}");
        let answer =
            host.call("admin", "register", &json!({"user": user, "host": "localhost", "password": "a few words"}));
        assert_eq!(answer.status, 200);
        host.crash_and_restart();
        assert_eq!(newest(&host, "register")["arguments"]["user"], json!(user));
        let verified = host.cli(&["audit", "verify"]);
        assert!(verified.code == 0 && verified.stdout.starts_with("intact: "), "{verified:?}");
    }
    // A crash in the middle of a line.
    let file = files(&host).pop().unwrap();
    host.terminate();
    std::fs::OpenOptions::new().append(true).open(&file).unwrap().write_all(b"{\"seq\":99,\"pr").unwrap();
    host.start_again();
    assert_eq!(host.cli(&["audit", "verify"]).code, 0);
    assert!(search(&host, &json!({"limit": 20})).iter().any(|record| record["event"] == "torn-line-removed"));
}

#[test]
fn changes_of_the_audit_log_are_detected() {
    let mut host = Host::start();
    host.call("ann", "stop", &json!({}));
    assert_eq!(host.cli(&["audit", "verify"]).code, 0);
    let head = host.cli(&["--json", "audit", "verify"]);
    let head: Value = serde_json::from_str(&head.stdout).unwrap();
    let file = files(&host).pop().unwrap();
    let whole = std::fs::read_to_string(&file).unwrap();
    // While it runs: what was forbidden is made to have been allowed.
    let at = whole.find("\"forbidden\"").unwrap() as u64;
    let open = std::fs::OpenOptions::new().write(true).open(&file).unwrap();
    open.write_all_at(b"\"permitted\"", at).unwrap();
    let verified = host.cli(&["audit", "verify"]);
    assert!(verified.code == 1 && verified.stderr.contains("not intact: record "), "{verified:?}");
    open.write_all_at(b"\"forbidden\"", at).unwrap();
    // While it does not run: the newest records are cut off, and the host is started again.
    host.terminate();
    let text = std::fs::read_to_string(&file).unwrap();
    let kept: Vec<&str> = text.lines().collect();
    std::fs::write(&file, kept[..kept.len() - 3].join("\n") + "\n").unwrap();
    let directory = host.data().join("audit");
    let offline = |head: &str| {
        let words = ["audit", "verify", "--dir", directory.to_str().unwrap(), "--head", head];
        run(std::process::Command::new(binary()).args(words), "")
    };
    // What is left is a chain of its own, and a head that was told before proves that it is not all.
    assert_eq!(
        run(std::process::Command::new(binary()).args(["audit", "verify", "--dir", directory.to_str().unwrap()]), "")
            .code,
        0
    );
    assert_eq!(offline(head["head"].as_str().unwrap()).code, 0);
    let last_head = format!("{}:{}", kept.len(), "0".repeat(64));
    assert!(offline(&last_head).stderr.contains("missing at the end"), "{:?}", offline(&last_head));
    host.start_again();
    let verified = host.cli(&["audit", "verify"]);
    assert!(verified.code == 1 && verified.stderr.contains("stands in its place"), "{verified:?}");
    assert!(host.log().contains("records-missing"));
}

#[test]
fn the_record_can_be_read_on_the_command_line() {
    let host = Host::start();
    host.call("ann", "stop", &json!({}));
    let tail = host.cli(&["audit", "tail", "-n", "5"]);
    assert!(tail.stdout.contains("ann@localhost via rest from 127.0.0.1: stop refused, forbidden ("), "{tail:?}");
    let found = host.cli(&["audit", "search", "--caller", "ann@localhost", "--outcome", "forbidden"]);
    assert_eq!(found.stdout.lines().count(), 1, "{found:?}");
    let found = host.cli(&["--json", "audit", "search", "--command", "register"]);
    let first: Value = serde_json::from_str(found.stdout.lines().next().unwrap()).unwrap();
    assert_eq!(first["arguments"]["password"], "***");
    assert_eq!(host.cli(&["audit", "search", "--since", "yesterday"]).code, 2);
}

#[test]
fn records_can_be_fewer_or_none() {
    let host = Host::start_with(&format!("{RULES}\naudit: {{arguments: none}}"));
    host.add_account("ann");
    assert_eq!(newest(&host, "register")["arguments"], Value::Null);
    let host = Host::start_with(&format!("{RULES}\naudit: {{enabled: false}}"));
    host.add_account("ann");
    assert!(host.cli(&["audit", "tail"]).stderr.contains("`audit` is not enabled"));
    assert!(!host.data().join("audit").exists());
}

#[test]
fn files_are_for_their_owner_alone_and_do_not_grow_for_ever() {
    use std::os::unix::fs::PermissionsExt;
    let host = Host::start_with(&format!("{RULES}\naudit: {{file_bytes_max: 4096, files_max: 3}}"));
    for _ in 0..100 {
        host.call("", "check_account", &json!({"user": "ann", "host": "localhost"}));
    }
    assert!(host.cli(&["audit", "verify"]).stdout.starts_with("intact: "));
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&host.data().join("audit")), 0o700);
    assert!(files(&host).len() <= 3 && files(&host).iter().all(|file| mode(file) == 0o600));
}
