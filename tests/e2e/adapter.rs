//! Components that know nothing of Muster: their functions are commands, with checked arguments, documents and rights.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tests::{Host, component, root};

/// A component with functions of every kind, under the rule that `ann` may call two of its commands.
fn host_with_tools(wit: bool) -> Host {
    let host = Host::start();
    let (file, docs) = (component("typed_tools"), root().join("tests/guests/typed-tools.wit"));
    let mut words = vec!["plugin", "install", file.to_str().unwrap(), "--name", "tools"];
    if wit {
        words.extend(["--wit", docs.to_str().unwrap()]);
    }
    let installed = host.cli(&words);
    assert_eq!(installed.code, 0, "{installed:?}");
    assert!(installed.stdout.starts_with("tools 0.1.0 installed: greet, divide, rot13, areas, big, root, both\n"));
    let skipped = "  `acme:tools/tools@1.2.0#open` is not exported as a command: it uses a resource handle, which is \
                   not supported\n";
    assert!(installed.stdout.contains(skipped), "{installed:?}");
    host
}

#[test]
fn functions_over_plain_data_are_commands() {
    let host = host_with_tools(false);
    for (command, arguments, expected) in [
        ("greet", json!({"who": {"full_name": "Ada \u{1f600}", "age": 36}}), json!("Hello, Ada \u{1f600} (36)!")),
        ("greet", json!({"who": {"full_name": "Ada"}}), json!("Hello, Ada!")),
        ("divide", json!({"dividend": 7, "divisor": -2}), json!(-3)),
        ("divide", json!({"dividend": "-9223372036854775808", "divisor": 1}), json!("-9223372036854775808")),
        ("divide", json!({"dividend": 9_007_199_254_740_992_i64, "divisor": 1}), json!("9007199254740992")),
        ("rot13", json!({"text": "SGVsbG8="}), json!("VXJ5eWI=")),
        (
            "areas",
            json!({"shapes": ["dot", {"circle": 2}, {"box": [4_294_967_295_u32, 2]}]}),
            json!([0.0, 12.0, 8_589_934_590.0]),
        ),
        ("areas", json!({"shapes": []}), json!([])),
        ("big", json!({"exponent": 52}), json!(4_503_599_627_370_496_u64)),
        ("big", json!({"exponent": 53}), json!("9007199254740992")),
        ("big", json!({"exponent": 64}), json!("18446744073709551615")),
        ("root", json!({"of": 2.25}), json!(1.5)),
        ("both", json!({"one": ["write_all", "read"], "other": ["write_all"]}), json!(["write_all"])),
    ] {
        let answer = host.call("admin", command, &arguments);
        assert_eq!((answer.status, answer.value()), (200, expected), "{command} {arguments}");
    }
    for (command, arguments, verdict, pointer) in [
        ("greet", json!({"who": {"full_name": "Ada", "age": 300}}), "400 invalid-arguments", "/who/age"),
        ("greet", json!({"who": {"age": 3}}), "400 invalid-arguments", "/who/full_name"),
        ("greet", json!({"name": "Ada"}), "400 invalid-arguments", "/who"),
        ("divide", json!({"dividend": "9223372036854775808", "divisor": 1}), "400 invalid-arguments", "/dividend"),
        ("rot13", json!({"text": "not base64"}), "400 invalid-arguments", "/text"),
        ("areas", json!({"shapes": [{"circle": "x"}]}), "400 invalid-arguments", "/shapes/0/circle"),
        ("both", json!({"one": ["read", "read"], "other": []}), "400 invalid-arguments", "/one"),
        ("both", json!({"one": ["write-all"], "other": []}), "400 invalid-arguments", "/one/0"),
    ] {
        let answer = host.call("admin", command, &arguments);
        assert_eq!(answer.verdict(), verdict, "{command} {arguments} {}", answer.text());
        let pointers: Vec<Value> =
            answer.value()["errors"].as_array().unwrap().iter().map(|error| error["pointer"].clone()).collect();
        assert!(pointers.contains(&json!(pointer)), "{command} {arguments} {pointers:?}");
    }
    for (command, arguments, verdict, detail) in [
        ("divide", json!({"dividend": 1, "divisor": 0}), "422 command-failed", "\"division_by_zero\""),
        (
            "divide",
            json!({"dividend": "-9223372036854775808", "divisor": -1}),
            "422 command-failed",
            "{\"too_large\":\"s64\"}",
        ),
        ("rot13", json!({"text": ""}), "422 command-failed", "nothing to turn"),
    ] {
        let answer = host.call("admin", command, &arguments);
        let shown = answer.value()["detail"].as_str().unwrap_or_default().trim_matches('"').to_owned();
        assert_eq!((answer.verdict().as_str(), shown.as_str()), (verdict, detail.trim_matches('"')), "{command}");
    }
    // No number is no result.
    let fault = host.call("admin", "root", &json!({"of": -1.0}));
    assert_eq!(fault.verdict(), "502 plugin-invalid-output", "{}", fault.text());
    assert!(host.log().contains("is not a finite number"), "{}", host.log());
    assert_eq!(host.call("ann", "greet", &json!({"who": 5})).verdict(), "403 forbidden");
    assert_eq!(
        host.request("GET", "/api/big?exponent=3").as_user("admin").send().status,
        405,
        "its effects are not known"
    );
    assert_eq!(host.cli(&["call", "divide", "dividend=-9", "divisor=3"]).stdout, "-3\n");
}

#[test]
fn bytes_are_moved_whole_and_can_be_asked_for_raw() {
    let host = host_with_tools(false);
    let bytes = vec![b'a'; 400_000];
    let text = STANDARD.encode(&bytes);
    let request = || host.request("POST", "/api/rot13").as_user("admin").json(&json!({"text": text}));
    let raw = request().header("accept", "application/octet-stream").send();
    assert_eq!((raw.status, raw.header("content-type")), (200, "application/octet-stream"), "{:.200}", raw.text());
    assert!(raw.bytes.len() == bytes.len() && raw.bytes.iter().all(|byte| *byte == b'n'));
}

#[test]
fn docs_given_at_installation_are_kept() {
    let mut host = host_with_tools(true);
    let greet = |host: &Host| {
        let help = host.call("admin", "help", &json!({"topic": "greet"})).value();
        help[0].clone()
    };
    let check = |help: &Value| {
        assert_eq!((&help["summary"], &help["tags"]), (&json!("Greets a person"), &json!(["typed"])), "{help}");
        let shown = help["description"].as_str().unwrap();
        assert_eq!(
            shown,
            "By their full name.\n\nThe function `acme:tools/tools@1.2.0#greet`: `(who: person) -> string`."
        );
        let who = &help["input"]["properties"]["who"];
        assert_eq!(who["properties"]["full_name"]["description"], "What they are called.");
    };
    check(&greet(&host));
    host.crash_and_restart();
    check(&greet(&host));
    assert_eq!(host.call("admin", "greet", &json!({"who": {"full_name": "Ada"}})).value(), "Hello, Ada!");
    let wrong = host.cli(&["plugin", "install", component("typed_tools").to_str().unwrap(), "--wit", "/nowhere"]);
    assert_eq!(wrong.code, 2, "{wrong:?}");
}

#[test]
fn a_component_is_looked_into_without_running_it() {
    let host = Host::start_with("");
    let file = component("typed_tools");
    let shown = host.cli(&["--json", "plugin", "inspect", file.to_str().unwrap()]);
    let shown: Value = serde_json::from_str(&shown.stdout).unwrap();
    let commands = shown["commands"].as_array().unwrap();
    assert_eq!(commands.len(), 7);
    assert_eq!(commands[0]["summary"], "greet(who: person) -> string");
    assert_eq!(commands[0]["input"]["required"], json!(["who"]));
    assert_eq!(commands[2]["output"]["contentEncoding"], "base64");
    let notes = shown["notes"].to_string();
    assert!(notes.contains("`acme:tools/tools@1.2.0#[constructor]file` is not exported as a command"), "{notes}");
    // A function without parameters or result is a command too.
    let plain = component("wrong_world");
    assert_eq!(host.cli(&["plugin", "install", plain.to_str().unwrap()]).code, 0);
    assert_eq!(host.cli(&["--json", "call", "run"]).stdout, "null\n");
}
