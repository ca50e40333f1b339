//! XML-RPC as clients know it: those of Python's standard library and of ejabberd, and raw bytes at its edges.

use std::process::Command;

use serde_json::{Value, json};
use tests::{Answer, Host, PASSWORD, RULES, root, run, tool};

fn host() -> Host {
    let host = Host::start_with(&format!("{RULES}xmlrpc: {{path: /RPC2}}\n"));
    host.add_account("admin");
    host.add_account("ann");
    host.install("hello", &[]);
    host
}

/// What Python's client makes of these calls.
pub(super) fn python(host: &Host, calls: &Value) -> Vec<Value> {
    let script = root().join("tests/interfaces/xmlrpc_standard.py");
    let url = format!("http://{}/RPC2", host.address());
    let ran = run(Command::new("python3").arg(script).args([url.as_str(), PASSWORD]), &calls.to_string());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    serde_json::from_str(&ran.stdout).unwrap()
}

/// A call, and what must come of it: a result, or the code of a fault and a part of its text.
type Row<'a> = (Value, Result<Value, (i32, &'a str)>);

#[track_caller]
fn check(host: &Host, rows: &[Row<'_>]) {
    let calls: Vec<&Value> = rows.iter().map(|(call, _)| call).collect();
    for ((call, expected), answer) in rows.iter().zip(python(host, &json!(calls))) {
        match expected {
            Ok(result) => assert_eq!(answer.get("result"), Some(result), "{call}: {answer}"),
            Err((code, text)) => {
                assert_eq!(answer["fault"], json!(code), "{call}: {answer}");
                let shown = answer["text"].as_str().unwrap();
                assert!(shown.starts_with(&format!("Error {code}\n")) && shown.contains(text), "{call}: {shown}");
            }
        }
    }
}

/// A `methodCall` as raw bytes.
fn post(host: &Host, body: impl Into<Vec<u8>>) -> Answer {
    host.request("POST", "/RPC2").header("content-type", "text/xml").body(body).send()
}

fn call(method: &str, parameters: &str) -> String {
    format!("<methodCall><methodName>{method}</methodName><params>{parameters}</params></methodCall>")
}

/// The code of the fault in an answer.
#[track_caller]
fn fault(answer: &Answer) -> i32 {
    let text = answer.text();
    assert_eq!((answer.status, answer.header("content-type")), (200, "text/xml; charset=utf-8"), "{text}");
    let code = text.split("<name>faultCode</name><value><int>").nth(1);
    let code = code.and_then(|rest| rest.split('<').next()?.parse().ok());
    assert!(code.is_some(), "no fault: {text}");
    code.unwrap()
}

#[test]
fn pythons_own_client_calls_commands() {
    let host = host();
    let ann = json!({"user": "ann", "host": "localhost"});
    let text = "Ada \u{1f600} <&> ]]>\n";
    check(
        &host,
        &[
            (json!(["hello", ["$ann", {"name": text}]]), Ok(json!({"result": format!("Hello, {text}!")}))),
            (json!(["check_account", [ann]]), Ok(json!({"res": 0}))),
            (json!(["check_account", [{"user": "bob", "host": "localhost"}]]), Ok(json!({"res": 1}))),
            (
                json!(["registered_users", ["$admin", {"host": "localhost"}]]),
                Ok(json!({"users": [{"username": "admin"}, {"username": "ann"}]})),
            ),
            (
                json!(["modules_installed", ["$admin"]]),
                Ok(
                    json!({"modules": [{"name": "hello", "summary": "Greets people: the template for a first plugin"}]}),
                ),
            ),
            (
                json!(["register", ["$admin", {"user": "bob", "host": "localhost", "password": "a few words"}]]),
                Ok(json!({"res": 0, "text": "User bob@localhost successfully registered"})),
            ),
        ],
    );
}

#[test]
fn each_mistake_has_its_fault() {
    let host = host();
    check(
        &host,
        &[
            (json!(["check_account", [{"user": "ann"}]]), Err((-116, "invalid-arguments: /host: is required"))),
            (json!(["check_account", []]), Err((-116, "/user: is required"))),
            (
                json!(["check_account", [{"user": "ann", "host": "localhost", "x": 1}]]),
                Err((-120, "/x: is not allowed here")),
            ),
            (json!(["check_account", [{"user": 5, "host": "localhost"}]]), Err((-122, "/user"))),
            (json!(["check_account", ["ann", "localhost"]]), Err((-112, "expected one parameter"))),
            (json!(["check_account", ["ann"]]), Err((-112, "the arguments must be one struct"))),
            (json!(["hello", [{"name": "Ada"}]]), Err((-118, "unauthenticated: authentication required"))),
            (json!(["no_such_command", []]), Err((-118, "unauthenticated"))),
            (json!(["no_such_command", ["$ann"]]), Err((-32601, "unknown-command"))),
            (json!(["helo", ["$admin"]]), Err((-32601, "did you mean `hello`?"))),
            (json!(["hello", ["$wrong", {"name": "Ada"}]]), Err((-118, "the presented credential is not valid"))),
            (json!(["hello", ["$twice", {"name": "Ada"}]]), Err((-118, "the presented credential is not valid"))),
            (json!(["stop", ["$ann", {"x": "y"}]]), Err((-118, "forbidden"))),
            (
                json!(["register", ["$admin", {"user": "ann", "host": "localhost", "password": "x"}]]),
                Err((-118, "conflict: User ann@localhost already registered")),
            ),
            (json!(["system.multicall", [[]]]), Err((-32601, "send calls one by one"))),
        ],
    );
}

#[test]
fn values_keep_their_types() {
    let host = host();
    host.install("typed_tools", &[]);
    let call = |method: &str, arguments: Value| json!([method, ["$admin", arguments]]);
    let result = |value: Value| Ok(json!({ "result": value }));
    let text = json!({"$base64": "SGVsbG8="});
    check(
        &host,
        &[
            (call("greet", json!({"who": {"full_name": "Ada", "age": 36}})), result(json!("Hello, Ada (36)!"))),
            (call("greet", json!({"who": {"full_name": "Ada", "age": null}})), result(json!("Hello, Ada!"))),
            (call("divide", json!({"dividend": 7, "divisor": -2})), result(json!(-3))),
            // Beyond 32 bits Python's client sends no numbers, and takes them.
            (call("divide", json!({"dividend": "4294967296", "divisor": 1})), result(json!(4_294_967_296_i64))),
            (
                call("divide", json!({"dividend": "9223372036854775807", "divisor": 1})),
                result(json!("9223372036854775807")),
            ),
            (call("divide", json!({"dividend": 1, "divisor": 0})), Err((-118, "command-failed"))),
            (call("rot13", json!({ "text": text })), result(json!({"$base64": "VXJ5eWI="}))),
            (call("areas", json!({"shapes": ["dot", {"circle": 2.0}]})), result(json!([0.0, 12.0]))),
            (call("root", json!({"of": 2.25})), result(json!(1.5))),
            (call("root", json!({"of": 4})), result(json!(2.0))),
            (call("big", json!({"exponent": 40})), result(json!(1_099_511_627_776_i64))),
            (call("big", json!({"exponent": 64})), result(json!("18446744073709551615"))),
            (call("both", json!({"one": ["read", "write_all"], "other": ["read"]})), result(json!(["read"]))),
            (call("both", json!({"one": [{"right": "read"}], "other": ["read"]})), result(json!(["read"]))),
            (
                call("greet", json!({"who": {"full_name": {"$time": "19980717T14:08:55"}}})),
                result(json!("Hello, 19980717T14:08:55!")),
            ),
            (call("greet", json!({"who": {"full_name": true}})), Err((-122, "/who/full_name"))),
        ],
    );
}

#[test]
fn methods_are_told_to_who_may_call_them() {
    let host = host();
    let names = |login: &[&str]| {
        let answers = python(&host, &json!([["system.listMethods", login]]));
        answers[0]["result"]
            .as_array()
            .unwrap()
            .iter()
            .map(|name| name.as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let system = ["system.listMethods", "system.methodHelp", "system.methodSignature"];
    assert_eq!(names(&[]), [&["check_account"], &system[..]].concat());
    assert_eq!(names(&["$ann"]), [&["check_account", "hello", "status"], &system[..]].concat());
    assert!(names(&["$admin"]).len() > 30);
    check(
        &host,
        &[
            (
                json!(["system.methodHelp", ["$ann", "hello"]]),
                Ok(json!(
                    "Greets a person by name\n\nThe simplest command there is. Copy this plugin to begin your own."
                )),
            ),
            (json!(["system.methodHelp", ["$ann", "stop"]]), Err((-118, "forbidden"))),
            (json!(["system.methodHelp", ["$ann", "nothing"]]), Err((-32601, "unknown-command"))),
            (json!(["system.methodHelp", ["stop"]]), Err((-118, "unauthenticated"))),
            (json!(["system.methodHelp", []]), Err((-112, "one parameter, a string"))),
            (json!(["system.methodHelp", ["system.listMethods"]]), Ok(json!("Lists the methods the caller may call"))),
            (
                json!(["system.methodSignature", ["$ann", "hello"]]),
                Ok(json!([["struct", "struct"], ["struct", "struct", "struct"]])),
            ),
            (json!(["system.methodSignature", ["$admin", "stop"]]), Ok(json!([["struct"], ["struct", "struct"]]))),
            (json!(["system.listMethods", ["$wrong"]]), Err((-118, "not valid"))),
        ],
    );
}

#[test]
fn a_library_for_ejabberd_works() {
    let host = host();
    let script = root().join("tests/interfaces/xmlrpc_ejabberd.py");
    let port = host.address().rsplit(':').next().unwrap().to_owned();
    let ran = run(Command::new(tool("xmpp/bin/python")).arg(script).args([port.as_str(), PASSWORD]), "");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let answers: Value = serde_json::from_str(&ran.stdout).unwrap();
    insta::assert_json_snapshot!("ejabberd_library", answers);
}

#[test]
fn credentials_come_in_the_header_too() {
    let host = host();
    let name = "<param><value><struct><member><name>name</name><value>Ada</value></member></struct></value></param>";
    let hello = call("hello", name);
    let send = |request: tests::Request<'_>| request.header("content-type", "text/xml").body(hello.clone()).send();
    assert!(send(host.request("POST", "/RPC2").as_user("ann")).text().contains("Hello, Ada!"));
    assert_eq!(fault(&send(host.request("POST", "/RPC2").basic("ann@localhost", "wrong"))), -118);
    let issued =
        host.call("admin", "oauth_issue_token", &json!({"jid": "ann@localhost", "ttl": 60, "scopes": ["hello"]}));
    let token = issued.value()["token"].as_str().unwrap().to_owned();
    assert_eq!(fault(&send(host.request("POST", "/RPC2").bearer(&token))), -118, "no rule speaks of tokens");
    // A token beside the account it is of, as ejabberd takes it.
    let login = |user: &str| {
        let member = |name: &str, value: &str| format!("<member><name>{name}</name><value>{value}</value></member>");
        let members = [member("user", user), member("server", "localhost"), member("token", &token)].concat();
        post(&host, call("hello", &format!("<param><value><struct>{members}</struct></value></param>{name}")))
    };
    assert!(login("ann").text().contains("forbidden"));
    assert!(login("admin").text().contains("the presented credential is not valid"), "somebody else's token");
    // In both places at once it is nobody's.
    let both = host.request("POST", "/RPC2").as_user("ann").header("content-type", "text/xml");
    let member = |name: &str, value: &str| format!("<member><name>{name}</name><value>{value}</value></member>");
    let members = [member("user", "ann"), member("server", "localhost"), member("password", PASSWORD)].concat();
    let both = both.body(call("hello", &format!("<param><value><struct>{members}</struct></value></param>{name}")));
    assert!(both.send().text().contains("the presented credential is not valid"));
}

#[test]
fn xmlrpc_is_off_until_it_is_configured() {
    let host = Host::start();
    assert_eq!(post(&host, call("check_account", "")).verdict(), "404 no-such-address");
}

#[test]
fn only_posts_of_xml_are_taken() {
    let host = host();
    for (method, kind, verdict) in [
        ("GET", "text/xml", "405 method-not-allowed"),
        ("PUT", "text/xml", "405 method-not-allowed"),
        ("DELETE", "text/xml", "405 method-not-allowed"),
        ("OPTIONS", "text/xml", "204"),
        ("POST", "application/json", "415"),
        ("POST", "application/x-www-form-urlencoded", "415"),
        ("POST", "text/xml; charset=utf-8", "200"),
        ("POST", "application/xml", "200"),
    ] {
        let body = call("system.listMethods", "");
        let answer = host.request(method, "/RPC2").header("content-type", kind).body(body).send();
        assert_eq!(answer.verdict(), verdict, "{method} {kind}");
        assert!(answer.status != 405 || answer.header("allow") == "POST, OPTIONS");
        assert!(!answer.header("x-request-id").is_empty());
    }
}

#[test]
fn documents_that_are_no_calls_get_a_fault() {
    let host = host();
    let value = |inner: &str| call("check_account", &format!("<param><value>{inner}</value></param>"));
    let user = "<member><name>user</name><value>a</value></member>";
    for (body, code) in [
        (String::new(), -32700),
        ("hello".to_owned(), -32700),
        ("<methodCall>".to_owned(), -32700),
        ("<?xml version=\"1.0\" encoding=\"utf-16\"?><methodCall/>".to_owned(), -32700),
        ("<methodCall/>".to_owned(), -32600),
        ("<methodResponse><methodName>status</methodName></methodResponse>".to_owned(), -32600),
        (call("check_account", "<x/>"), -112),
        (call("check_account", "<param><x/></param>"), -112),
        (value("<x/>"), -112),
        (value("<struct><x/></struct>"), -112),
        (value(&format!("<struct>{user}{user}</struct>")), -114),
        (value("<struct><member><name>user</name><value><int>x</int></value></member></struct>"), -122),
        (call("", ""), -118),
        (call("../../etc/passwd", ""), -118),
    ] {
        assert_eq!(fault(&post(&host, body.clone())), code, "{body}");
    }
    // A client of the last century: its text is ISO 8859-1.
    let old = b"<?xml version='1.0' encoding='iso-8859-1'?><methodCall><methodName>register</methodName><params><param><value>\
        <struct><member><name>user</name><value>J\xfcrgen</value></member><member><name>host</name><value>localhost</value>\
        </member><member><name>password</name><value>a few words</value></member></struct></value></param></params></methodCall>";
    let answer = host.request("POST", "/RPC2").as_user("admin").header("content-type", "text/xml").body(old).send();
    assert!(answer.text().contains("User j\u{fc}rgen@localhost successfully registered"), "{}", answer.text());
}

#[test]
fn bombs_of_xml_cost_nothing() {
    let host = host();
    let laughs = "<?xml version='1.0'?><!DOCTYPE lolz [<!ENTITY lol 'lol'><!ENTITY lol2 '&lol;&lol;&lol;&lol;&lol;'>\
        <!ENTITY lol3 '&lol2;&lol2;&lol2;&lol2;'>]><methodCall><methodName>&lol3;</methodName></methodCall>";
    let file =
        "<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><methodCall><methodName>&b;</methodName></methodCall>";
    let nested = |depth: usize| {
        let (open, close) = ("<value><array><data>".repeat(depth), "</data></array></value>".repeat(depth));
        call("check_account", &format!("<param>{open}{close}</param>"))
    };
    let broad = call(
        "check_account",
        &format!("<param><value><array><data>{}</data></array></value></param>", "<value/>".repeat(70_000)),
    );
    let long = call("check_account", &format!("<param><value>{}</value></param>", "x".repeat(1 << 20)));
    let attribute = format!("<methodCall {}='x'/>", "a".repeat(100_000));
    for (body, code) in [
        (laughs.to_owned(), -32700),
        (file.to_owned(), -32700),
        (nested(20), -112),
        (nested(40), -32700),
        (nested(20_000), -32700),
        (broad, -32700),
        (long, -32600),
        (attribute, -32700),
    ] {
        let answer = post(&host, body);
        assert_eq!(fault(&answer), code);
        assert!(!answer.text().contains("root:"));
    }
    let announced = "POST /RPC2 HTTP/1.1\r\nhost: x\r\ncontent-type: text/xml\r\ncontent-length: 1000000000\r\n\r\n";
    assert!(host.raw(announced.as_bytes()).contains("too-large"));
    assert_eq!(host.call("admin", "status", &json!({})).status, 200);
}

#[test]
fn faults_and_the_record_have_no_secrets() {
    let host = host();
    let secret = "hunter2-hunter2";
    let rows = [
        json!(["register", ["$admin", {"user": "ann", "host": "localhost", "password": secret}]]),
        json!(["register", ["$admin", {"user": [secret], "host": "localhost", "password": secret}]]),
        json!(["check_account", [{"user": "ann", "host": "localhost", "password": secret}]]),
        json!(["hello", [{"user": "ann", "server": "localhost", "password": secret}, {"name": "x"}]]),
        json!([secret, ["$wrong"]]),
    ];
    for answer in python(&host, &json!(rows)).iter().take(4) {
        assert!(!answer.to_string().contains(secret) && answer.get("fault").is_some(), "{answer}");
    }
    let audit = host.call("admin", "audit_search", &json!({"limit": 50})).text();
    assert!(audit.contains("\"xmlrpc\"") && !audit.contains(PASSWORD), "{audit}");
    assert_eq!(audit.matches(secret).count(), 1, "what was called as a command is recorded as such: {audit}");
    assert!(!host.log().contains(secret) && !host.log().contains(PASSWORD));
}
