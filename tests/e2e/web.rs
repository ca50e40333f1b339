//! What browsers, proxies and unkind clients do with a host on the network: pages of other sites, names that are not
//! its own, unusual heads of requests, answers that are not read, connections that say nothing.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;
use tests::{Answer, Host, RULES};

/// Rules by address alone: who reaches the host from this machine may do everything.
const BY_ADDRESS: &str = "api_permissions: {near: {who: {ip: [127.0.0.0/8, '::1']}, what: '*'}}\n";

#[test]
fn bytes_of_a_plugin_are_no_page_of_this_host() {
    let host = Host::start();
    host.install("bytes", &[]);
    let picture = host.request("GET", "/api/bytes").as_user("admin").header("accept", "image/gif").send();
    assert_eq!((picture.status, picture.header("content-type")), (200, "image/gif"));
    for (name, value) in [
        ("content-security-policy", "sandbox; default-src 'none'; frame-ancestors 'none'"),
        ("content-disposition", "attachment"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("cross-origin-resource-policy", "same-origin"),
        ("cache-control", "no-store"),
    ] {
        assert_eq!(picture.header(name), value, "{name}");
    }
    // JSON is shown as it is, and is not saved as a file.
    let json = host.request("GET", "/api/bytes").as_user("admin").send();
    assert_eq!((json.header("content-disposition"), json.header("x-content-type-options")), ("", "nosniff"));
}

fn log_level(host: &Host) -> String {
    host.cli(&["call", "get_loglevel"]).stdout.trim().to_owned()
}

#[test]
fn a_page_of_another_site_calls_nothing() {
    let host = Host::start_with(&format!("{BY_ADDRESS}xmlrpc: {{path: /RPC2}}\n"));
    let before = log_level(&host);
    let body = r#"{"loglevel": "debug"}"#;
    let send = |path: &str, headers: &[(&str, &str)]| {
        let request = host.request("POST", path).body(body);
        headers.iter().fold(request, |request, (name, value)| request.header(name, value)).send().verdict()
    };
    let paths =
        ["/api/set_loglevel", "/mcp", "/RPC2", "/oauth/token", "/oauth/introspect", "/oauth/revoke", "/openapi.json"];
    for path in paths {
        for headers in [
            &[("origin", "https://evil.example"), ("content-type", "text/plain")][..],
            &[("origin", "https://evil.example"), ("content-type", "application/x-www-form-urlencoded")],
            &[("origin", "null"), ("sec-fetch-site", "cross-site"), ("content-type", "application/json")],
            &[("sec-fetch-site", "cross-site"), ("content-type", "application/json")],
            &[("sec-fetch-site", "same-site"), ("content-type", "application/json")],
            // A page of another program on this machine is a page of another site.
            &[("origin", "http://other.example:3000"), ("content-type", "application/json")],
        ] {
            assert_eq!(send(path, headers), "403 origin-not-allowed", "{path} {headers:?}");
        }
        // The page's own name leads here (DNS rebinding).
        for headers in
            [&[("host", "evil.example")][..], &[("host", "evil.example:5280"), ("origin", "http://evil.example:5280")]]
        {
            assert_eq!(send(path, headers), "403 host-not-allowed", "{path} {headers:?}");
        }
    }
    // Of this host's own pages, JSON comes as JSON: a form of any site could be mistaken for it elsewhere.
    let own = format!("http://{}", host.address());
    for kind in ["application/x-www-form-urlencoded", "text/plain"] {
        let headers = [("origin", own.as_str()), ("content-type", kind)];
        assert_eq!(send("/api/set_loglevel", &headers), "415 unsupported-media-type", "{kind}");
    }
    assert_eq!(send("/api/set_loglevel", &[("sec-fetch-site", "same-origin")]), "415 unsupported-media-type");
    assert_eq!(log_level(&host), before);
    // What it is told says what to do.
    let refused = host.request("POST", "/api/status").header("origin", "https://evil.example").send();
    let detail = refused.value()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("https://evil.example") && detail.contains("cors"), "{detail}");
    let refused = host.request("POST", "/api/status").header("host", "evil.example").send();
    let detail = refused.value()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("evil.example") && detail.contains("allowed_hosts"), "{detail}");
    // Programs go on as before, and so do pages of this host.
    assert_eq!(send("/api/set_loglevel", &[("content-type", "application/x-www-form-urlencoded")]), "200");
    assert_eq!(log_level(&host), "debug");
    assert_eq!(send("/api/set_loglevel", &[]), "200");
    assert_eq!(send("/api/set_loglevel", &[("origin", &own), ("content-type", "Application/JSON")]), "200");
    assert_eq!(host.request("GET", "/docs").header("sec-fetch-site", "cross-site").send().status, 200);
}

#[test]
fn a_host_has_the_names_it_is_given() {
    let config =
        "hosts: [accounts.example]\nallowed_hosts: [muster.example.org]\noauth: {issuer: 'https://id.example.org'}\n";
    let host = Host::start_with(&format!("{config}{BY_ADDRESS}"));
    let status = |name: &str| host.request("POST", "/api/status").header("host", name).send().verdict();
    for name in
        ["muster.example.org", "MUSTER.example.org:80", "id.example.org", "accounts.example", "muster", "10.0.0.7:1"]
    {
        assert_eq!(status(name), "200", "{name}");
    }
    for name in ["evil.example", "example.org", "muster.example.org.evil.example"] {
        assert_eq!(status(name), "403 host-not-allowed", "{name}");
    }
}

#[test]
fn pages_of_allowed_origins_may_do_what_is_written() {
    let cors = "cors: {origins: ['https://app.example.org'], methods: [GET, POST], credentials: true}\n";
    let host = Host::start_with(&format!("{RULES}{cors}"));
    host.add_account("admin");
    let app = "https://app.example.org";
    let asked = |path: &str, origin: &str| {
        let request = host.request("OPTIONS", path).header("origin", origin);
        request.header("access-control-request-method", "POST").send()
    };
    // Before it is known who calls, and the same whether there is such a command or not.
    for path in ["/api", "/api/status", "/api/no_such_command", "/openapi.json", "/oauth/token"] {
        let answer = asked(path, app);
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (204, app), "{path}");
        assert_eq!(answer.header("access-control-allow-methods"), "GET, POST", "{path}");
        assert_eq!(answer.header("access-control-allow-credentials"), "true", "{path}");
        assert!(answer.header("access-control-allow-headers").contains("Authorization, Content-Type"), "{path}");
        assert!(answer.headers("vary").contains(&"Origin"), "{path}");
        assert_eq!(asked(path, "https://evil.example").verdict(), "403 origin-not-allowed", "{path}");
    }
    let open = |answer: &Answer| answer.header("access-control-allow-origin").to_owned();
    let call = |origin: &str| host.request("POST", "/api/status").header("origin", origin).json(&json!({}));
    let answer = call(app).as_user("admin").send();
    assert_eq!((answer.verdict().as_str(), open(&answer).as_str()), ("200", app));
    assert!(answer.header("access-control-expose-headers").contains("X-Request-Id"));
    // A page must see as well why it may not.
    let answer = call(app).send();
    assert_eq!((answer.verdict().as_str(), open(&answer).as_str()), ("401 unauthenticated", app));
    let answer = call("https://evil.example").as_user("admin").send();
    assert_eq!((answer.verdict().as_str(), open(&answer).as_str()), ("403 origin-not-allowed", ""));
    // How to log in may be read by every page.
    let metadata =
        host.request("GET", "/.well-known/oauth-authorization-server").header("origin", "https://evil.example");
    assert_eq!(open(&metadata.send()), "*");
    let answer = asked("/.well-known/oauth-authorization-server", "https://evil.example");
    assert_eq!((answer.status, open(&answer).as_str()), (204, "*"));
    // Assistants have a list of their own.
    assert_eq!(asked("/mcp", app).verdict(), "403 origin-not-allowed");
    // Without the section there is no such page.
    let closed = Host::start_with(RULES);
    let answer = closed.request("OPTIONS", "/api/status").header("origin", app).send();
    assert_eq!((answer.verdict().as_str(), open(&answer).as_str()), ("403 origin-not-allowed", ""));
}

fn first_lines(answer: &str) -> Vec<&str> {
    answer.split("HTTP/1.1 ").skip(1).map(|rest| &rest[..3]).collect()
}

#[test]
fn a_head_says_for_whom_it_is_once_and_well() {
    let host = Host::start_with(BY_ADDRESS);
    let post = |target: &str, headers: &str| {
        let head = format!("POST {target} HTTP/1.1\r\n{headers}content-length: 0\r\nconnection: close\r\n\r\n");
        host.raw(head.as_bytes())
    };
    for (target, headers, expected) in [
        ("/api/status", "host: localhost\r\n", "200"),
        ("http://localhost/api/status", "host: localhost\r\n", "200"),
        ("http://LOCALHOST:80/api/status", "host: localhost\r\n", "200"),
        ("/api/status", "", "400"),
        ("/api/status", "host: localhost\r\nhost: localhost\r\n", "400"),
        ("/api/status", "host: localhost\r\nhost: evil.example\r\n", "400"),
        ("/api/status", "host:\r\n", "400"),
        ("/api/status", "host: a b\r\n", "400"),
        ("/api/status", "host: localhost:99999\r\n", "400"),
        ("/api/status", "host: user@localhost\r\n", "400"),
        ("/api/status", "host: localhost/x\r\n", "400"),
        ("http://evil.example/api/status", "host: localhost\r\n", "400"),
        ("http://localhost/api/status", "host: evil.example\r\n", "400"),
        ("http://evil.example/api/status", "host: evil.example\r\n", "403"),
        ("http://localhost/api/status", "", "400"),
        ("/docs", "", "400"),
        ("/nowhere", "", "400"),
    ] {
        assert_eq!(first_lines(&post(target, headers)), [expected], "{target} {headers:?}");
    }
    // HTTP/1.0 knows no `Host`, and checks of proxies still speak it.
    assert!(host.raw(b"GET /api/status HTTP/1.0\r\n\r\n").starts_with("HTTP/1.0 200"));
}

#[test]
fn a_line_of_a_head_ends_in_both_characters() {
    let host = Host::start_with(BY_ADDRESS);
    for head in [
        "POST /api/status HTTP/1.1\nhost: localhost\ncontent-length: 0\n\n",
        "POST /api/status HTTP/1.1\r\nhost: localhost\r\nx: a\nx-request-id: planted\r\ncontent-length: 0\r\n\r\n",
        "POST /api/status HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\n\r\n",
        "POST /api/status HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\n",
        "\nPOST /api/status HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n",
        "POST /api/status HTTP/1.1\r\nhost: localhost\r\nx: a\rb: c\r\ncontent-length: 0\r\n\r\n",
    ] {
        let answer = host.raw(head.as_bytes());
        assert_eq!(first_lines(&answer), ["400"], "{head:?}: {answer}");
    }
    // Also of the second request of a connection, of trailers, and behind bodies of either framing, which are what they are.
    let sized = "POST /api/status HTTP/1.1\r\nhost: localhost\r\ncontent-length: 4\r\n\r\n{\n\n}";
    let chunked =
        "POST /api/status HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n4\r\n{\n\n}\r\n0\r\n\r\n";
    let bad = "GET /api/status HTTP/1.1\r\nhost: localhost\nx: y\r\n\r\n";
    let good = "GET /api/status HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    for (requests, expected) in [
        ([sized, sized, good].concat(), &["200", "200", "200"][..]),
        ([chunked, sized, chunked, good].concat(), &["200", "200", "200", "200"]),
        ([sized, bad].concat(), &["200", "400"]),
        ([chunked, bad].concat(), &["200", "400"]),
        (chunked.replace("0\r\n\r\n", "0\r\na: b\nc: d\r\n\r\n"), &["400"]),
    ] {
        let answer = host.raw(requests.as_bytes());
        assert_eq!(first_lines(&answer), expected, "{requests:?}: {answer}");
    }
}

/// Two sockets, so that a test can come from two addresses.
fn two_addresses(config: &str) -> Host {
    Host::start_listening(tempfile::tempdir().unwrap(), &format!("listen: ['127.0.0.1:0', '[::1]:0']\n{config}"))
}

fn address(host: &Host, at: usize) -> String {
    host.urls()[at].trim_start_matches("http://").to_owned()
}

/// The status of a call from the other address.
fn call_of_another(host: &Host) -> String {
    let mut stream = TcpStream::connect(address(host, 1)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    stream.write_all(b"GET /api/status HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn connections_of_one_address_keep_no_other_out() {
    let host = two_addresses(&format!("{BY_ADDRESS}limits: {{connections_max: 12}}\n"));
    let half_open: Vec<TcpStream> = (0..40)
        .filter_map(|_| {
            let mut stream = TcpStream::connect(address(&host, 0)).ok()?;
            stream.write_all(b"GET /api/status HT").ok()?;
            Some(stream)
        })
        .collect();
    let begun = Instant::now();
    assert_eq!(call_of_another(&host), "HTTP/1.1 200 OK");
    assert_eq!(host.cli(&["call", "status"]).code, 0);
    assert!(begun.elapsed() < Duration::from_secs(5), "a call waited for half-open connections to end");
    assert_eq!(host.log().matches("too many connections from one address").count(), 1, "{}", host.log());
    drop(half_open);
}

#[test]
fn the_console_and_as_many_connections_as_there_are_files_have_room() {
    let soft = ["sh", "-c", "ulimit -S -n 300; exec \"$@\"", "sh"];
    let host = Host::start_under(&soft, BY_ADDRESS);
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", host.pid())).unwrap();
    let row: Vec<&str> =
        limits.lines().find(|line| line.starts_with("Max open files")).unwrap().split_whitespace().collect();
    assert!(row[3].parse::<u64>().unwrap() > 300, "{row:?}");
    // Where it cannot be raised, there are fewer connections, and the console has one.
    let hard = ["sh", "-c", "ulimit -n 300; exec \"$@\"", "sh"];
    let host = Host::start_under(&hard, &format!("{BY_ADDRESS}limits: {{connections_per_address_max: 10000}}\n"));
    let _open: Vec<TcpStream> = (0..220).filter_map(|_| TcpStream::connect(host.address()).ok()).collect();
    assert_eq!(host.cli(&["call", "status"]).code, 0, "{}", host.log());
    assert!(host.log().contains("LimitNOFILE"), "{}", host.log());
}

#[test]
fn who_reads_no_answer_is_left_and_keeps_no_other_waiting() {
    let limits =
        "limits: {result_bytes_max: 9000000, unsent_bytes_per_caller_max: 16000000, write_deadline_ms: 1500}\n";
    let host = two_addresses(&format!("{BY_ADDRESS}{limits}"));
    host.install("big_result", &[]);
    let body = r#"{"bytes": 8000000}"#;
    let ask = || {
        let mut stream = TcpStream::connect(address(&host, 0)).unwrap();
        let head =
            format!("POST /api/big_result HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        stream.write_all(head.as_bytes()).unwrap();
        // One byte of the answer: it is on its way, and read no further.
        let mut first = [0; 12];
        stream.read_exact(&mut first).unwrap();
        (stream, String::from_utf8_lossy(&first[9..]).into_owned())
    };
    let asked: Vec<(TcpStream, String)> = (0..8).map(|_| ask()).collect();
    let statuses: Vec<&str> = asked.iter().map(|(_, status)| status.as_str()).collect();
    // Two answers are as much as it may leave unread.
    assert_eq!(statuses, ["200", "200", "429", "429", "429", "429", "429", "429"]);
    assert_eq!(call_of_another(&host), "HTTP/1.1 200 OK");
    // After a while without progress they are given up, and the address is answered again.
    let begun = Instant::now();
    while ask().1 != "200" {
        assert!(begun.elapsed() < Duration::from_secs(20), "answers that are not read are waited for");
        std::thread::sleep(Duration::from_millis(100));
    }
    // Who reads slowly, but reads, gets everything.
    let (mut slow, status) = ask();
    assert_eq!(status, "200");
    let (mut bytes, mut piece) = (12, vec![0; 1 << 20]);
    while let Ok(read) = slow.read(&mut piece) {
        bytes += read;
        if read == 0 || bytes > 8_000_000 {
            break;
        }
        std::thread::sleep(Duration::from_millis(300));
    }
    assert!(bytes > 8_000_000, "{bytes}");
    drop(asked);
}

#[test]
fn an_idle_connection_stays_as_long_as_is_written() {
    let host = Host::start_with(&format!("{BY_ADDRESS}limits: {{idle_deadline_ms: 700}}\n"));
    let mut stream = TcpStream::connect(host.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut ask = || {
        stream.write_all(b"GET /api/status HTTP/1.1\r\nhost: localhost\r\n\r\n")?;
        let mut answer = vec![0; 4096];
        stream.read(&mut answer)
    };
    assert!(ask().unwrap() > 0);
    std::thread::sleep(Duration::from_millis(100));
    assert!(ask().unwrap() > 0);
    let begun = Instant::now();
    let mut rest = Vec::new();
    assert_eq!(stream.read_to_end(&mut rest).unwrap(), 0, "it is closed, and said so");
    let waited = begun.elapsed();
    assert!(waited > Duration::from_millis(500) && waited < Duration::from_secs(8), "{waited:?}");
}

#[test]
fn documents_name_the_host_that_was_asked_where_the_listener_is_everywhere() {
    let config = format!("listen: '0.0.0.0:0'\nallowed_hosts: [muster.example.org]\n{RULES}");
    let host = Host::start_listening(tempfile::tempdir().unwrap(), &config);
    let port = host.address().rsplit(':').next().unwrap().to_owned();
    assert!(host.log().contains("oauth: {issuer: …}"), "{}", host.log());
    for (name, address) in [
        ("muster.example.org:7000", "http://muster.example.org:7000".to_owned()),
        ("[::1]:7000", "http://[::1]:7000".to_owned()),
        ("muster.example.org", "http://muster.example.org".to_owned()),
        (&format!("127.0.0.1:{port}"), format!("http://127.0.0.1:{port}")),
    ] {
        let get = |path: &str| host.request("GET", path).header("host", name).send();
        let metadata = get("/.well-known/oauth-authorization-server").value();
        assert_eq!(metadata["issuer"], address.as_str());
        assert_eq!(metadata["token_endpoint"], format!("{address}/oauth/token"));
        let resource = get("/.well-known/oauth-protected-resource/mcp").value();
        assert_eq!(resource["resource"], format!("{address}/mcp"));
        assert_eq!(resource["authorization_servers"], json!([address]));
        for path in ["/api/no_such_command", "/mcp"] {
            let answer = host.request("POST", path).header("host", name).json(&json!({})).send();
            let challenges = answer.headers("www-authenticate").join(" ");
            if path != "/mcp" {
                assert!(challenges.contains(&format!("{address}/.well-known/")), "{path}: {challenges}");
            }
            assert!(!challenges.contains("0.0.0.0"), "{path}: {challenges}");
        }
    }
    // With an issuer that is named, nothing else counts.
    let config = format!("listen: '0.0.0.0:0'\noauth: {{issuer: 'https://id.example.org'}}\n{RULES}");
    let host = Host::start_listening(tempfile::tempdir().unwrap(), &config);
    let metadata = host.request("GET", "/.well-known/oauth-authorization-server").send().value();
    assert_eq!(metadata["issuer"], "https://id.example.org");
    assert!(!host.log().contains("oauth: {issuer: …}"), "{}", host.log());
    let file = host.data().join("everywhere.yaml");
    std::fs::write(&file, "listen: '0.0.0.0:5280'").unwrap();
    let checked = host.cli(&["config", "check", file.to_str().unwrap()]);
    assert!(checked.code == 0 && checked.stdout.contains("warning: `listen` is 0.0.0.0:5280"), "{checked:?}");
}

#[test]
fn connections_are_told_of_the_end_before_it_comes() {
    let mut host = Host::start_with(&format!("{BY_ADDRESS}limits: {{drain_deadline_ms: 10000}}\n"));
    host.install("steps", &[]);
    let mut stream = TcpStream::connect(host.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let body = r#"{"to": 10, "ms": 150}"#;
    let head = format!("POST /api/steps HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    stream.write_all(head.as_bytes()).unwrap();
    // The call has begun once the host counts it.
    while host.cli(&["call", "stats", "name=calls"]).stdout.trim() == "0" {
        std::thread::sleep(Duration::from_millis(20));
    }
    host.terminate();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.contains("connection: close"), "{answer}");
}
