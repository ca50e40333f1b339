//! The command line: what it prints, to whom, and with which exit code.

use std::fmt::Write as _;

use serde_json::Value;
use tests::{Host, component};

#[test]
fn help_texts_are_reviewed() {
    let host = Host::start();
    host.install("hello", &[]);
    let mut page = String::new();
    for words in [
        &["--help"][..],
        &["serve", "--help"],
        &["plugin", "--help"],
        &["plugin", "install", "--help"],
        &["help", "hello"],
        &["call", "hello", "--help"],
        &["help", "tags"],
    ] {
        let ran = host.cli(words);
        assert_eq!(ran.code, 0, "{ran:?}");
        let lines: Vec<&str> = ran.stdout.lines().map(str::trim_end).collect();
        writeln!(page, "$ muster {}\n{}\n", words.join(" "), lines.join("\n")).unwrap();
    }
    insta::assert_snapshot!("help", page);
}

#[test]
fn exit_codes_tell_what_went_wrong() {
    let host = Host::start();
    host.install("hello", &[]);
    host.install("trap", &[]);
    let broken = host.data().join("broken.wasm");
    std::fs::write(&broken, "no wasm").unwrap();
    let rows: &[(&[&str], i32, &str)] = &[
        (&["call", "hello", "name=Ada"], 0, ""),
        (&["call", "register", "user=ann", "host=localhost", "password=x"], 1, "already registered"),
        (&["plugin", "install", broken.to_str().unwrap()], 1, "not a WebAssembly file"),
        (&["call", "hello"], 2, "/name: is required"),
        (&["call", "hello", "nam=x", "name=y"], 2, "/nam: is not an argument here"),
        (&["call", "hello", "name"], 2, "`name` is not an argument"),
        (&["call", "hello", "{"], 2, "not usable JSON"),
        (&["frobnicate"], 2, "unrecognized subcommand"),
        (&["account", "add", "ann"], 2, "user@host"),
        (&["--url", "ftp://x", "call", "hello"], 2, "is not a URL"),
        (&["--url", "http://127.0.0.1:1", "call", "hello", "{}"], 3, "no host answers at 127.0.0.1:1"),
        (&["--data", "/nowhere", "call", "hello", "{}"], 3, "start one with `muster serve`"),
        (&["--url", &format!("http://{}", host.address()), "call", "stop", "{}"], 4, "needs a credential"),
        (&["call", "helo", "{}"], 5, "did you mean `hello`?"),
        (&["help", "nothing"], 5, "matches `nothing`"),
        (&["plugin", "uninstall", "nothing"], 5, "there is no plugin `nothing`"),
        (&["plugin", "inspect", "/nowhere.wasm"], 5, "cannot be read"),
        (&["call", "trap"], 6, "at fault"),
    ];
    for (words, code, text) in rows {
        let ran = host.cli(words);
        assert_eq!(ran.code, *code, "{words:?} {ran:?}");
        assert!(ran.stderr.contains(text), "{words:?} {ran:?}");
        assert_eq!(ran.stdout.is_empty(), *code != 0, "{words:?} {ran:?}");
    }
}

#[test]
fn scripts_get_json() {
    let host = Host::start();
    let value = |words: &[&str]| serde_json::from_str::<Value>(&host.cli(words).stdout).unwrap();
    assert_eq!(value(&["--json", "plugin", "install", component("hello").to_str().unwrap()])["name"], "hello");
    assert_eq!(value(&["plugin", "list", "--json"])[0]["commands"][0], "hello");
    assert_eq!(value(&["account", "list", "--json"]), serde_json::json!(["admin", "ann"]));
    assert_eq!(value(&["help", "hello", "--json"])[0]["input"]["properties"]["name"]["type"], "string");
    assert_eq!(value(&["call", "hello", "name=5", "--json"]), "Hello, 5!");
    let refused = host.cli(&["call", "hello", "{}", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&refused.stderr).unwrap()["code"], "invalid-arguments");
}

#[test]
fn arguments_can_come_from_standard_input() {
    let host = Host::start();
    host.install("hello", &[]);
    assert_eq!(host.cli_with_input(&["call", "hello", "-"], r#"{"name": "Ada"}"#).stdout, "Hello, Ada!\n");
}

#[test]
fn a_component_is_inspected_without_a_host() {
    let nowhere = |words: &[&str]| {
        let mut command = std::process::Command::new(tests::binary());
        tests::run(command.args(["--data", "/nowhere"]).args(words), "")
    };
    let roster = component("roster");
    let ran = nowhere(&["--json", "plugin", "inspect", roster.to_str().unwrap()]);
    let value: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((value["name"].as_str(), &value["requests"]), (Some("roster"), &serde_json::json!(["keyvalue"])));
    assert!(value["digest"].as_str().unwrap().starts_with("sha256:"));
    for shell in ["bash", "zsh", "fish"] {
        assert!(nowhere(&["completion", shell]).stdout.contains("muster"));
    }
}

#[test]
fn the_configuration_is_checked_before_anything_is_opened() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let file = directory.path().join("muster.yaml");
    std::fs::write(&file, "listen: 127.0.0.1:0\nhots: [localhost]\n").unwrap();
    let words = ["--data", data.to_str().unwrap(), "serve", "--config", file.to_str().unwrap()];
    let ran = tests::run(std::process::Command::new(tests::binary()).args(words), "");
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("muster.yaml:2:1: unknown key `hots`; did you mean `hosts`?"), "{ran:?}");
    assert!(!data.exists());
}
