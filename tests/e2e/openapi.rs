//! The document at `/openapi.json` and the page at `/docs`, held by those who read such things: a validator, a fuzzer,
//! generators of clients, a browser.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tests::{Answer, Host, PASSWORD, RULES, Ran, root, run, tool};

fn document(host: &Host, user: &str) -> Answer {
    let request = host.request("GET", "/openapi.json");
    if user.is_empty() { request.send() } else { request.as_user(user).send() }
}

fn with_samples() -> Host {
    samples(Host::start())
}

/// As many networks as the proxy likes.
fn behind_a_proxy() -> Host {
    let listen = "listen: [{address: '127.0.0.1:0', trusted_proxies: [127.0.0.0/8]}]";
    let host = Host::start_listening(tempfile::tempdir().unwrap(), &format!("{RULES}\n{listen}\n"));
    host.add_account("admin");
    samples(host)
}

fn samples(host: Host) -> Host {
    host.install("hello", &[]);
    host.install("render", &[]);
    host.install("roster", &["keyvalue"]);
    host
}

fn script(name: &str) -> std::path::PathBuf {
    root().join("tests/interfaces").join(name)
}

#[track_caller]
fn done(ran: &Ran) {
    assert!(ran.code == 0 && ran.stdout.contains("done"), "{}\n{}", ran.stdout, ran.stderr);
}

/// Every operation of a document, with its path and method.
fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let paths = document["paths"].as_object().unwrap().iter();
    let methods = |(path, item): (&String, &Value)| {
        let each = item.as_object().unwrap().iter();
        each.map(|(method, operation)| (path.clone(), method.to_uppercase(), operation.clone())).collect::<Vec<_>>()
    };
    paths.flat_map(methods).collect()
}

#[test]
fn a_command_is_described_once_and_wholly() {
    let host = Host::start();
    host.install("hello", &[]);
    let document = document(&host, "ann").value();
    assert_eq!(document["openapi"], "3.1.0");
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let own: serde_json::Map<_, _> =
        schemas.iter().filter(|(name, _)| name.starts_with("hello.")).map(|(n, s)| (n.clone(), s.clone())).collect();
    insta::assert_json_snapshot!(
        "openapi_hello",
        json!({ "path": document["paths"]["/api/hello"], "schemas": own, "400": document["components"]["responses"]["400"] })
    );
    let mut pinned = document["paths"]["/api/hello/v0"].clone();
    for (method, id) in [("get", "get-hello"), ("post", "hello")] {
        assert_eq!(pinned[method]["operationId"], format!("{id}-v0"));
        pinned[method]["operationId"] = json!(id);
    }
    assert_eq!(pinned, document["paths"]["/api/hello"]);
}

#[test]
fn each_caller_sees_what_they_may_call_and_no_more() {
    let host = Host::start_with(
        "
acl: {admin: {user: admin@localhost}}
api_permissions:
  admins: {who: admin, what: '*'}
  own: {who: {server: localhost}, what: [hello, {command: check_password, where: {user: \"@caller.user\"}}]}
  public: {who: all, what: [check_account]}
",
    );
    host.add_account("admin");
    host.add_account("ann");
    host.install("hello", &[]);
    let paths = |user: &str| -> Vec<String> {
        document(&host, user).value()["paths"].as_object().unwrap().keys().cloned().collect()
    };
    assert_eq!(paths(""), ["/api", "/api/check_account", "/api/check_account/v0"]);
    assert_eq!(
        paths("ann"),
        [
            "/api",
            "/api/check_account",
            "/api/check_account/v0",
            "/api/check_password",
            "/api/check_password/v0",
            "/api/hello",
            "/api/hello/v0"
        ]
    );
    assert!(paths("admin").contains(&"/api/module_install".to_owned()));
    // A document does not name what its reader may not call, anywhere.
    assert!(!document(&host, "ann").text().contains("module_install"));

    let seen = document(&host, "ann").value();
    let operation = |path: &str| &seen["paths"][path]["post"];
    assert_eq!(operation("/api/check_account")["security"][0], json!({}));
    assert_eq!(operation("/api/hello")["security"][0], json!({ "basic": [] }));
    let own = operation("/api/check_password");
    assert!(own["description"].as_str().unwrap().contains("user is @caller.user"), "{own}");
    assert_eq!(own["x-muster"]["only_where"].as_array().unwrap().len(), 1);

    let wrong = host.request("GET", "/openapi.json").basic("ann@localhost", "wrong").send();
    assert_eq!(wrong.verdict(), "401 unauthenticated");
    assert!(wrong.headers("www-authenticate").iter().any(|value| value.contains("resource_metadata")));
    for (method, path, verdict) in [
        ("POST", "/openapi.json", "405 method-not-allowed"),
        ("PUT", "/docs", "405 method-not-allowed"),
        ("OPTIONS", "/openapi.json", "204"),
        ("GET", "/openapi.json?x=1", "400 malformed"),
        ("HEAD", "/openapi.json", "200"),
    ] {
        assert_eq!(host.request(method, path).send().verdict(), verdict, "{method} {path}");
    }
}

/// A scope can name a command. Who may not call it does not read what it is for either.
#[test]
fn what_scopes_are_about_is_said_in_words_of_what_the_reader_may_call() {
    let host = Host::start_with(&format!(
        "{RULES}  tokens: {{from: rest, who: {{oauth: {{scope: [hello, stop], server: localhost}}}}, what: [hello, stop]}}\n"
    ));
    host.add_account("admin");
    let about = |user: &str, scope: &str| {
        let document = document(&host, user).value();
        let flows = &document["components"]["securitySchemes"]["oauth"]["flows"];
        flows["authorizationCode"]["scopes"][scope].as_str().unwrap().to_owned()
    };
    let unsaid = "Use what the rules of this server allow for the scope";
    assert_eq!((about("", "hello"), about("admin", "hello")), (unsaid.to_owned(), unsaid.to_owned()));
    host.install("hello", &[]);
    assert_eq!(about("admin", "hello"), "Greets a person by name");
    assert_ne!(about("admin", "stop"), unsaid);
    assert_eq!((about("", "hello"), about("", "stop")), (unsaid.to_owned(), unsaid.to_owned()));
    assert_eq!(host.cli(&["plugin", "uninstall", "hello"]).code, 0);
    assert_eq!(about("admin", "hello"), unsaid);
}

#[test]
fn a_document_that_did_not_change_is_not_sent_again() {
    let host = Host::start();
    let first = document(&host, "ann");
    let tag = first.header("etag").to_owned();
    assert_eq!((first.header("cache-control"), first.header("vary")), ("private, no-cache", "Authorization"));
    let again = |user: &str, tag: &str| {
        let request = host.request("GET", "/openapi.json").header("if-none-match", tag);
        if user.is_empty() { request.send() } else { request.as_user(user).send() }
    };
    for known in [tag.as_str(), "*", &format!("\"x\", W/{tag}")] {
        let same = again("ann", known);
        assert_eq!((same.status, same.header("etag"), same.bytes.len()), (304, tag.as_str(), 0), "{known}");
    }
    assert_eq!(again("admin", &tag).status, 200);
    assert_eq!(again("", &tag).status, 200);
    host.install("hello", &[]);
    let changed = again("ann", &tag);
    assert_eq!(changed.status, 200);
    assert!(changed.value()["paths"]["/api/hello"].is_object());
    assert_eq!(host.cli(&["plugin", "uninstall", "hello"]).code, 0);
    assert_eq!(document(&host, "ann").header("etag"), tag);
}

#[test]
fn an_operation_that_needs_a_credential_is_not_done_without() {
    let host = with_samples();
    let document = document(&host, "admin").value();
    let mut open = Vec::new();
    for (path, method, operation) in operations(&document) {
        if path == "/api" {
            continue;
        }
        let answer = host.request(&method, &path).json(&json!({})).send();
        let needs = !operation["security"].as_array().unwrap().contains(&json!({}));
        assert_eq!(answer.code() == "unauthenticated", needs, "{method} {path}: {}", answer.verdict());
        if !needs && !open.contains(&operation["x-muster"]["command"]) {
            open.push(operation["x-muster"]["command"].clone());
        }
    }
    assert_eq!(open, ["check_account"]);
}

#[test]
fn a_validator_finds_nothing() {
    let host = with_samples();
    let folder = tempfile::tempdir().unwrap();
    for user in ["", "ann", "admin"] {
        let file = folder.path().join(format!("{user}.json"));
        fs::write(&file, document(&host, user).bytes).unwrap();
        let ran = run(Command::new(tool("python/bin/openapi-spec-validator")).arg(&file), "");
        assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
    }
}

/// Runs schemathesis with its checks as `tests/interfaces/schemathesis.toml` has them, and more words.
fn fuzz(host: &Host, words: &[&str]) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(script("schemathesis.toml"), folder.path().join("schemathesis.toml")).unwrap();
    let file = folder.path().join("openapi.json");
    fs::write(&file, document(host, "admin").bytes).unwrap();
    let token = host.cli(&["key", "create", "admin@localhost", "fuzzer", "--scope", "*"]);
    assert_eq!(token.code, 0, "{token:?}");
    let mut fuzzer = Command::new(tool("python/bin/schemathesis"));
    fuzzer.env("SCHEMATHESIS_HOOKS", script("schemathesis_hooks.py"));
    fuzzer.current_dir(folder.path()).arg("run").arg(file).args(["--url", &host.urls()[0], "--no-color"]);
    fuzzer.args(["--header", &format!("Authorization: Bearer {}", token.stdout.trim())]);
    // The same cases every time: whoever changes nothing finds nothing new.
    run(fuzzer.args(["--seed", "1", "--generation-deterministic", "--workers", "1"]).args(words), "")
}

#[test]
fn a_fuzzer_finds_the_document_true() {
    let host = behind_a_proxy();
    // Two commands end the host, and one removes the plugins the others ask.
    let without = ["--exclude-path-regex", "/api/(stop|restart|module_uninstall)(/|$)"];
    let ran = fuzz(&host, &[&without[..], &["--max-examples", "5"]].concat());
    assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
    assert_eq!(host.call("admin", "status", &json!({})).status, 200, "the fuzzer ended the host");
    let count = |name: &str| host.call("admin", "stats", &json!({ "name": name })).value().as_u64().unwrap();
    assert!(
        count("loginfailures") > 50 && count("loginsthrottled") == 0,
        "wrong credentials were tried, and refused as such"
    );
}

/// Where a schema says everything there is to say about the arguments, whatever satisfies it is taken.
#[test]
fn a_fuzzer_finds_that_what_satisfies_a_schema_is_taken() {
    let host = behind_a_proxy();
    let strict =
        ["--include-path-regex", "/api/(hello|render_markdown|status|help|modules_details|permissions_matrix)(/|$)"];
    let ran = fuzz(&host, &[&strict[..], &["--max-examples", "20", "--checks", "positive_data_acceptance"]].concat());
    assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
}

#[test]
fn a_generated_client_in_python_calls_commands() {
    let host = with_samples();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("openapi.json");
    fs::write(&file, document(&host, "admin").bytes).unwrap();
    let mut generator = Command::new(tool("python/bin/openapi-python-client"));
    generator.current_dir(folder.path()).args(["generate", "--meta", "none", "--output-path", "client", "--path"]);
    let generated = run(generator.arg(&file), "");
    let said = format!("{}{}", generated.stdout, generated.stderr);
    assert_eq!(generated.code, 0, "{said}");
    assert!(!said.contains("WARNING parsing"), "{said}");
    let mut client = Command::new(tool("python/bin/python"));
    let client = client.arg(script("openapi_client.py")).arg(&host.urls()[0]).arg(folder.path());
    done(&run(client, &format!("{PASSWORD}\n")));
}

#[test]
fn a_generated_client_in_typescript_calls_commands() {
    let host = with_samples();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("openapi.json"), document(&host, "admin").bytes).unwrap();
    fs::copy(script("openapi_client.ts"), at("client.ts")).unwrap();
    fs::write(at("package.json"), "{\"type\": \"module\"}").unwrap();
    std::os::unix::fs::symlink(tool("node_modules"), at("node_modules")).unwrap();
    let node = |words: &[&str], input: &str| {
        let mut node = Command::new("node");
        run(node.current_dir(folder.path()).args(words), input)
    };
    let generated = node(&["node_modules/openapi-typescript/bin/cli.js", "openapi.json", "-o", "schema.ts"], "");
    assert_eq!(generated.code, 0, "{generated:?}");
    let options =
        ["--strict", "--target", "es2022", "--module", "nodenext", "--moduleResolution", "nodenext", "--types", "node"];
    let compiled = node(&[&["node_modules/typescript/bin/tsc"], &options[..], &["client.ts"]].concat(), "");
    assert_eq!(compiled.code, 0, "{}\n{}", compiled.stdout, compiled.stderr);
    done(&node(&["client.js", &host.urls()[0]], PASSWORD));
}

#[test]
fn a_person_tries_a_command_in_a_browser() {
    let host = Host::start_with(&format!("{RULES}  numbers: {{who: {{server: localhost}}, what: [divide]}}\n"));
    host.add_account("ann");
    host.install("hello", &[]);
    host.install("typed_tools", &[]);
    // For whoever wants to look at them.
    let pictures = root().join("target/pictures");
    fs::create_dir_all(&pictures).unwrap();
    let mut node = Command::new("node");
    let node = node.arg(script("page.mjs")).arg(tool("node_modules")).arg(Path::new("/usr/bin/chromium"));
    done(&run(node.arg(&host.urls()[0]).arg(pictures), PASSWORD));
}

#[test]
fn the_page_is_the_same_for_everybody_and_needs_nothing_from_elsewhere() {
    let host = Host::start();
    for (path, kind) in [("/docs", "text/html"), ("/docs/page.css", "text/css"), ("/docs/page.js", "text/javascript")] {
        let answer = host.request("GET", path).send();
        assert_eq!(answer.status, 200);
        assert!(answer.header("content-type").starts_with(kind), "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(host.request("GET", path).as_user("admin").send().bytes, answer.bytes);
        assert!(!answer.text().contains("://"), "{path} names another place");
        assert!(answer.bytes.len() < 32 << 10, "{path} is large");
        let known = host.request("GET", path).header("if-none-match", answer.header("etag")).send();
        assert_eq!(known.status, 304);
    }
    let page = host.request("GET", "/docs").send();
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    assert!(!page.text().contains("<style") && !page.text().contains(" style="), "a style in place");
}
