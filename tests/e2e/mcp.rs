//! MCP as assistants use it: with the client of the package `mcp` over HTTP and over `muster mcp`, and byte by byte where that
//! client is too polite.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tests::{Answer, Host, PASSWORD, Request, binary, root, run, tool};

const RULES: &str = "
acl: {admin: {user: admin@localhost}}
api_permissions:
  admins: {who: admin, what: '*'}
  assistants: {from: mcp, who: {server: localhost}, what: [hello, status, check_account, steps, whoami]}
";

fn start() -> Host {
    let host = Host::start_with(RULES);
    for user in ["admin", "ann", "bob"] {
        host.add_account(user);
    }
    for guest in ["hello", "steps", "whoami"] {
        host.install(guest, &[]);
    }
    host
}

/// Has the client of `tests/interfaces/mcp_client.py` go through everything, and makes the changes it asks for.
#[track_caller]
fn drive(wire: &str, mode: &str) {
    let host = start();
    let mut python = Command::new(tool("python/bin/python"));
    python.arg(root().join("tests/interfaces/mcp_client.py")).args([wire, mode, &host.urls()[0]]);
    python.arg(binary()).arg(host.data());
    let mut client = python.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = client.stdin.take().unwrap();
    writeln!(input, "{PASSWORD}").unwrap();
    let mut said = Vec::new();
    for line in BufReader::new(client.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        match line.as_str() {
            "do: change for others" => host.install("counter", &["keyvalue"]),
            "do: change for ann" => assert_eq!(host.cli(&["plugin", "uninstall", "hello"]).code, 0),
            _ => {}
        }
        if line.starts_with("do: ") {
            writeln!(input).unwrap();
        }
        said.push(line);
    }
    assert!(client.wait().unwrap().success() && said.last().is_some_and(|line| line == "done"), "{said:?}");

    // Every call left a record that says how it came.
    let record = host.call("admin", "audit_search", &json!({ "caller": "ann@localhost", "limit": 100 })).value();
    let entries = record["records"].as_array().unwrap().clone();
    let outcomes = |command: &str| -> Vec<(String, String)> {
        let text = |entry: &Value, key: &str| entry[key].as_str().unwrap_or_default().to_owned();
        let own = entries.iter().filter(|entry| entry["command"] == command);
        own.map(|entry| (text(entry, "via"), text(entry, "outcome"))).collect()
    };
    let pair = |outcome: &str| ("mcp".to_owned(), outcome.to_owned());
    assert!(outcomes("hello").contains(&pair("ok")), "{record}");
    assert!(outcomes("registered_users").contains(&pair("forbidden")), "{record}");
    assert!(outcomes("steps").contains(&pair("abandoned")), "{record}");
}

#[test]
fn a_client_over_http_uses_tools() {
    drive("http", "auto");
}

#[test]
fn a_client_over_http_with_a_session_uses_tools() {
    drive("http", "legacy");
}

#[test]
fn a_client_of_the_program_uses_tools() {
    drive("stdio", "auto");
}

#[test]
fn a_client_of_the_program_with_a_session_uses_tools() {
    drive("stdio", "legacy");
}

pub(super) fn post<'a>(host: &'a Host, message: &Value) -> Request<'a> {
    host.request("POST", "/mcp").header("accept", "application/json, text/event-stream").json(message)
}

fn initialize() -> Value {
    let client = json!({ "name": "test", "version": "1" });
    json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": { "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client } })
}

/// The message in an answer, whether it came as JSON or as events.
pub(super) fn message(answer: &Answer) -> Value {
    let text = answer.text();
    let data = text.lines().filter_map(|line| line.strip_prefix("data: ")).rfind(|data| !data.is_empty());
    serde_json::from_str(data.unwrap_or(&text)).unwrap_or_default()
}

/// Opens a session, and gives its name.
pub(super) fn session(host: &Host, user: &str) -> String {
    let answer = post(host, &initialize()).as_user(user).send();
    assert_eq!(message(&answer)["result"]["serverInfo"]["name"], "muster", "{}", answer.text());
    let id = answer.header("mcp-session-id").to_owned();
    let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    assert_eq!(post(host, &ready).as_user(user).header("mcp-session-id", &id).send().status, 202);
    id
}

pub(super) fn list(host: &Host, user: &str, session: &str, cursor: Option<&str>) -> Answer {
    let params = cursor.map_or(json!({}), |cursor| json!({ "cursor": cursor }));
    let asked = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": params });
    post(host, &asked).as_user(user).header("mcp-session-id", session).send()
}

#[test]
fn a_session_is_its_owners() {
    let host = start();
    let id = session(&host, "ann");
    assert_eq!(message(&list(&host, "ann", &id, None))["result"]["tools"].as_array().unwrap().len(), 5);
    assert_eq!(list(&host, "bob", &id, None).verdict(), "404 no-such-session");
    assert_eq!(list(&host, "admin", &id, None).verdict(), "404 no-such-session");
    assert_eq!(list(&host, "ann", "made-up", None).verdict(), "404 no-such-session");
    // A key of ann's for less is not ann with her password.
    let key = host.cli(&["key", "create", "ann@localhost", "narrow", "--scope", "status"]);
    let asked = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/list" });
    let narrow = || post(&host, &asked).bearer(key.stdout.trim());
    assert_eq!(narrow().header("mcp-session-id", &id).send().verdict(), "404 no-such-session");
    let ended = host.request("DELETE", "/mcp").header("mcp-session-id", &id);
    assert_eq!(ended.as_user("bob").send().verdict(), "404 no-such-session");
    let ended = host.request("DELETE", "/mcp").header("mcp-session-id", &id);
    assert_eq!(ended.as_user("ann").send().status, 202);
    assert_eq!(list(&host, "ann", &id, None).status, 404);

    // Credentials count each time: a ban ends the session's use at once.
    let id = session(&host, "ann");
    let ban = json!({ "user": "ann", "host": "localhost", "reason": "x" });
    assert_eq!(host.call("admin", "ban_account", &ban).status, 200);
    assert_eq!(list(&host, "ann", &id, None).verdict(), "401 unauthenticated");
}

#[test]
fn the_list_has_pages_and_what_the_caller_may_call() {
    let host = start();
    let id = session(&host, "admin");
    let mut names = Vec::new();
    let mut cursor: Option<String> = None;
    let mut pages = 0;
    loop {
        let page = message(&list(&host, "admin", &id, cursor.as_deref()))["result"].clone();
        let tools = page["tools"].as_array().unwrap();
        assert!(tools.len() <= 50);
        names.extend(tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()));
        pages += 1;
        cursor = page["nextCursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    let sorted = {
        let mut sorted = names.clone();
        sorted.sort();
        sorted.dedup();
        sorted
    };
    assert!(pages == 2 && names == sorted && names.contains(&"module_install".to_owned()), "{pages} {names:?}");
    assert_eq!(message(&list(&host, "admin", &id, Some("%%")))["error"]["code"], -32602);

    let id = session(&host, "ann");
    let listed = message(&list(&host, "ann", &id, None))["result"]["tools"].clone();
    let hello = listed.as_array().unwrap().iter().find(|tool| tool["name"] == "hello").unwrap().clone();
    insta::assert_json_snapshot!("mcp_tool", hello);
}

#[test]
fn who_is_nobody_is_asked_to_log_in() {
    let host = start();
    let issuer = host.urls()[0].clone();
    let asked = post(&host, &initialize()).send();
    assert_eq!(asked.verdict(), "401 unauthenticated");
    let challenge =
        format!("Bearer realm=\"muster\", resource_metadata=\"{issuer}/.well-known/oauth-protected-resource/mcp\"");
    assert!(asked.headers("www-authenticate").contains(&challenge.as_str()), "{:?}", asked.headers("www-authenticate"));
    let metadata = host.request("GET", "/.well-known/oauth-protected-resource/mcp").send().value();
    assert_eq!(
        (&metadata["resource"], &metadata["authorization_servers"]),
        (&json!(format!("{issuer}/mcp")), &json!([issuer]))
    );
    assert_eq!(post(&host, &initialize()).basic("ann@localhost", "wrong").send().verdict(), "401 unauthenticated");
    assert_eq!(post(&host, &initialize()).bearer("made-up").send().verdict(), "401 unauthenticated");

    // Where there is something for everybody, nobody is asked before they want more.
    let open = Host::start_with(&format!("{RULES}  open: {{from: mcp, who: all, what: [check_account]}}\n"));
    open.add_account("ann");
    let call = |tool: &str| {
        let params = json!({ "name": tool, "arguments": { "user": "ann", "host": "localhost" } });
        let id = post(&open, &initialize()).send().header("mcp-session-id").to_owned();
        let called = json!({ "jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": params });
        post(&open, &called).header("mcp-session-id", &id).send()
    };
    assert_eq!(message(&call("check_account"))["result"]["isError"], false);
    assert_eq!(call("status").verdict(), "401 unauthenticated");
    assert_eq!(call("no_such_command").verdict(), "401 unauthenticated");
}

#[test]
fn pages_of_other_sites_and_odd_messages_get_nowhere() {
    let more = "mcp: {allowed_hosts: [mcp.example.org], allowed_origins: ['https://app.example.org']}\n";
    let host = Host::start_with(&format!("{RULES}{more}limits: {{body_bytes_max: 4096}}\n"));
    host.add_account("ann");
    let verdict = |headers: &[(&str, &str)]| {
        let request = post(&host, &initialize()).as_user("ann");
        headers.iter().fold(request, |request, (name, value)| request.header(name, value)).send().verdict()
    };
    assert_eq!(verdict(&[]), "200");
    assert_eq!(verdict(&[("host", "mcp.example.org")]), "200");
    assert_eq!(verdict(&[("origin", "http://localhost:3000")]), "200");
    assert_eq!(verdict(&[("origin", "https://app.example.org")]), "200");
    assert_eq!(verdict(&[("host", "evil.example")]), "403 host-not-allowed");
    assert_eq!(verdict(&[("origin", "https://evil.example")]), "403 origin-not-allowed");
    assert_eq!(verdict(&[("origin", "null")]), "403 origin-not-allowed");
    assert_eq!(verdict(&[("host", "evil.example"), ("origin", "http://evil.example")]), "403 host-not-allowed");

    let send = |body: &[u8]| {
        let request =
            host.request("POST", "/mcp").as_user("ann").header("accept", "application/json, text/event-stream");
        request.header("content-type", "application/json").body(body).send()
    };
    assert_eq!(send(&[b' '; 5000]).verdict(), "413 too-large");
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(60), "]".repeat(60));
    for body in [b"{".as_slice(), b"\xff", b"{\"id\":1,\"id\":2}", deep.as_bytes()] {
        let answer = send(body);
        assert_eq!((answer.status, &answer.value()["error"]["code"]), (400, &json!(-32700)), "{}", answer.text());
    }
    for body in [b"[]".as_slice(), b"5", b"{}", b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\"}"] {
        let status = send(body).status;
        assert!((400..500).contains(&status), "{status} {}", String::from_utf8_lossy(body));
    }
    assert_eq!(host.request("PUT", "/mcp").as_user("ann").send().status, 405);
}

#[test]
fn sessions_have_bounds_and_end_by_themselves() {
    let host = Host::start_with(&format!("{RULES}mcp: {{sessions_max: 3, session_idle_seconds: 1}}\n"));
    host.add_account("ann");
    let ids: Vec<String> = (0..3).map(|_| session(&host, "ann")).collect();
    assert_eq!(post(&host, &initialize()).as_user("ann").send().verdict(), "503 unavailable");
    // Polls: how soon it is seen to be idle is not ours to say.
    let ended = (0..100).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(100));
        post(&host, &initialize()).as_user("ann").send().status == 200
    });
    assert!(ended);
    assert_eq!(list(&host, "ann", &ids[0], None).status, 404);
}

#[test]
fn an_open_stream_does_not_keep_the_host_from_stopping() {
    let mut host = start();
    let id = session(&host, "ann");
    let head = format!(
        "GET /mcp HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\nmcp-session-id: {id}\r\n\
         authorization: Basic YW5uQGxvY2FsaG9zdDpjb3JyZWN0IGhvcnNl\r\n\r\n"
    );
    let mut stream = std::net::TcpStream::connect(host.address()).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    let mut first = String::new();
    BufReader::new(stream.try_clone().unwrap()).read_line(&mut first).unwrap();
    assert!(first.starts_with("HTTP/1.1 200"), "{first}");
    let begun = std::time::Instant::now();
    host.terminate();
    assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
}

/// Runs `muster mcp` with lines of input.
fn program(host: &Host, lines: &[Value]) -> (Vec<Value>, String) {
    let input = lines.iter().map(Value::to_string).collect::<Vec<_>>().join("\n");
    let mut muster = Command::new(binary());
    muster.arg("--data").arg(host.data()).args(["--user", "ann@localhost", "mcp"]).env("MUSTER_PASSWORD", PASSWORD);
    let ran = run(&mut muster, &input);
    assert_eq!(ran.code, 0, "{ran:?}");
    (ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect(), ran.stderr)
}

#[test]
fn the_program_says_what_is_wrong_in_the_protocols_words() {
    let mut host = start();
    let call = json!({ "jsonrpc": "2.0", "id": "c", "method": "tools/call",
        "params": { "name": "hello", "arguments": { "name": "Ada" } } });
    let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    let (said, _) = program(&host, &[initialize(), ready.clone(), call.clone()]);
    assert_eq!((&said[0]["id"], &said[1]["id"]), (&json!(1), &json!("c")), "{said:?}");
    assert_eq!(said[1]["result"]["structuredContent"], json!({ "result": "Hello, Ada!" }));
    assert_eq!(said.len(), 2);

    let (said, _) = program(&host, &[json!("no request"), call.clone()]);
    assert!(said.iter().any(|one| one["id"] == "c" && one["error"]["code"].is_number()), "{said:?}");

    let mut wrong = Command::new(binary());
    wrong.arg("--data").arg(host.data()).args(["--user", "ann@localhost", "mcp"]).env("MUSTER_PASSWORD", "wrong");
    let ran = run(&mut wrong, &format!("{}\nnot JSON\n", initialize()));
    let said: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(said[0]["error"]["data"]["code"], "unauthenticated", "{ran:?}");
    assert_eq!((&said[1]["id"], &said[1]["error"]["code"]), (&Value::Null, &json!(-32700)), "{ran:?}");

    host.terminate();
    let (said, _) = program(&host, &[initialize()]);
    assert!(said[0]["error"]["message"].as_str().unwrap().contains("no host answers"), "{said:?}");
}

#[test]
fn the_program_outlives_a_host_that_begins_anew() {
    let mut host = start();
    let mut muster = Command::new(binary());
    muster.arg("--data").arg(host.data()).args(["--user", "ann@localhost", "mcp"]).env("MUSTER_PASSWORD", PASSWORD);
    let mut muster = muster.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = muster.stdin.take().unwrap();
    let mut output = BufReader::new(muster.stdout.take().unwrap()).lines();
    let mut ask = |message: &Value| -> Value {
        writeln!(input, "{message}").unwrap();
        if message["id"].is_null() {
            Value::Null
        } else {
            serde_json::from_str(&output.next().unwrap().unwrap()).unwrap()
        }
    };
    ask(&initialize());
    ask(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
    let call = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call",
        "params": { "name": "hello", "arguments": { "name": "Ada" } } });
    assert_eq!(ask(&call)["result"]["structuredContent"], json!({ "result": "Hello, Ada!" }));
    host.crash_and_restart();
    assert_eq!(ask(&call)["result"]["structuredContent"], json!({ "result": "Hello, Ada!" }));
    drop(input);
    assert!(muster.wait().unwrap().success());
}

#[test]
fn the_program_opens_a_session_again_that_nobody_used() {
    let mut host = Host::start_with(&format!("{RULES}mcp: {{session_idle_seconds: 2}}\n"));
    host.add_account("ann");
    host.install("hello", &[]);
    let mut muster = Command::new(binary());
    muster.arg("--data").arg(host.data()).args(["--user", "ann@localhost", "mcp"]).env("MUSTER_PASSWORD", PASSWORD);
    let mut muster = muster.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = muster.stdin.take().unwrap();
    let mut output = BufReader::new(muster.stdout.take().unwrap()).lines();
    let mut read = || -> Value { serde_json::from_str(&output.next().unwrap().unwrap()).unwrap() };
    let call = |id: u32| {
        let params = json!({ "name": "hello", "arguments": { "name": format!("N{id}") } });
        json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params })
    };
    let fits = |answer: &Value| {
        let id = answer["id"].as_u64().unwrap_or_default();
        answer["result"]["structuredContent"] == json!({ "result": format!("Hello, N{id}!") })
    };
    writeln!(input, "{}", initialize()).unwrap();
    read();
    writeln!(input, "{}", json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).unwrap();

    // Many messages find the session gone at a time: one opens another, for all of them.
    for round in 0..2 {
        std::thread::sleep(std::time::Duration::from_secs(5));
        let mut ids = Vec::new();
        for id in 100 * round + 10..100 * round + 30 {
            writeln!(input, "{}", call(id)).unwrap();
        }
        for _ in 0..20 {
            let answer = read();
            assert!(fits(&answer), "{answer}");
            ids.push(answer["id"].as_u64().unwrap());
        }
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 20);
    }

    // While the host is away nothing is answered; then all is as before.
    host.terminate();
    writeln!(input, "{}", call(1)).unwrap();
    let answer = read();
    assert!(answer["error"]["message"].as_str().unwrap().contains("no host answers"), "{answer}");
    host.start_again();
    writeln!(input, "{}", call(2)).unwrap();
    let answer = read();
    assert!(fits(&answer), "{answer}");

    // What the host says by itself comes through in the session that is open now, as long as it is used.
    for id in 3..13 {
        std::thread::sleep(std::time::Duration::from_millis(500));
        writeln!(input, "{}", call(id)).unwrap();
        assert!(fits(&read()));
    }
    assert_eq!(host.cli(&["plugin", "uninstall", "hello"]).code, 0);
    assert_eq!(read()["method"], "notifications/tools/list_changed");
    drop(input);
    assert!(muster.wait().unwrap().success());
}
