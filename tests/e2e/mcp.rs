//! MCP as assistants use it: with the clients of two packages, in Python and in JavaScript, over HTTP and over `muster mcp`, and
//! byte by byte where those clients are too polite.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tests::{Answer, Host, PASSWORD, Request, binary, root, run, tool};

use crate::oauth::Shop;

const RULES: &str = "
acl: {admin: {user: admin@localhost}}
api_permissions:
  admins: {who: admin, what: '*'}
  assistants: {from: mcp, who: {server: localhost}, what: [hello, status, check_account, steps, whoami]}
";
/// What is told of changes.
const TOLD: &str = "notifications/tools/list_changed";
/// `ann@localhost` and `bob@localhost` with their password, as Basic has them.
const ANN: &str = "YW5uQGxvY2FsaG9zdDpjb3JyZWN0IGhvcnNl";
const BOB: &str = "Ym9iQGxvY2FsaG9zdDpjb3JyZWN0IGhvcnNl";

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

/// The client of `tests/interfaces/mcp_client.mjs`, which holds every result against the schema of its tool.
#[track_caller]
fn drive_in_javascript(wire: &str) {
    let host = start();
    let mut node = Command::new("node");
    node.arg(root().join("tests/interfaces/mcp_client.mjs")).arg(tool("node_modules"));
    let ran = run(node.args([wire, &host.urls()[0]]).arg(binary()), PASSWORD);
    assert!(ran.code == 0 && ran.stdout.contains("done"), "{}\n{}", ran.stdout, ran.stderr);
}

#[test]
fn a_client_in_javascript_over_http_uses_tools() {
    drive_in_javascript("http");
}

#[test]
fn a_client_in_javascript_of_the_program_uses_tools() {
    drive_in_javascript("stdio");
}

/// A client that cannot read the schema of one tool refuses the list as a whole.
#[test]
fn every_released_client_reads_tools_of_any_schema() {
    let host = Host::start_with(RULES);
    host.add_account("admin");
    for guest in ["dispatcher", "edge", "bytes"] {
        host.install(guest, if guest == "bytes" { &[] } else { &["keyvalue", "command:status"] });
    }
    let url = host.urls()[0].clone();
    for package in ["@modelcontextprotocol/sdk", "mcp-sdk-1.32.1", "mcp-sdk-1.32.0", "@modelcontextprotocol/client"] {
        let mut node = Command::new("node");
        node.arg(root().join("tests/interfaces/mcp_list.mjs")).arg(tool("node_modules")).args([package, &url]);
        let ran = run(&mut node, PASSWORD);
        assert!(ran.code == 0 && ran.stdout.contains("done"), "{package}: {}\n{}", ran.stdout, ran.stderr);
    }
    for release in ["python", "mcp-2.2.0", "mcp-2.1.1"] {
        let mut python = Command::new(tool(&format!("{release}/bin/python")));
        let ran = run(python.arg(root().join("tests/interfaces/mcp_list.py")).arg(&url), PASSWORD);
        assert!(ran.code == 0 && ran.stdout.contains("done"), "{release}: {}\n{}", ran.stdout, ran.stderr);
    }
}

#[test]
fn clients_of_older_revisions_get_no_events_without_data() {
    let host = start();
    for (revision, primed) in [("2025-03-26", false), ("2025-06-18", false), ("2025-11-25", true)] {
        let mut begin = initialize();
        begin["params"]["protocolVersion"] = json!(revision);
        let first = post(&host, &begin).as_user("ann").send();
        let id = first.header("mcp-session-id").to_owned();
        let asked = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/list" });
        let request = post(&host, &asked).as_user("ann").header("mcp-session-id", &id);
        // Who speaks the first of them says so nowhere.
        let request = if revision == "2025-03-26" { request } else { request.header("mcp-protocol-version", revision) };
        for answer in [first, request.send()] {
            let text = answer.text();
            let empty =
                text.lines().filter(|line| line.strip_prefix("data:").is_some_and(|data| data.trim().is_empty()));
            assert_eq!(empty.count() > 0, primed, "{revision}: {text}");
            assert!(message(&answer)["result"].is_object(), "{revision}: {text}");
            assert_eq!(answer.header("x-accel-buffering"), "no", "{revision}");
        }
    }
}

#[test]
fn odd_messages_have_their_codes_and_who_takes_only_json_gets_it() {
    let host = start();
    let id = session(&host, "ann");
    let send = |path: &str, accept: &str, body: &Value| {
        let request = host.request("POST", path).as_user("ann").header("mcp-session-id", &id).json(body);
        if accept.is_empty() { request.send() } else { request.header("accept", accept).send() }
    };
    let both = "application/json, text/event-stream";
    let call = |params: Value| json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params });
    let hello = call(json!({ "name": "hello", "arguments": { "name": "Ada" } }));
    for (body, status, code) in [
        (call(json!({ "name": "hello", "arguments": [] })), 200, -32602),
        (call(json!({ "name": "hello", "arguments": "x" })), 200, -32602),
        (call(json!({ "arguments": {} })), 200, -32602),
        (call(json!([])), 200, -32602),
        (json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/list", "params": [] }), 200, -32602),
        (json!({ "jsonrpc": "2.0", "id": null, "method": "tools/list" }), 400, -32600),
        (json!({ "jsonrpc": "2.0", "id": {}, "method": "tools/list" }), 400, -32600),
        (json!({ "jsonrpc": "1.0", "id": 7, "method": "tools/list" }), 400, -32600),
        (json!({ "jsonrpc": "2.0", "id": 7, "method": 5 }), 400, -32600),
        (json!({ "jsonrpc": "2.0", "id": 7 }), 400, -32600),
        (json!([hello]), 400, -32600),
        (json!("x"), 400, -32600),
    ] {
        let answer = send("/mcp", both, &body);
        let told = message(&answer);
        assert_eq!((answer.status, &told["error"]["code"]), (status, &json!(code)), "{body}: {}", answer.text());
        assert_eq!(told["id"], if status == 200 { json!(7) } else { Value::Null }, "{body}");
    }
    for (path, accept, kind) in [
        ("/mcp", both, "text/event-stream"),
        ("/mcp/", both, "text/event-stream"),
        ("/mcp", "application/json", "application/json"),
        ("/mcp", "*/*", "application/json"),
        ("/mcp", "", "application/json"),
        ("/mcp", "application/json, text/event-stream;q=0", "application/json"),
    ] {
        let answer = send(path, accept, &hello);
        assert_eq!((answer.status, answer.header("content-type")), (200, kind), "{path} {accept}");
        assert_eq!(
            message(&answer)["result"]["content"][0]["text"],
            "Hello, Ada!",
            "{path} {accept}: {}",
            answer.text()
        );
    }
    assert_eq!(send("/mcp", "text/html", &hello).verdict(), "406 not-acceptable");
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

/// What a failed call says to programs; nothing structured goes with it.
pub(super) fn problem(result: &Value) -> Value {
    assert!(result["isError"] == true && result.get("structuredContent").is_none(), "{result}");
    serde_json::from_str(result["content"][1]["text"].as_str().unwrap()).unwrap()
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
    assert_eq!(ended.as_user("ann").send().status, 204);
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
fn anonymous_callers_are_asked_to_log_in() {
    let host = Host::start_with(&format!("{RULES}{}", tests::TOKEN_RULE));
    host.add_account("ann");
    let issuer = host.urls()[0].clone();
    let asked = post(&host, &initialize()).send();
    assert_eq!(asked.verdict(), "401 unauthenticated");
    let metadata = format!("resource_metadata=\"{issuer}/.well-known/oauth-protected-resource/mcp\"");
    let challenge = format!("Bearer realm=\"muster\", scope=\"muster:user\", {metadata}");
    let challenges = asked.headers("www-authenticate");
    // The one that leads to a login comes first, for those who read no other.
    assert!(
        challenges.len() == 2 && challenges[0] == challenge && challenges[1].starts_with("Basic"),
        "{challenges:?}"
    );
    let metadata = host.request("GET", "/.well-known/oauth-protected-resource/mcp").send().value();
    assert_eq!(
        (&metadata["resource"], &metadata["authorization_servers"]),
        (&json!(format!("{issuer}/mcp")), &json!([issuer]))
    );
    // No assistant asks for the rights of administrators without being told to.
    assert_eq!(metadata["scopes_supported"], json!(["muster:user"]));
    let of_host = host.request("GET", "/.well-known/oauth-protected-resource").send().value();
    assert_eq!(of_host["scopes_supported"], json!(["muster:user", "muster:admin"]));
    assert_eq!(post(&host, &initialize()).basic("ann@localhost", "wrong").send().verdict(), "401 unauthenticated");
    assert_eq!(post(&host, &initialize()).bearer("made-up").send().verdict(), "401 unauthenticated");

    // No client is told to ask for a scope no rule honours.
    let bare = Host::start_with(RULES);
    let challenges = post(&bare, &initialize()).send().headers("www-authenticate").join(", ");
    assert!(challenges.contains("Bearer realm=\"muster\", resource_metadata=") && !challenges.contains("scope="));

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
fn a_page_of_an_allowed_origin_may_call_and_read() {
    let host = Host::start_with(&format!("{RULES}mcp: {{allowed_origins: ['https://app.example.org']}}\n"));
    host.add_account("ann");
    let asked = |origin: &str| {
        let request = host.request("OPTIONS", "/mcp").header("origin", origin);
        request.header("access-control-request-method", "POST").send()
    };
    let allowed = |answer: &Answer| answer.header("access-control-allow-origin").to_owned();
    for origin in ["https://app.example.org", "http://localhost:3000"] {
        let answer = asked(origin);
        assert_eq!((answer.status, allowed(&answer).as_str()), (204, origin));
        for (name, part) in [
            ("access-control-allow-methods", "DELETE"),
            ("access-control-allow-headers", "Authorization, Content-Type"),
            ("access-control-allow-headers", "Mcp-Session-Id, Mcp-Protocol-Version"),
            ("vary", "Origin"),
        ] {
            assert!(answer.headers(name).iter().any(|value| value.contains(part)), "{name}: {}", answer.header(name));
        }
        assert_eq!(answer.header("access-control-allow-credentials"), "");
        // Also of an answer that asks for a credential: a page must see how to log in.
        for answer in [
            post(&host, &initialize()).header("origin", origin).as_user("ann").send(),
            post(&host, &initialize()).header("origin", origin).send(),
        ] {
            assert_eq!(allowed(&answer), origin);
            let exposed = answer.header("access-control-expose-headers");
            assert!(exposed.starts_with("Mcp-Session-Id, WWW-Authenticate"), "{exposed}");
        }
    }
    for answer in [
        asked("https://evil.example"),
        post(&host, &initialize()).header("origin", "https://evil.example").as_user("ann").send(),
    ] {
        assert_eq!(answer.verdict(), "403 origin-not-allowed");
        for name in ["access-control-allow-origin", "access-control-expose-headers", "access-control-allow-methods"] {
            assert_eq!(answer.header(name), "", "{name}");
        }
    }
    // Who is no page is told nothing of pages.
    let answer = host.request("OPTIONS", "/mcp").send();
    assert_eq!((answer.status, answer.header("allow")), (204, "GET, POST, DELETE, OPTIONS"));
    assert_eq!(allowed(&answer), "");
}

#[test]
fn a_client_is_answered_in_the_revision_it_speaks() {
    let host = start();
    for (asked, answered) in [
        ("2024-11-05", "2024-11-05"),
        ("2025-03-26", "2025-03-26"),
        ("2025-06-18", "2025-06-18"),
        ("2025-11-25", "2025-11-25"),
        // An initialization is nothing of the newest one, and of none that is made up.
        ("1999-01-01", "2025-11-25"),
    ] {
        let mut message = initialize();
        message["params"]["protocolVersion"] = json!(asked);
        let answer = post(&host, &message).as_user("ann").send();
        assert_eq!(self::message(&answer)["result"]["protocolVersion"], answered, "{asked}: {}", answer.text());
    }
    // Two things of older revisions are not there: a batch of messages, and the first transport over HTTP.
    let id = session(&host, "ann");
    let list = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/list" });
    let batch = post(&host, &json!([list])).as_user("ann").header("mcp-session-id", &id).send();
    assert!((400..500).contains(&batch.status), "{}", batch.status);
    let stream = host.request("GET", "/mcp").as_user("ann").header("accept", "text/event-stream").send();
    assert!((400..500).contains(&stream.status), "{}", stream.status);
}

#[test]
fn a_token_got_by_logging_in_sees_tools() {
    // The rule of host/docs/callers/mcp.md.
    let rule =
        "  logged_in: {from: mcp, who: {oauth: {scope: 'muster:user', server: localhost}}, what: [hello, status]}";
    let shop = Shop::start_with(rule);
    shop.host.install("hello", &[]);
    let resource = format!("{}/mcp", shop.host.urls()[0]);
    // What a client asks for who only read the challenge.
    let code = shop.code_for(&[("scope", "muster:user"), ("resource", &resource)]);
    let issued = shop.redeem(&code).value();
    let token = issued["access_token"].as_str().unwrap();
    let id = post(&shop.host, &initialize()).bearer(token).send().header("mcp-session-id").to_owned();
    let asked = |message: Value| {
        self::message(&post(&shop.host, &message).bearer(token).header("mcp-session-id", &id).send())["result"].clone()
    };
    asked(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
    let listed = asked(json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/list" }));
    let names: Vec<&str> =
        listed["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["hello", "status"]);
    let called = asked(json!({ "jsonrpc": "2.0", "id": 3, "method": "tools/call",
        "params": { "name": "hello", "arguments": { "name": "Ada" } } }));
    assert_eq!(called["structuredContent"], json!({ "result": "Hello, Ada!" }), "{called}");
    assert_eq!(
        shop.host.request("GET", "/api").bearer(token).send().value()["commands"],
        json!([]),
        "it is for MCP alone"
    );
}

#[test]
fn anonymous_callers_cannot_keep_others_out() {
    let open = "  open: {from: mcp, who: all, what: [check_account]}\n";
    let proxied = "listen: [{address: '127.0.0.1:0', trusted_proxies: [127.0.0.0/8]}]";
    let config = format!("{RULES}{open}{proxied}\nmcp: {{sessions_max: 40}}\n");
    let host = Host::start_listening(tempfile::tempdir().unwrap(), &config);
    host.add_account("ann");
    let opened = |address: &str| {
        let request = post(&host, &initialize()).header("x-forwarded-for", address);
        request.send().status == 200
    };
    // One address has eight, all together have a quarter.
    assert_eq!((0..12).filter(|_| opened("192.0.2.1")).count(), 8);
    assert_eq!((0..12).filter(|n| opened(&format!("198.51.100.{n}"))).count(), 2);
    // At the same moment, too: everybody who is known has the rest, and not one more.
    let got: usize = std::thread::scope(|scope| {
        let each: Vec<_> = (0..8)
            .map(|_| {
                let open = || post(&host, &initialize()).as_user("ann").send().status == 200;
                scope.spawn(move || (0..6).filter(|_| open()).count())
            })
            .collect();
        each.into_iter().map(|one| one.join().unwrap()).sum()
    });
    assert_eq!(got, 30);
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
fn a_call_that_runs_keeps_its_session() {
    let host = Host::start_with(&format!("{RULES}mcp: {{session_idle_seconds: 1}}\n"));
    host.add_account("ann");
    host.install("steps", &[]);
    let id = session(&host, "ann");
    let call = json!({ "jsonrpc": "2.0", "id": 3, "method": "tools/call",
        "params": { "name": "steps", "arguments": { "to": 3, "ms": 1000 } } });
    let answer = post(&host, &call).as_user("ann").header("mcp-session-id", &id).send();
    assert_eq!(message(&answer)["result"]["structuredContent"], json!({ "result": 3 }), "{}", answer.text());
    assert_eq!(list(&host, "ann", &id, None).status, 200);
    // Once it is over, nobody uses it.
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert_eq!(list(&host, "ann", &id, None).verdict(), "404 no-such-session");
}

/// Opens a stream, by a head as it is sent; what is told on it, line by line.
fn stream(host: &Host, head: &str) -> impl Iterator<Item = String> + use<> {
    let mut stream = std::net::TcpStream::connect(host.address()).unwrap();
    stream.set_read_timeout(Some(std::time::Duration::from_secs(30))).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    assert!(lines.next().unwrap().starts_with("HTTP/1.1 200"));
    lines
}

/// Opens a stream without a session, as revision 2026-07-28 has it, by an account and password as Basic has them.
fn listen(host: &Host, basic: &str) -> impl Iterator<Item = String> + use<> {
    let meta = json!({ "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {} });
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "subscriptions/listen",
        "params": { "_meta": meta, "notifications": { "toolsListChanged": true } } })
    .to_string();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nhost: localhost\r\naccept: application/json, text/event-stream\r\n\
         content-type: application/json\r\nmcp-protocol-version: 2026-07-28\r\nmcp-method: subscriptions/listen\r\n\
         authorization: Basic {basic}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream(host, &head)
}

#[test]
fn a_stream_without_a_session_takes_a_place_until_it_is_closed() {
    let host = Host::start_with(&format!("{RULES}mcp: {{sessions_max: 2}}\n"));
    host.add_account("ann");
    let streams = [listen(&host, ANN), listen(&host, ANN)];
    let opened = || post(&host, &initialize()).as_user("ann").send().verdict();
    assert_eq!(opened(), "503 unavailable");
    drop(streams);
    // Polls: how soon the host sees that nobody listens is not ours to say.
    let is_free = (0..100).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(100));
        opened() == "200"
    });
    assert!(is_free);
}

#[test]
fn a_stream_ends_with_the_credential_it_was_opened_with() {
    let host = start();
    let key = host.cli(&["key", "create", "ann@localhost", "assistant", "--scope", "*"]).stdout.trim().to_owned();
    let begin = || {
        let id = post(&host, &initialize()).bearer(&key).send().header("mcp-session-id").to_owned();
        let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        assert_eq!(post(&host, &ready).bearer(&key).header("mcp-session-id", &id).send().status, 202);
        let head = format!(
            "GET /mcp HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\nmcp-session-id: {id}\r\n\
             authorization: Bearer {key}\r\n\r\n"
        );
        stream(&host, &head)
    };
    let (mut by_key, mut by_password, mut of_bob) = (begin(), listen(&host, ANN), listen(&host, BOB));
    assert_eq!(host.cli(&["plugin", "uninstall", "hello"]).code, 0);
    let is_told = |line: String| line.contains(TOLD);
    assert!(by_key.any(is_told) && by_password.any(is_told) && of_bob.any(is_told), "nobody was told");
    let keys = host.cli(&["--json", "key", "list", "ann@localhost"]).stdout;
    let keys: Value = serde_json::from_str(&keys).unwrap();
    let id = keys[0]["id"].as_str().unwrap();
    assert_eq!(host.cli(&["key", "revoke", "ann@localhost", id]).code, 0);
    let ban = json!({ "user": "ann", "host": "localhost", "reason": "x" });
    assert_eq!(host.call("admin", "ban_account", &ban).status, 200);
    host.install("hello", &[]);
    // Each is read to its end, which comes by itself.
    assert!(!by_key.any(is_told), "told to the holder of a revoked key");
    assert!(!by_password.any(is_told), "told to who is banned");
    assert!(of_bob.any(is_told), "bob was told before, and is no more");
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
    assert!(said[0]["error"]["message"].as_str().unwrap().contains("cannot connect to a host"), "{said:?}");
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
fn the_program_opens_an_idle_session_again() {
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
    assert!(answer["error"]["message"].as_str().unwrap().contains("cannot connect to a host"), "{answer}");
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
