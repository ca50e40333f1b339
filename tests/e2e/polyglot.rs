//! One plugin in four languages, and one scenario for all of them: what an author writes it in makes no difference to its
//! callers. `cargo xtask polyglot` builds those that need other toolchains than Rust's; compiling Python's interpreter takes
//! the host its time.

use serde_json::{Value, json};
use tests::{Host, RULES, component, root};

fn host_with(file: &std::path::Path, name: &str, more: &[&str]) -> Host {
    let rules = "  polyglot: {who: {server: localhost}, what: [poly_greet, poly_whoami]}\n";
    let host = Host::start_with(&format!("{RULES}{rules}limits: {{call_deadline_ms: 180000}}\n"));
    host.add_account("admin");
    host.add_account("ann");
    let words = [&["plugin", "install", file.to_str().unwrap(), "--name", name][..], more].concat();
    let installed = host.cli(&words);
    assert_eq!(installed.code, 0, "{installed:?}");
    host
}

#[track_caller]
fn check(language: &str, file: &std::path::Path) {
    let host = host_with(file, &format!("polyglot-{language}"), &[]);
    let scenario = std::fs::read_to_string(root().join("tests/polyglot/scenario.json")).unwrap();
    let scenario: Value = serde_json::from_str(&scenario).unwrap();
    for call in scenario["calls"].as_array().unwrap() {
        let user = call["as"].as_str().unwrap().replace("nobody", "");
        let answer = host.call(&user, call["command"].as_str().unwrap(), &call["input"]);
        let shown = format!("{language}: {call}\n{} {}", answer.status, answer.text());
        if let Some(result) = call.get("result") {
            assert_eq!((answer.status, &answer.value()), (200, result), "{shown}");
        }
        if let Some(verdict) = call["verdict"].as_str() {
            assert_eq!(answer.verdict(), verdict, "{shown}");
        }
        if let Some(status) = call["status"].as_u64() {
            assert_eq!(u64::from(answer.status), status, "{shown}");
        }
        if let Some(pointer) = call.get("pointer") {
            assert_eq!(&answer.value()["errors"][0]["pointer"], pointer, "{shown}");
        }
        if let Some(detail) = call["detail"].as_str() {
            assert!(answer.value()["detail"].as_str().unwrap_or_default().contains(detail), "{shown}");
        }
    }
}

#[test]
fn polyglot_rust() {
    check("rust", &component("polyglot"));
}

/// As older toolchains build it: a core module, for WASI 0.1.
#[test]
fn polyglot_rust_for_the_older_target() {
    let file = component("polyglot_wasip1");
    assert!(std::fs::read(&file).unwrap().starts_with(b"\0asm\x01\0\0\0"), "a core module");
    check("older", &file);
}

#[test]
fn polyglot_c() {
    let file = component("polyglot_c");
    check("c", &file);
    let host = host_with(&file, "module", &[]);
    let notes = host.call("admin", "modules_details", &json!({})).value()[0]["notes"].clone();
    assert_eq!(notes, json!(["this core module was converted to a component"]));
}

#[test]
fn polyglot_javascript() {
    check("javascript", &component("polyglot_javascript"));
}

#[test]
fn polyglot_python() {
    check("python", &component("polyglot_python"));
}

/// Functions in Python that know nothing of Muster.
#[test]
fn polyglot_typed() {
    let file = component("polyglot_python_typed");
    let wit = root().join("tests/polyglot/python-typed/typed.wit");
    let host = host_with(&file, "texts", &["--wit", wit.to_str().unwrap()]);
    let counted = host.call("admin", "count_words", &json!({"text": "b a \u{1f600} a", "at_most": 2}));
    assert_eq!(counted.value(), json!([{"word": "a", "times": 2}, {"word": "b", "times": 1}]));
    assert_eq!(host.call("admin", "reverse", &json!({"bytes": "aGk="})).value(), "aWg=");
    let refused = host.call("admin", "count_words", &json!({"text": " "}));
    assert_eq!(
        (refused.verdict().as_str(), refused.value()["detail"].clone()),
        ("422 command-failed", json!("there is no word"))
    );
    let help = host.call("admin", "help", &json!({"topic": "count_words"})).value();
    assert_eq!(help[0]["summary"], "Counts words");
}
