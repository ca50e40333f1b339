//! Attacks on what guards the host: guessing passwords, calling too often, unusual addresses, oversized credentials.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::{Answer, Host, PASSWORD, RULES};

/// A host that believes who a proxy on this machine says is calling, so that a test can call from everywhere.
fn start() -> Host {
    let config = format!("listen: [{{address: '127.0.0.1:0', trusted_proxies: [127.0.0.0/8]}}]\n{RULES}");
    let host = Host::start_listening(tempfile::tempdir().unwrap(), &config);
    host.add_account("admin");
    host.add_account("ann");
    host
}

fn login(host: &Host, from: &str, user: &str, password: &str) -> Answer {
    let request = host.request("POST", "/api/status").header("x-forwarded-for", from);
    request.basic(&format!("{user}@localhost"), password).send()
}

fn stat(host: &Host, name: &str) -> u64 {
    let ran = host.cli(&["call", "stats", &format!("name={name}")]);
    ran.stdout.trim().parse().map_err(|_| format!("{ran:?}")).unwrap()
}

#[test]
fn guessing_is_slowed_down_and_does_not_lock_out_others() {
    let host = start();
    let verdicts: Vec<String> =
        (0..20).map(|number| login(&host, "192.0.2.1", "ann", &format!("guess {number}")).verdict()).collect();
    assert_eq!(verdicts[..5], vec!["401 unauthenticated"; 5]);
    assert!(verdicts.iter().skip(6).any(|verdict| verdict == "429 throttled"), "{verdicts:?}");
    let refused = (0..10).map(|_| login(&host, "192.0.2.1", "ann", "x")).find(|answer| answer.status == 429).unwrap();
    assert!(refused.header("retry-after").parse::<u64>().unwrap() >= 1);
    assert!(!String::from_utf8_lossy(&refused.bytes).contains("ann"));
    // The right password is not looked at either, from there; from elsewhere it is, and for others it is.
    assert_eq!(login(&host, "192.0.2.1", "ann", PASSWORD).status, 429);
    assert_eq!(login(&host, "192.0.2.2", "ann", PASSWORD).status, 200);
    assert_eq!(login(&host, "192.0.2.1", "admin", PASSWORD).status, 200);
    // Whoever was recognised a moment ago goes on, whatever others do from the same network.
    assert_eq!(login(&host, "192.0.2.1", "ann", PASSWORD).status, 200);
    assert!(stat(&host, "loginfailures") >= 5 && stat(&host, "loginsthrottled") >= 10);
}

#[test]
fn an_account_that_does_not_exist_is_treated_like_one_that_does() {
    let host = start();
    for user in ["ann", "nobody"] {
        let from = if user == "ann" { "192.0.2.1" } else { "192.0.2.2" };
        let answers: Vec<Answer> = (0..5).map(|_| login(&host, from, user, "wrong")).collect();
        assert!(answers.iter().all(|answer| answer.verdict() == "401 unauthenticated"), "{user}");
        let refused = login(&host, from, user, "wrong");
        assert_eq!(refused.verdict(), "429 throttled", "{user}");
        let mut body = refused.value();
        body["instance"] = Value::Null;
        assert_eq!(
            body,
            json!({
                "type": "urn:muster:problem:throttled", "title": "Too many failed logins", "status": 429,
                "detail": "too many failed logins from this address; retry after 1 s", "instance": null, "code": "throttled",
            })
        );
    }
}

#[test]
fn a_flood_of_wrong_passwords_pays_for_few_hashes_and_others_go_on() {
    let host = start();
    assert_eq!(login(&host, "198.51.100.1", "admin", PASSWORD).status, 200);
    let before = stat(&host, "loginfailures");
    std::thread::scope(|scope| {
        let flood: Vec<_> = (0..8)
            .map(|thread| {
                let host = &host;
                scope.spawn(move || {
                    (0..100).filter(|n| login(host, "192.0.2.1", "ann", &format!("{thread} {n}")).status == 401).count()
                })
            })
            .collect();
        let begun = Instant::now();
        for _ in 0..20 {
            assert_eq!(login(&host, "198.51.100.1", "admin", PASSWORD).status, 200);
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
        let looked_at: usize = flood.into_iter().map(|thread| thread.join().unwrap()).sum();
        assert!(looked_at <= 15, "{looked_at} of 800 wrong passwords were looked at");
    });
    assert!(stat(&host, "loginfailures") - before <= 15);
}

#[test]
fn oversized_credentials_are_refused_and_cost_nothing() {
    let host = start();
    let send =
        |account: &str, password: &str| host.request("POST", "/api/status").basic(account, password).send().status;
    assert_eq!(send("ann@localhost", &"p".repeat(2000)), 401);
    assert_eq!(send(&format!("{}@localhost", "u".repeat(2000)), PASSWORD), 401);
    assert_eq!(send(&"u".repeat(2000), PASSWORD), 401);
    assert_eq!(send("ann@localhost\0", PASSWORD), 401);
    let head = |bytes: usize| {
        format!("POST /api/status HTTP/1.1\r\nhost: x\r\nauthorization: Basic {}\r\n\r\n", "A".repeat(bytes))
    };
    for (bytes, expected) in [(60_000, "HTTP/1.1 401 "), (200_000, "HTTP/1.1 431 ")] {
        let answer = host.raw(head(bytes).as_bytes());
        assert!(answer.starts_with(expected) || (bytes > 65_536 && answer.is_empty()), "{bytes}: {answer}");
    }
    assert_eq!(login(&host, "192.0.2.9", "ann", PASSWORD).status, 200);
    assert!(!host.log().contains("ppppp") && !host.log().contains(PASSWORD));
}

#[test]
fn odd_addresses_reach_nothing() {
    let host = Host::start_with("api_permissions: {open: {who: all, what: [status, check_account]}}");
    for path in [
        "/api/%2e%2e/status",
        "/api/%2e%2e/%2e%2e/etc/passwd",
        "/api/../api/status",
        "//api/status",
        "/api//status",
        "/api/status//",
        "/api/status/",
        "/api/status;v=2",
        "/api;v=2/status",
        "/api/status%2fv0",
        "/api%2fstatus",
        "/api/status%00",
        "/api/./status",
        "/API/status",
        "/api/\\status",
        "/api/status/v0/..",
        "/api/status%2Fv%30",
        "/api/%2573tatus",
    ] {
        let answer = host.raw(
            format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").as_bytes(),
        );
        let status = answer.split(' ').nth(1).unwrap_or_default();
        // An unknown command, for somebody unknown, asks for a credential.
        assert!(["400", "401", "404"].contains(&status), "{path}: {answer}");
    }
    for (target, expected) in
        [("http://x/api/status", "200"), ("http://elsewhere/api/status", "400"), ("*", "40"), ("elsewhere:80", "40")]
    {
        let answer = host.raw(
            format!("POST {target} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").as_bytes(),
        );
        assert!(answer.split(' ').nth(1).unwrap_or_default().starts_with(expected), "{target}: {answer}");
    }
}

#[test]
fn a_request_inside_a_request_is_not_seen() {
    let host = Host::start_with("api_permissions: {open: {who: all, what: check_account}}");
    let inner = "POST /api/stop HTTP/1.1\r\nhost: x\r\n\r\n";
    for head in [
        // Two lengths; a length and chunks; chunks in another coding; a space in the name; a length that is none.
        format!("content-length: 0\r\ncontent-length: {}\r\n", inner.len()),
        "content-length: 5\r\ntransfer-encoding: chunked\r\n".to_owned(),
        "transfer-encoding: chunked, identity\r\n".to_owned(),
        "content-length : 0\r\n".to_owned(),
        "content-length: +0\r\n".to_owned(),
        "content-length: 0,0\r\n".to_owned(),
    ] {
        let answer =
            host.raw(format!("POST /api/check_account HTTP/1.1\r\nhost: x\r\n{head}\r\n0\r\n\r\n{inner}").as_bytes());
        let answers = answer.matches("HTTP/1.1 ").count();
        assert!(answers <= 2 && !answer.contains("HTTP/1.1 200"), "{head}: {answer}");
    }
    assert_eq!(host.call("", "check_account", &json!({"user": "a", "host": "localhost"})).status, 200);
}

#[test]
fn who_calls_too_often_waits_and_is_told() {
    let host = Host::start_with(&format!(
        "{RULES}\nrate_limits:\n  slow: {{what: hello, per: caller, per_minute: 2, burst: 3}}\n  \
         everything: {{per: address, per_minute: 6000}}\n"
    ));
    host.add_account("admin");
    host.add_account("ann");
    host.install("hello", &[]);
    let hello = |user: &str| host.call(user, "hello", &json!({"name": "Ada"}));
    let first = hello("ann");
    assert_eq!(first.header("ratelimit-policy"), "\"slow\";q=3;w=90, \"everything\";q=6000;w=60");
    assert!(
        first.header("ratelimit").starts_with("\"slow\";r=2;t=30, \"everything\";r=59"),
        "{}",
        first.header("ratelimit")
    );
    // Failures use it up as well, and are told.
    let failed = host.call("ann", "hello", &json!({}));
    assert_eq!(
        (failed.verdict(), failed.header("ratelimit").starts_with("\"slow\";r=1")),
        ("400 invalid-arguments".to_owned(), true)
    );
    assert_eq!(hello("ann").status, 200);
    let refused = hello("ann");
    assert_eq!(refused.verdict(), "429 rate-limited");
    assert!((1..=30).contains(&refused.header("retry-after").parse::<u64>().unwrap()));
    assert!(refused.header("ratelimit").starts_with("\"slow\";r=0;t="), "{}", refused.header("ratelimit"));
    // Others and other commands do not mind, the console never does, and a reload of the same limits forgets nothing.
    assert_eq!(hello("admin").status, 200);
    assert_eq!(host.call("ann", "status", &json!({})).header("ratelimit-policy"), "\"everything\";q=6000;w=60");
    assert!((0..5).all(|_| host.cli(&["call", "hello", "name=Ada"]).code == 0));
    assert_eq!(host.cli(&["call", "reload_config"]).code, 0);
    assert_eq!(hello("ann").verdict(), "429 rate-limited");
    // Who may not call learns nothing of limits.
    assert_eq!(host.call("", "hello", &json!({})).header("ratelimit-policy"), "");
}

#[test]
fn statistics_have_ejabberds_names() {
    let host = Host::start();
    for (name, least) in [("registeredusers", 2), ("uptimeseconds", 0), ("calls", 1), ("callsrefused", 0)] {
        assert!(stat(&host, name) >= least, "{name}");
    }
    let ran = host.cli(&["call", "stats_host", "name=registeredusers", "host=localhost"]);
    assert_eq!(ran.stdout.trim(), "2");
    assert_eq!(host.call("admin", "stats", &json!({"name": "nothing"})).verdict(), "400 invalid-arguments");
    assert_eq!(
        host.call("admin", "stats_host", &json!({"name": "registeredusers", "host": "x"})).verdict(),
        "400 invalid-arguments"
    );
}

#[test]
fn guessing_the_secret_of_a_client_is_slowed_down_as_well() {
    let host = start();
    let client = json!({"client_id": "billing", "client_name": "Billing", "secret": "correct horse"});
    assert_eq!(host.call("admin", "oauth_add_client_password", &client).status, 200);
    let ask = |from: &str, secret: &str| {
        let request = host.request("POST", "/oauth/token").header("x-forwarded-for", from).basic("billing", secret);
        request.form(&[("grant_type", "client_credentials"), ("scope", "status")]).send()
    };
    let statuses: Vec<u16> = (0..8).map(|number| ask("192.0.2.1", &format!("long guess {number}")).status).collect();
    assert_eq!(statuses, [401, 401, 401, 401, 401, 429, 429, 429]);
    let refused = ask("192.0.2.1", "correct horse");
    assert_eq!((refused.status, refused.header("retry-after")), (429, "1"));
    assert_eq!(ask("192.0.2.2", "correct horse").status, 200);
}
