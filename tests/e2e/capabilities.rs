//! What plugins are granted works, what they are not is refused at load or told apart while they run, and who wants too
//! much is contained while a neighbour is served.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::{Host, component};

fn host(limits: &str) -> Host {
    let host = Host::start_with(&format!("{}\nlimits: {{call_deadline_ms: 5000, {limits}}}", tests::RULES));
    host.add_account("admin");
    host.add_account("ann");
    host.install("hello", &[]);
    host
}

fn neighbour_is_served(host: &Host) {
    assert_eq!(host.call("ann", "hello", &json!({"name": "Ada"})).value(), "Hello, Ada!");
}

const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN_ID: &str = "00f067aa0ba902b7";

/// A server of the operator's own network: gives its port.
fn server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || answer(stream.unwrap()));
        }
    });
    port
}

fn answer(mut stream: TcpStream) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).unwrap_or(0) == 0 {
            return;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let write = |stream: &mut TcpStream, text: &str| stream.write_all(text.as_bytes()).is_ok();
    match head.split(' ').nth(1).unwrap() {
        "/redirect" => {
            write(
                &mut stream,
                "HTTP/1.1 302 Found\r\nconnection: close\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n",
            );
        }
        "/endless" => {
            write(&mut stream, "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n");
            while write(&mut stream, &"x".repeat(65_536)) {}
        }
        "/slow" => {
            write(&mut stream, "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 1000\r\n\r\n");
            while write(&mut stream, "x") {
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        // As long as the head says, counted in what the guest can see: the length of the answer.
        "/trace" => {
            let head = head.to_lowercase();
            let of = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
            let parent = of("traceparent: ").unwrap_or_default();
            let begun = parent.len() == 55 && parent.starts_with("00-") && parent.ends_with("-00");
            let length = match (parent.starts_with(&format!("00-{TRACE_ID}-")), of("tracestate: ").as_deref()) {
                (true, Some("rojo=00f067aa0ba902b7")) if !parent.contains(SPAN_ID) && parent.ends_with("-01") => 2,
                (false, None) if begun => 1,
                _ => 0,
            };
            write(&mut stream, &format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"));
            write(&mut stream, &"t".repeat(length));
        }
        path if path.starts_with("/bytes/") => {
            let length: usize = path.trim_start_matches("/bytes/").parse().unwrap();
            write(&mut stream, &format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"));
            write(&mut stream, &"b".repeat(length));
        }
        "/silent" => std::thread::sleep(Duration::from_secs(20)),
        "/head" => {
            let body = head.to_lowercase();
            let id = body.lines().find_map(|line| line.strip_prefix("x-request-id: ")).unwrap_or_default();
            // The call's own, not what its caller sent.
            let is_own = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
            let length = if is_own && body.contains("host: localhost:") { 7 } else { 1 };
            write(
                &mut stream,
                &format!(
                    "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{}",
                    "y".repeat(length)
                ),
            );
        }
        _ => {
            write(&mut stream, "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello");
        }
    }
}

fn fetch(host: &Host, authority: &str, path: &str, more: Value) -> Value {
    let mut input = json!({"method": "GET", "scheme": "http", "authority": authority, "path": path});
    if let (Some(input), Value::Object(more)) = (input.as_object_mut(), more) {
        input.extend(more);
    }
    let answer = host.request("POST", "/api/fetch").as_user("admin").header("x-request-id", "r-7").json(&input).send();
    if answer.status == 200 { answer.value() } else { json!(answer.verdict()) }
}

#[test]
fn requests_go_where_they_are_granted_and_nowhere_else() {
    let port = server();
    let host = host(
        "http_requests_max: 3, http_response_bytes_max: 1000000, http_request_bytes_max: 1000, http_first_byte_ms_max: 300, http_connect_ms_max: 300",
    );
    let local = format!("http-private:GET,POST http://localhost:{port}");
    host.install("fetch", &[&local, "http:http://localhost:1", "http-private:http://127.0.0.1:9"]);
    let authority = format!("localhost:{port}");
    let rows: Vec<(String, &str, Value, &str)> = vec![
        (authority.clone(), "/", json!({}), "200 5"),
        (authority.clone(), "/head", json!({}), "200 7"),
        (authority.clone(), "/redirect", json!({}), "302 0"),
        (authority.clone(), "/", json!({"times": 3}), "200 5"),
        (authority.clone(), "/", json!({"times": 4}), "HttpRequestDenied"),
        (authority.clone(), "/", json!({"method": "PUT"}), "HttpRequestDenied"),
        (authority.clone(), "/", json!({"method": "CONNECT"}), "HttpRequestDenied"),
        (authority.clone(), "/", json!({"scheme": "https"}), "HttpRequestDenied"),
        (authority.clone(), "/", json!({"header": ["host", "evil.example"]}), "Forbidden"),
        (authority.clone(), "/", json!({"header": ["connection", "x"]}), "Forbidden"),
        (authority.clone(), "/", json!({"method": "POST", "body_bytes": 1000}), "200 5"),
        (authority.clone(), "/", json!({"method": "POST", "body_bytes": 1001}), "HttpRequestBodySize"),
        (authority.clone(), "/endless", json!({}), "200 some(errorcode::httpresponsebodysize(some(1000000)))"),
        (authority.clone(), "/silent", json!({}), "HttpResponseTimeout"),
        (authority.clone(), "/slow", json!({}), "504 deadline"),
        ("localhost:1".to_owned(), "/", json!({}), "DestinationIpProhibited"),
        ("127.0.0.1:9".to_owned(), "/", json!({}), "ConnectionRefused"),
        (format!("127.0.0.1:{port}"), "/", json!({}), "HttpRequestDenied"),
        (format!("127.1:{port}"), "/", json!({}), "HttpRequestDenied"),
        (format!("2130706433:{port}"), "/", json!({}), "HttpRequestDenied"),
        (format!("0x7f000001:{port}"), "/", json!({}), "HttpRequestDenied"),
        (format!("0177.0.0.1:{port}"), "/", json!({}), "HttpRequestDenied"),
        (format!("[::ffff:127.0.0.1]:{port}"), "/", json!({}), "HttpRequestDenied"),
        (format!("[::1]:{port}"), "/", json!({}), "HttpRequestDenied"),
        (format!("ann@localhost:{port}"), "/", json!({}), "HttpRequestDenied"),
        ("169.254.169.254".to_owned(), "/", json!({}), "HttpRequestDenied"),
    ];
    for (authority, path, more, expected) in rows {
        let told = fetch(&host, &authority, path, more.clone());
        let told = told.as_str().unwrap_or_default().to_lowercase().replace(['-', '_'], "");
        let wanted = expected.to_lowercase().replace(['-', '_'], "");
        assert!(told.contains(&wanted), "{authority}{path} {more}: {told}, expected {expected}");
    }
    neighbour_is_served(&host);
    let log = host.log();
    assert!(log.contains("an HTTP request of a plugin failed") && !log.contains("request_id=\"r-7\""), "{log}");
    let lines = host.call("admin", "module_grants", &json!({"module": "fetch"})).value();
    let line = |name: &str| lines.as_array().unwrap().iter().find(|line| line["grant"] == name).unwrap().clone();
    let used = line(&format!("http-private:GET,POST http://localhost:{port}"));
    assert!(used["used"].as_u64().unwrap() > 5 && used["refused"].as_u64().unwrap() > 0, "{used}");
    let wish = line("http:GET http://169.254.169.254");
    assert_eq!((&wish["granted"], &wish["refused"]), (&json!(false), &json!(1)));
}

#[test]
fn as_many_responses_are_open_as_may_be() {
    let port = server();
    let host = host("http_concurrency_max: 2");
    host.install("fetch", &[&format!("http-private:http://localhost:{port}")]);
    for (times, expected) in [(1, "1 open"), (2, "2 open"), (3, "ErrorCode::ConnectionLimitReached")] {
        let told = fetch(&host, &format!("localhost:{port}"), "/bytes/5", json!({"times": times, "keep": true}));
        assert_eq!(told, expected, "{times} of 2");
    }
    let limits = host.call("admin", "modules_limits", &json!({})).value();
    let row = limits.as_array().unwrap().iter().find(|row| row["name"] == "http_concurrency_max").unwrap().clone();
    assert_eq!(row["hits"], 1);
}

#[test]
fn requests_are_of_the_trace_of_their_call() {
    let port = server();
    let host = host("");
    host.install("fetch", &[&format!("http-private:http://localhost:{port}")]);
    let parent = format!("00-{TRACE_ID}-{SPAN_ID}-01");
    let input = json!({"method": "GET", "scheme": "http", "authority": format!("localhost:{port}"), "path": "/trace"});
    let told = |headers: &[(&str, &str)], own: Value| {
        let mut request = host.request("POST", "/api/fetch").as_user("admin");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let mut input = input.clone();
        input["header"] = own;
        request.json(&input).send().value()
    };
    let (parent, state) = (("traceparent", parent.as_str()), ("tracestate", "rojo=00f067aa0ba902b7"));
    assert_eq!(told(&[parent, state], json!([])), "200 2", "goes on");
    assert_eq!(told(&[], json!([])), "200 1", "begins");
    assert_eq!(told(&[("traceparent", "00-nothing"), state], json!([])), "200 1", "begins anew");
    assert_eq!(told(&[parent], json!(["traceparent", "mine"])), "200 0", "is the guest's own");
}

#[test]
fn grants_that_cannot_be_used_are_refused_with_what_to_write() {
    let host = host("");
    let data = host.data().to_str().unwrap().to_owned();
    let shared = tempfile::tempdir().unwrap();
    let shared = shared.path().to_str().unwrap();
    let rows = [
        ("fetch", String::new(), "needs the grant `http:SCHEME://HOST`"),
        ("fetch", "http:http://10.0.0.1".to_owned(), "write `http-private:`"),
        ("fetch", "http:http://169.254.169.254".to_owned(), "write `http-private:`"),
        ("fetch", "http-private:http://0.0.0.0".to_owned(), "0.0.0.0 is never allowed as a destination"),
        ("fetch", "htpp://x".to_owned(), "did you mean `http`?"),
        ("files", "directory:/x=/no/such/place".to_owned(), "make the directory first"),
        ("files", format!("directory:/x={data}"), "the data directory of the host"),
        ("files", format!("directory-rw:/x={data}/code"), "the data directory of the host"),
        ("files", "directory:/x=/".to_owned(), "the data directory of the host"),
        ("files", format!("directory:x={shared}"), "is not absolute"),
        ("hoard", String::new(), "needs the grant `keyvalue`"),
        ("hoard", "keyvalu".to_owned(), "did you mean `keyvalue`?"),
    ];
    let clash = ["--grant", "http:GET http://*.example.org", "--grant", "http-private:POST http://a.example.org"];
    let fetch = component("fetch");
    let refused = host.cli(&[&["plugin", "install", fetch.to_str().unwrap()], &clash[..]].concat());
    assert!(refused.code == 1 && refused.stderr.contains("use the same kind for both"), "{refused:?}");
    for (guest, grant, expected) in rows {
        let path = component(guest);
        let mut words = vec!["plugin", "install", path.to_str().unwrap()];
        if !grant.is_empty() {
            words.extend(["--grant", &grant]);
        }
        let refused = host.cli(&words);
        assert_eq!(refused.code, 1, "{grant} {refused:?}");
        assert!(refused.stderr.contains(expected), "{grant}: {}", refused.stderr);
    }
    neighbour_is_served(&host);
}

#[test]
fn a_guest_stays_in_its_directories() {
    let host = host("");
    let outside = tempfile::tempdir().unwrap();
    let folder = |name: &str| {
        let path = outside.path().join(name);
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join("file"), name).unwrap();
        path
    };
    let (read, write, secret) = (folder("read"), folder("write"), folder("secret"));
    std::os::unix::fs::symlink(&secret, read.join("absolute")).unwrap();
    std::os::unix::fs::symlink("../secret", read.join("relative")).unwrap();
    std::os::unix::fs::symlink("file", read.join("inside")).unwrap();
    assert!(Command::new("mkfifo").arg(read.join("pipe")).status().unwrap().success());
    let grants = [format!("directory:/read={}", read.display()), format!("directory-rw:/write={}", write.display())];
    let counted = |grant: &str| {
        let lines = host.call("admin", "module_grants", &json!({"module": "files"})).value();
        let line = lines.as_array().unwrap().iter().find(|line| line["grant"] == grant).unwrap().clone();
        (line["used"].as_u64().unwrap(), line["refused"].as_u64().unwrap(), line["last"].as_str().unwrap().to_owned())
    };
    host.install("files", &[&grants[0], &grants[1]]);
    let does = |action: &str, path: &str, text: &str| {
        let answer = host.call("admin", "files", &json!({"action": action, "path": path, "text": text}));
        answer.value().as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(does("read", "/read/file", ""), "read");
    assert_eq!(does("read", "/read/inside", ""), "read");
    assert_eq!(does("write", "/write/new", "text"), "done");
    assert_eq!(std::fs::read_to_string(write.join("new")).unwrap(), "text");
    assert_eq!((counted(&grants[0]), counted(&grants[1])), ((2, 0, String::new()), (1, 0, String::new())));
    let secret_file = secret.join("file").display().to_string();
    let refused = [
        ("write", "/read/file".to_owned()),
        ("write", "/read/new".to_owned()),
        ("read", "/read/../secret/file".to_owned()),
        ("read", "/read/absolute/file".to_owned()),
        ("read", "/read/relative/file".to_owned()),
        ("read", "/etc/passwd".to_owned()),
        ("read", secret_file.clone()),
        ("read", "/write/../../../../../etc/passwd".to_owned()),
    ];
    for (action, path) in refused {
        let told = does(action, &path, "overwritten");
        assert!(told != "done" && told != "secret" && !told.contains("root:"), "{action} {path}: {told}");
    }
    assert_eq!(does("read", "/read/pipe", ""), "PermissionDenied", "nobody writes to it");
    for (name, target) in [("a", secret_file.as_str()), ("b", "../secret/file"), ("c", "/etc/passwd")] {
        let link = format!("/write/{name}");
        does("link", &link, target);
        let told = does("read", &link, "");
        assert!(told != "secret" && !told.contains("root:"), "{link} to {target}: {told}");
        does("write", &link, "overwritten");
    }
    let (used, refused, last) = counted(&grants[0]);
    assert!(used == 2 && refused >= 4, "{used} {refused} {last}");
    assert_eq!(std::fs::read_to_string(secret.join("file")).unwrap(), "secret");
    assert_eq!(std::fs::read_to_string(read.join("file")).unwrap(), "read");
    // Another plugin that may change what is above puts a link in the directory's place: nothing comes of it, neither now
    // nor when the plugin is loaded again.
    std::fs::rename(&read, outside.path().join("moved")).unwrap();
    std::os::unix::fs::symlink(&secret, &read).unwrap();
    assert_eq!(does("read", "/read/file", ""), "read");
    let files = component("files");
    let again = host.cli(&["plugin", "upgrade", files.to_str().unwrap(), "--grant", &grants[0]]);
    assert!(again.code == 1 && again.stderr.contains("if it is intended"), "{again:?}");
    neighbour_is_served(&host);
}

#[test]
fn a_plugin_keeps_no_more_than_its_quota() {
    let mut host = host("keyvalue_keys_max: 10, keyvalue_operations_max: 50");
    host.install("hoard", &["keyvalue"]);
    let hoard = |host: &Host, keys: u32| host.call("admin", "hoard", &json!({"keys": keys, "bytes": 10})).value();
    assert_eq!(hoard(&host, 9), json!(9));
    assert_eq!(hoard(&host, 10), json!(10));
    assert_eq!(hoard(&host, 11), json!(10), "what is there can be replaced, and nothing added");
    host.crash_and_restart();
    assert_eq!(hoard(&host, 11), json!(10), "the count is right after a restart");
    neighbour_is_served(&host);
    let lines = host.call("admin", "module_grants", &json!({"module": "hoard"})).value();
    let line = lines.as_array().unwrap().iter().find(|line| line["grant"] == "keyvalue").unwrap();
    assert_eq!((&line["used"], &line["refused"]), (&json!(11), &json!(1)), "{line}");
    assert!(line["last"].as_str().unwrap().contains("keyvalue_keys_max"), "{line}");
    let table = host.cli(&["plugin", "grants", "hoard"]);
    assert!(table.stdout.contains("GRANT") && table.stdout.contains("keyvalue"), "{table:?}");
}

#[test]
fn a_call_that_waits_for_another_ends_at_its_own_deadline_and_needs_no_second_place() {
    let host = host("calls_max: 1, cpu_ms_max: 60000");
    host.install("dispatcher", &["command:slow", "command:status"]);
    host.install("slow", &[]);
    let nested = host.call("admin", "dispatcher", &json!({"command": "status", "input": {}}));
    assert_eq!(nested.status, 200);
    let started = Instant::now();
    let slow = host.call("admin", "dispatcher", &json!({"command": "slow", "input": {"ms": 20_000}}));
    assert_eq!(slow.verdict(), "504 deadline");
    assert!(started.elapsed() < Duration::from_secs(9), "{:?}", started.elapsed());
    neighbour_is_served(&host);
}

/// JSON Schema's integers are integers, however they are written, for plugins and built-in commands alike.
#[test]
fn whole_numbers_are_whole_however_they_are_written() {
    let host = host("");
    host.install("append", &["keyvalue"]);
    let post = |command: &str, body: &str| {
        let request = host.request("POST", &format!("/api/{command}")).as_user("admin");
        request.header("content-type", "application/json").body(body).send()
    };
    for (number, expected) in [("3.0", 200), ("36e2", 200), ("120e-1", 200), ("3.5", 400), ("-1.0", 400), ("1e10", 400)]
    {
        let answer = post("append", &format!("{{\"number\": {number}}}"));
        assert_eq!(answer.status, expected, "{number}: {}", answer.text());
    }
    assert_eq!(host.call("admin", "appended", &json!({})).value(), json!([3, 3600, 12]));
    for (limit, expected) in [("1.0", 200), ("10e-1", 200), ("1.5", 400)] {
        let answer = post("audit_search", &format!("{{\"limit\": {limit}}}"));
        assert_eq!(answer.status, expected, "{limit}: {}", answer.text());
    }
}

/// Read, change, write back: under every isolation calls run beside one another, and each one's change is there afterwards.
#[test]
fn calls_at_the_same_time_lose_no_change_of_one_another() {
    const CALLS: u32 = 12;
    for isolation in ["call", "caller", "plugin"] {
        let host = host("");
        let path = component("append");
        let words = ["plugin", "install", path.to_str().unwrap(), "--grant", "keyvalue", "--isolation", isolation];
        assert_eq!(host.cli(&words).code, 0);
        for round in 0..3 {
            std::thread::scope(|scope| {
                for number in 0..CALLS {
                    let host = &host;
                    scope.spawn(move || {
                        let arguments = json!({"number": round * CALLS + number});
                        let done = host.call("admin", "append", &arguments);
                        assert_eq!(done.status, 200, "{}", done.text());
                    });
                }
            });
        }
        let mut numbers: Vec<u64> = host
            .call("admin", "appended", &json!({}))
            .value()
            .as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_u64)
            .collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..u64::from(3 * CALLS)).collect::<Vec<_>>(), "{isolation}");
    }
}
