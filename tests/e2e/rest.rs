//! ReST at its edges: methods, addresses, forms of bodies, sizes; and every error body as a reviewed snapshot.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use base64::Engine;
use serde_json::{Value, json};
use tests::{Answer, Host, PASSWORD};

/// Method, path, headers, body → status and code, as `admin`.
type Row<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a [u8], &'a str);

const HELLO: &[u8] = br#"{"name":"Ada"}"#;

fn send(host: &Host, (method, path, headers, body, _): Row<'_>) -> Answer {
    let request = host.request(method, path).as_user("admin").body(body);
    headers.iter().fold(request, |request, (name, value)| request.header(name, value)).send()
}

#[test]
fn every_form_of_request_has_its_answer() {
    let host = Host::start();
    host.install("hello", &[]);
    let deep = format!("{{\"name\":{}1{}}}", "[".repeat(40), "]".repeat(40)).into_bytes();
    let large = vec![b' '; (1 << 20) + 1];
    let form = ("content-type", "application/x-www-form-urlencoded");
    let rows: &[Row<'_>] = &[
        ("POST", "/api/hello", &[], HELLO, "200"),
        ("POST", "/api/hello", &[form], HELLO, "200"),
        ("POST", "/api/hello", &[("content-type", "application/json; charset=utf-8")], HELLO, "200"),
        ("POST", "/api/hello?", &[], HELLO, "200"),
        ("POST", "/api/hello/v0", &[], HELLO, "200"),
        ("POST", "/api/hello/v7", &[], HELLO, "200"),
        ("POST", "/api/status", &[], b"", "200"),
        ("GET", "/api/hello?name=Ada", &[], b"", "200"),
        ("GET", "/api/hello?name=A+B%21", &[], b"", "200"),
        ("HEAD", "/api/hello?name=Ada", &[], b"", "200"),
        ("GET", "/api", &[], b"", "200"),
        ("OPTIONS", "/api", &[], b"", "204"),
        ("OPTIONS", "/api/hello", &[], b"", "204"),
        ("OPTIONS", "/api/hello/v1", &[], b"", "204"),
        ("OPTIONS", "/api/nothing", &[], b"", "204"),
        ("GET", "/api/stop", &[], b"", "405 not-read-only"),
        ("HEAD", "/api/stop", &[], b"", "405"),
        ("PUT", "/api/hello", &[], HELLO, "405 method-not-allowed"),
        ("DELETE", "/api/hello", &[], b"", "405 method-not-allowed"),
        ("PATCH", "/api/hello", &[], HELLO, "405 method-not-allowed"),
        ("POST", "/api", &[], b"", "405 method-not-allowed"),
        ("GET", "/api?tag=x", &[], b"", "400 malformed"),
        ("GET", "/", &[], b"", "404 no-such-address"),
        ("GET", "/api/", &[], b"", "404 no-such-address"),
        ("POST", "/api/hello/1", &[], HELLO, "404 no-such-address"),
        ("POST", "/api/hello/v", &[], HELLO, "404 no-such-address"),
        ("POST", "/api/hello/v-1", &[], HELLO, "404 no-such-address"),
        ("POST", "/api/hello/v1/v2", &[], HELLO, "404 no-such-address"),
        ("POST", "/api/hello/v99999999999", &[], HELLO, "404 no-such-address"),
        ("POST", "/api/Hello", &[], HELLO, "404 unknown-command"),
        ("POST", "/api/hel%6Co", &[], HELLO, "200"),
        ("POST", "/%61pi/hello/v%30", &[], HELLO, "200"),
        ("POST", "/api/hel%256Co", &[], HELLO, "404 unknown-command"),
        ("POST", "/api/hello%00", &[], HELLO, "404 unknown-command"),
        ("POST", "/api%2Fhello", &[], HELLO, "404 no-such-address"),
        ("POST", "/api/hello", &[("content-type", "Application/JSON")], HELLO, "200"),
        ("POST", "/api/hello", &[("content-type", "APPLICATION/vnd.x+JSON")], HELLO, "200"),
        ("POST", "/api/hello", &[("content-encoding", "gzip")], HELLO, "415 unsupported-encoding"),
        ("POST", "/api/hello", &[("content-encoding", "identity")], HELLO, "200"),
        ("POST", "/api/hello", &[], b"\xef\xbb\xbf{\"name\":\"Ada\"}", "400 malformed"),
        ("POST", "/api/hello", &[("accept", "application/json;q=0")], HELLO, "406 not-acceptable"),
        ("POST", "/api/hello", &[("accept", "application/json;q=0, */*")], HELLO, "406 not-acceptable"),
        ("POST", "/api/hello", &[("accept", "*/*;q=0")], HELLO, "406 not-acceptable"),
        ("POST", "/api/hello", &[("accept", "text/html, */*;q=0.1")], HELLO, "200"),
        ("POST", "/api/hello;v=2", &[], HELLO, "404 unknown-command"),
        ("POST", "/api/%2e%2e", &[], HELLO, "404 unknown-command"),
        ("POST", "/api/hello?name=Ada", &[], HELLO, "400 malformed"),
        ("GET", "/api/hello?name", &[], b"", "400 malformed"),
        ("GET", "/api/hello?name=%ff", &[], b"", "400 malformed"),
        ("GET", "/api/hello?name=a&name=b", &[], b"", "400 invalid-arguments"),
        ("POST", "/api/hello", &[], b"{", "400 malformed"),
        ("POST", "/api/hello", &[], b"[]", "400 malformed"),
        ("POST", "/api/hello", &[], b"\"x\"", "400 malformed"),
        ("POST", "/api/hello", &[], b"{} {}", "400 malformed"),
        ("POST", "/api/hello", &[], b"{\"name\":\"\xff\"}", "400 malformed"),
        ("POST", "/api/hello", &[], b"{\"name\":\"a\",\"name\":\"b\"}", "400 malformed"),
        ("POST", "/api/hello", &[], &deep, "400 malformed"),
        ("POST", "/api/hello", &[], b"{}", "400 invalid-arguments"),
        ("POST", "/api/hello", &[("content-type", "text/plain")], HELLO, "415 unsupported-media-type"),
        (
            "POST",
            "/api/hello",
            &[("content-type", "multipart/form-data; boundary=x")],
            HELLO,
            "415 unsupported-media-type",
        ),
        ("POST", "/api/hello", &[("accept", "application/xml")], HELLO, "406 not-acceptable"),
        ("POST", "/api/hello", &[("accept", "text/html, */*;q=0.8")], HELLO, "200"),
        ("POST", "/api/hello", &[], &large, "413 too-large"),
    ];
    for row in rows {
        let answer = send(&host, *row);
        assert_eq!(answer.verdict(), row.4, "{} {} {:?}", row.0, row.1, row.2);
        assert!(!answer.header("x-request-id").is_empty(), "{} {}", row.0, row.1);
        if answer.status == 405 {
            assert!(answer.header("allow").contains("POST") || row.1 == "/api", "{} {}", row.0, row.1);
        }
    }
}

#[test]
fn a_request_has_an_id_of_its_own_and_proxies_may_give_it() {
    let named = |host: &Host, id: &str| {
        host.request("GET", "/api").header("x-request-id", id).send().header("x-request-id").to_owned()
    };
    let host = Host::start();
    assert_ne!(named(&host, "order-17"), "order-17");
    // Who sends one twice has two requests; what they sent is kept beside the ids.
    let send = || host.request("POST", "/api/status").as_user("admin").header("x-request-id", "order-17").send();
    let ids = [send(), send()].map(|answer| answer.header("x-request-id").to_owned());
    assert_ne!(ids[0], ids[1]);
    for id in &ids {
        let found = host.call("admin", "audit_search", &json!({"request_id": id})).value();
        assert_eq!(found["records"][0]["sent_request_id"], "order-17", "{found}");
    }
    let found = host.call("admin", "audit_search", &json!({"request_id": "order-17"})).value();
    assert_eq!(found["records"], json!([]));
    // A proxy's word is taken, once and in the form of an id.
    let listen = "listen: [{address: '127.0.0.1:0', trusted_proxies: [127.0.0.0/8]}]\n";
    let host = Host::start_listening(tempfile::tempdir().unwrap(), &format!("{listen}{}", tests::RULES));
    assert_eq!(named(&host, "order-17"), "order-17");
    let long = "x".repeat(65);
    for unusable in ["a b", "\u{e9}", long.as_str()] {
        assert_ne!(named(&host, unusable), unusable);
    }
    let twice = host.request("GET", "/api").header("x-request-id", "a").header("x-request-id", "b").send();
    assert!(twice.header("x-request-id").len() == 32, "{}", twice.header("x-request-id"));
}

#[test]
fn the_listing_has_what_the_caller_may_call() {
    let host = Host::start();
    host.install("hello", &[]);
    let names = |user: &str| -> Vec<String> {
        let request = host.request("GET", "/api");
        let answer = if user.is_empty() { request.send() } else { request.as_user(user).send() };
        let value = answer.value();
        value["commands"].as_array().unwrap().iter().map(|entry| entry["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(""), ["check_account"]);
    assert_eq!(names("ann"), ["check_account", "hello", "status"]);
    assert!(names("admin").len() > 15);
    let entry = host.request("GET", "/api").as_user("ann").send().value()["commands"][1].clone();
    insta::assert_json_snapshot!("listing_entry", entry);
}

/// What differs from run to run, made the same.
fn steady(answer: &Answer) -> Value {
    let mut value = answer.value();
    if value.get("instance").is_some() {
        value["instance"] = json!("REQUEST");
    }
    value
}

#[test]
fn every_error_body_is_reviewed() {
    let host = Host::start_with(&format!("{}\nlimits: {{call_deadline_ms: 700}}", tests::RULES));
    host.add_account("admin");
    host.add_account("ann");
    host.install("hello", &[]);
    for guest in ["panic", "trap", "lie", "allocate", "sleep"] {
        host.install(guest, &[]);
    }
    let large = vec![b' '; (1 << 20) + 1];
    let rows: &[Row<'_>] = &[
        ("POST", "/api/hello", &[], b"{", "malformed"),
        ("POST", "/api/hello", &[], b"{\"name\":5,\"nme\":\"x\"}", "invalid-arguments"),
        ("POST", "/api/helo", &[], b"{}", "unknown-command"),
        ("GET", "/api/stop", &[], b"", "not-read-only"),
        ("POST", "/api/hello", &[], &large, "too-large"),
        ("POST", "/api/module_uninstall", &[], b"{\"module\":\"nothing\"}", "not-found"),
        ("POST", "/api/register", &[], b"{\"user\":\"ann\",\"host\":\"localhost\",\"password\":\"x\"}", "conflict"),
        ("POST", "/api/permissions_check", &[], b"{\"config\":\"acl: 5\"}", "command-failed"),
        ("POST", "/api/panic", &[], b"", "plugin-panicked"),
        ("POST", "/api/trap", &[], b"", "plugin-trapped"),
        ("POST", "/api/lie", &[], b"", "plugin-invalid-output"),
        ("POST", "/api/allocate", &[], b"", "limit-exceeded"),
        ("POST", "/api/sleep", &[], b"", "deadline"),
        ("PUT", "/api/hello", &[], b"", "method-not-allowed"),
        ("GET", "/nowhere", &[], b"", "no-such-address"),
        ("POST", "/api/hello", &[("content-type", "text/plain")], b"x", "unsupported-media-type"),
        ("POST", "/api/hello", &[("accept", "text/plain")], HELLO, "not-acceptable"),
    ];
    let mut bodies = serde_json::Map::new();
    for row in rows {
        let answer = send(&host, *row);
        assert_eq!(answer.code(), row.4, "{} {}", row.0, row.1);
        assert_eq!(answer.header("content-type"), "application/problem+json");
        bodies.insert(row.4.to_owned(), steady(&answer));
    }
    let wrong = host.request("POST", "/api/hello").basic("ann@localhost", "wrong").send();
    bodies.insert("unauthenticated".to_owned(), steady(&host.call("", "hello", &json!({}))));
    bodies.insert("unauthenticated, presented".to_owned(), steady(&wrong));
    bodies.insert("forbidden".to_owned(), steady(&host.call("ann", "stop", &json!({}))));
    insta::assert_json_snapshot!("error_bodies", bodies);
}

#[test]
fn bytes_come_as_bytes_to_who_accepts_them() {
    let host = Host::start();
    host.install("bytes", &[]);
    let get = |accept: &str| host.request("GET", "/api/bytes").as_user("admin").header("accept", accept).send();
    let picture = get("image/gif");
    assert_eq!((picture.header("content-type"), &picture.bytes[..6]), ("image/gif", b"GIF89a".as_slice()));
    let json = get("application/json");
    assert_eq!(
        (json.header("content-type"), json.value()),
        ("application/json", json!("R0lGODlhAQABAAAAACwAAAAAAQABAAA7"))
    );
    assert_eq!(get("image/png").verdict(), "406 not-acceptable");
}

#[test]
fn a_refused_caller_is_answered_before_the_body_is_read() {
    let host = Host::start();
    let head = "POST /api/stop HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000000\r\n\r\n";
    assert!(host.raw(head.as_bytes()).starts_with("HTTP/1.1 401 "));
    let head = "POST /api/check_account HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000000\r\n\r\n";
    assert!(host.raw(head.as_bytes()).starts_with("HTTP/1.1 413 "));
}

/// Whoever is answered without their body having been read can go on with the connection, or is told that they cannot.
#[test]
fn a_connection_outlives_an_unread_body() {
    let host = Host::start_with(&format!("{}\nxmlrpc: {{path: /RPC2}}", tests::RULES));
    let (short, long) = (format!("content-length: {}", 64 << 10), format!("content-length: {}", (8 << 20) + 1));
    let (body, chunk) = (vec![b'x'; 64 << 10], b"3\r\nabc\r\n0\r\n\r\n".to_vec());
    let (chunked, asks_first) = ("transfer-encoding: chunked", "expect: 100-continue\r\ncontent-length: 5");
    for (target, field, body, status, goes_on) in [
        ("PUT /RPC2", short.as_str(), &body, 405, true),
        ("PUT /RPC2", chunked, &chunk, 405, true),
        ("OPTIONS /RPC2", &short, &body, 204, true),
        ("GET /api", &short, &body, 200, true),
        ("PUT /api", &short, &body, 405, true),
        ("DELETE /api/status", &short, &body, 405, true),
        ("POST /api/no_such_command", &short, &body, 401, true),
        ("POST /nowhere", &short, &body, 404, true),
        ("POST /openapi.json", &short, &body, 405, true),
        ("POST /nowhere", asks_first, &Vec::new(), 404, false),
        ("POST /nowhere", &long, &Vec::new(), 404, false),
    ] {
        let mut stream = TcpStream::connect(host.address()).unwrap();
        write!(stream, "{target} HTTP/1.1\r\nhost: h\r\n{field}\r\n\r\n").unwrap();
        // Later than its head, as many clients send it.
        std::thread::sleep(Duration::from_millis(30));
        let _ = stream.write_all(body);
        let mut reader = BufReader::new(stream);
        let (got, is_last) = head(&mut reader);
        assert_eq!((got, !is_last), (status, goes_on), "{target} {field}");
        if goes_on {
            write!(reader.get_mut(), "GET /api HTTP/1.1\r\nhost: h\r\n\r\n").unwrap();
            assert_eq!(head(&mut reader), (200, false), "{target} {field}");
        }
    }
}

/// The status of an answer, and whether it is the last; leaves its body behind.
fn head(reader: &mut impl BufRead) -> (u16, bool) {
    let mut lines = std::iter::from_fn(|| {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|bytes| *bytes > 2).map(|_| line.to_ascii_lowercase())
    });
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let fields: Vec<String> = lines.collect();
    let value = |name: &str| fields.iter().find_map(|field| field.strip_prefix(name)).map(str::trim);
    let bytes = value("content-length:").map_or(0, |bytes| bytes.parse().unwrap());
    let is_last = value("connection:") == Some("close");
    std::io::copy(&mut reader.take(bytes), &mut std::io::sink()).unwrap();
    (status, is_last)
}

#[test]
fn a_body_that_does_not_come_ends_with_the_deadline() {
    let host = Host::start_with(&format!("{}\nlimits: {{call_deadline_ms: 300}}", tests::RULES));
    let answer = host.raw(b"POST /api/check_account HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n{");
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("slow-request"), "{answer}");
}

#[test]
fn bytes_that_are_no_http_do_no_harm() {
    let host = Host::start();
    let long = [b"GET /".as_slice(), &vec![b'a'; 200_000]].concat();
    for bytes in
        [b"\0\0\0\0\r\n\r\n".as_slice(), b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", &long, b"\x16\x03\x01\x02\x00"]
    {
        let answer = host.raw(bytes);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    assert_eq!(host.call("admin", "status", &json!({})).status, 200);
}

/// A library for ejabberd's ReST interface. What it cannot do here is in `host/docs/operators/coming-from-ejabberd.md`.
#[test]
fn a_library_for_the_api_of_ejabberd_works() {
    let host = Host::start();
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("secrets")).unwrap();
    let secrets = format!(
        "api_base_url: http://{}\nlocal_vhost: localhost\nadmin_account: admin@localhost\nadmin_pass: {}\n",
        host.address(),
        tests::PASSWORD
    );
    std::fs::write(folder.path().join("secrets/ejabberd_secrets.txt"), secrets).unwrap();
    let mut python = std::process::Command::new(tests::tool("xmpp/bin/python"));
    python.arg(tests::root().join("tests/interfaces/rest_ejabberd.py")).current_dir(folder.path());
    let ran = tests::run(&mut python, "");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let expected = json!([
        ["check_account", false],
        ["register", [true, "User bob@localhost successfully registered"]],
        ["register", [false, "el compte bob@localhost ja existeix!"]],
        ["check_account", true],
        ["status", "Muster"],
        ["unregister", [true, false]],
        ["check_account", false],
        ["stats", "TypeError"],
    ]);
    assert_eq!(serde_json::from_str::<Value>(&ran.stdout).unwrap(), expected);
}

#[test]
fn a_stream_says_how_far_a_call_is_and_what_came_of_it() {
    let host = Host::start_with(&format!("{}\nlimits: {{call_deadline_ms: 2000}}", tests::RULES));
    host.add_account("admin");
    for guest in ["steps", "hello", "trap", "sleep"] {
        host.install(guest, &[]);
    }
    let call = |accept: &str, command: &str, arguments: Value| {
        let request = host.request("POST", &format!("/api/{command}")).as_user("admin").json(&arguments);
        request.header("accept", accept).send()
    };
    let events = "text/event-stream";
    let told = call(events, "steps", json!({"to": 2, "ms": 50}));
    assert_eq!((told.status, told.header("content-type"), told.header("x-command-version")), (200, events, "0"));
    let expected = "event: progress\ndata: {\"done\":1,\"total\":2,\"message\":\"step 1\"}\n\n\
                    event: progress\ndata: {\"done\":2,\"total\":2,\"message\":\"step 2\"}\n\n\
                    event: result\ndata: 2\n\n";
    assert_eq!(told.text(), expected);
    // What stands between passes it on as it comes, and a call that says nothing shows that it has begun.
    assert_eq!((told.header("x-accel-buffering"), told.header("cache-control")), ("no", "no-store, no-transform"));
    let silent = format!(
        "POST /api/sleep HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\nconnection: close\r\n\
         authorization: Basic {}\r\ncontent-length: 2\r\n\r\n{{}}",
        base64::engine::general_purpose::STANDARD.encode(format!("admin@localhost:{PASSWORD}"))
    );
    let silent = host.raw(silent.as_bytes());
    let (begun, done) = (silent.find(": begun"), silent.find("event: problem"));
    assert!(begun.is_some() && begun < done, "{silent}");
    assert_eq!(call(events, "hello", json!({"name": "Ada"})).text(), "event: result\ndata: \"Hello, Ada!\"\n\n");
    // What fails at once has its status; what fails later can only say so.
    for (command, arguments, verdict) in [
        ("steps", json!({"to": -1, "ms": 1}), "400 invalid-arguments"),
        ("trap", json!({}), "502 plugin-trapped"),
        ("nothing", json!({}), "404 unknown-command"),
    ] {
        let refused = call(events, command, arguments);
        assert_eq!((refused.verdict().as_str(), refused.header("content-type")), (verdict, "application/problem+json"));
    }
    let late = call(events, "steps", json!({"to": 100, "ms": 100}));
    let (id, late) = (late.header("x-request-id").to_owned(), late.text());
    let (reports, problem) = late.split_once("event: problem\ndata: ").unwrap();
    assert!(reports.matches("event: progress").count() > 5, "{late}");
    let problem: Value = serde_json::from_str(problem.trim()).unwrap();
    assert_eq!(
        (&problem["code"], &problem["status"], &problem["instance"]),
        (&json!("deadline"), &json!(504), &json!(id))
    );
    // Generated clients name every form they can read; they did not ask for a stream.
    assert_eq!(call("application/json, text/event-stream", "hello", json!({"name": "Ada"})).value(), "Hello, Ada!");
    let read_only = host.request("GET", "/api/steps?to=1&ms=1").as_user("admin").header("accept", events).send();
    assert!(read_only.text().ends_with("event: result\ndata: 1\n\n"), "{}", read_only.text());
}

#[test]
fn leaving_a_stream_ends_the_call() {
    let host = Host::start();
    host.install("steps", &[]);
    let credential =
        base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("admin@localhost:{PASSWORD}"));
    let body = r#"{"to": 1000, "ms": 20}"#;
    let head = format!(
        "POST /api/steps HTTP/1.1\r\nhost: x\r\naccept: text/event-stream\r\nauthorization: Basic {credential}\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = std::net::TcpStream::connect(host.address()).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    let mut lines = BufReader::new(stream).lines();
    assert!(lines.any(|line| line.unwrap().contains("step 3")));
    drop(lines);
    let begun = Instant::now();
    loop {
        let record = host.call("admin", "audit_search", &json!({"command": "steps"})).value();
        if record["records"][0]["outcome"] == "abandoned" {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "{record}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn methods_are_told_exactly_to_those_who_may_call() {
    let host = Host::start();
    host.install("hello", &[]);
    let (all, changing) = ("GET, HEAD, POST, OPTIONS", "POST, OPTIONS");
    for (user, path, expected) in [
        ("admin", "/api/stop", changing),
        ("admin", "/api/stop/v3", changing),
        ("admin", "/api/hello", all),
        ("admin", "/api/nothing", all),
        // Whoever may not call it does not learn whether it is there.
        ("ann", "/api/stop", all),
        ("ann", "/api/nothing", all),
        ("", "/api/stop", all),
        ("", "/api/nothing", all),
    ] {
        let request = host.request("OPTIONS", path);
        let answer = if user.is_empty() { request.send() } else { request.as_user(user).send() };
        assert_eq!((answer.status, answer.header("allow")), (204, expected), "{user} {path}");
    }
    let wrong = host.request("OPTIONS", "/api/stop").basic("admin@localhost", "wrong").send();
    assert_eq!((wrong.status, wrong.header("allow")), (204, all));
}

/// A long list comes in parts to those who ask for that, each with the address of the next; to others it comes whole.
#[test]
fn long_lists_come_in_parts_that_lead_to_one_another() {
    let host = Host::start();
    for user in ["bob", "eve", "zoe"] {
        host.add_account(user);
    }
    let follow = |first: &str, items: fn(&Value) -> usize| {
        let (mut address, mut counts) = (first.to_owned(), Vec::new());
        loop {
            let answer = host.request("GET", &address).as_user("admin").send();
            assert_eq!(answer.status, 200, "{address}: {}", answer.text());
            counts.push(items(&answer.value()));
            assert!(counts.len() < 100, "{first} has no end");
            let links = answer.headers("link");
            let Some(link) = links.first() else { return counts };
            let next = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\""));
            address = next.unwrap_or_else(|| panic!("{link}")).to_owned();
        }
    };
    let of_list = |value: &Value| value.as_array().unwrap().len();
    assert_eq!(follow("/api/registered_users?host=localhost&limit=2", of_list), [2, 2, 1]);
    assert_eq!(follow("/api/registered_users?host=localhost&limit=5", of_list), [5]);
    assert_eq!(follow("/api/registered_users?host=localhost", of_list), [5]);
    assert_eq!(follow("/api/registered_users?host=localhost&after=bob", of_list), [2]);
    let whole = host.call("admin", "registered_users", &json!({"host": "localhost"}));
    assert_eq!(whole.value(), json!(["admin", "ann", "bob", "eve", "zoe"]));
    // By POST as well: the link answers GET.
    let part = host.call("admin", "registered_users", &json!({"host": "localhost", "limit": 2}));
    assert_eq!(part.value(), json!(["admin", "ann"]));
    assert_eq!(part.header("link"), "</api/registered_users?host=localhost&after=ann&limit=2>; rel=\"next\"");
    for number in 0..3 {
        let ran = host.cli(&["key", "create", "ann@localhost", &format!("key {number}"), "--scope", "status"]);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert_eq!(host.cli(&["token", "issue", "ann@localhost", "status"]).code, 0);
        assert_eq!(host.cli(&["client", "add", &format!("client{number}")]).code, 0);
    }
    host.install("hello", &[]);
    host.install("roster", &["keyvalue"]);
    let of_map = |value: &Value| value.as_object().unwrap().len();
    assert_eq!(follow("/api/key_list?user=ann&host=localhost&limit=2", of_list), [2, 1]);
    assert_eq!(follow("/api/oauth_list_tokens?limit=2", of_list), [2, 1]);
    assert_eq!(follow("/api/oauth_list_clients?limit=1", of_list), [1, 1, 1]);
    assert_eq!(follow("/api/modules_installed?limit=1", of_map), [1, 1]);
    assert_eq!(follow("/api/modules_details?limit=1", of_list), [1, 1]);
    let records =
        follow("/api/audit_search?command=key_create&limit=2", |value| value["records"].as_array().unwrap().len());
    assert_eq!(records.iter().sum::<usize>(), 3, "{records:?}");
    for wrong in ["limit=0", "limit=1001", "limit=x"] {
        let answer =
            host.request("GET", &format!("/api/registered_users?host=localhost&{wrong}")).as_user("admin").send();
        assert_eq!(answer.verdict(), "400 invalid-arguments", "{wrong}");
    }
}
