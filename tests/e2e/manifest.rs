//! What an author puts into a component: looked at before anything runs, held against the plugin when it runs.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tests::{Host, Ran, binary, component, run};

/// The command line without a host.
fn muster(words: &[&str]) -> Ran {
    run(Command::new(binary()).args(words), "")
}

/// The component `name` packed with this `muster.toml`, in `directory`.
fn packed(directory: &Path, name: &str, manifest: &str) -> PathBuf {
    let (toml, output) = (directory.join(format!("{name}.toml")), directory.join(format!("{name}.packed.wasm")));
    std::fs::write(&toml, manifest).unwrap();
    let (toml, target) = (toml.to_str().unwrap(), output.to_str().unwrap());
    let source = unpacked(directory, name);
    let ran = muster(&["plugin", "pack", source.to_str().unwrap(), "--manifest", toml, "--to", target]);
    assert_eq!(ran.code, 0, "{ran:?}");
    output
}

/// The component `name` without a manifest, which may have been packed already: its section is the last one.
fn unpacked(directory: &Path, name: &str) -> PathBuf {
    let bytes = std::fs::read(component(name)).unwrap();
    let at = bytes.windows(15).rposition(|window| window == b"muster:manifest");
    let path = directory.join(format!("{name}.wasm"));
    // Before the name: its length, and the section's length (LEB128) and id 0.
    let start = at.map_or(bytes.len(), |at| bytes[..at - 1].iter().rposition(|byte| *byte == 0).unwrap());
    std::fs::write(&path, &bytes[..start]).unwrap();
    path
}

#[test]
fn a_packed_component_tells_everything_without_running() {
    let directory = tempfile::tempdir().unwrap();
    let file = packed(directory.path(), "roster", "requests = [\"keyvalue\", \"command:status\"]\n");
    let file = file.to_str().unwrap();
    let ran = muster(&["--json", "plugin", "inspect", file]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let about: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(about["requests"], json!(["keyvalue", "command:status"]));
    let names: Vec<&str> =
        about["commands"].as_array().unwrap().iter().map(|command| command["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"add_rosteritem"), "{names:?}");
    assert_eq!(about["commands"][0]["input"]["type"], "object");
    assert!(about["digest"].as_str().unwrap().starts_with("sha256:"));
    assert!(about["producers"].as_array().unwrap().iter().any(|tool| tool.as_str().unwrap().contains("Rust")));
    let page = muster(&["plugin", "inspect", file]);
    assert!(page.stdout.contains("add_rosteritem") && page.stdout.contains("keyvalue"), "{}", page.stdout);

    // The same over HTTP, from a server of our own.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/roster.wasm", listener.local_addr().unwrap());
    let bytes = std::fs::read(file).unwrap();
    let server = std::thread::spawn(move || {
        use std::io::{Read, Write};
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]);
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", bytes.len());
        stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&bytes)).unwrap();
    });
    let fetched = muster(&["--json", "plugin", "inspect", &address]);
    server.join().unwrap();
    let fetched: Value = serde_json::from_str(&fetched.stdout).unwrap();
    assert_eq!(fetched["digest"], about["digest"]);
    assert_eq!(muster(&["plugin", "inspect", "http://127.0.0.1:1/x.wasm"]).code, 5);
}

#[test]
fn what_is_asked_for_can_be_granted_at_once() {
    let (host, directory) = (Host::start(), tempfile::tempdir().unwrap());
    let file = packed(directory.path(), "counter", "requests = [\"keyvalue\"]\n");
    let file = file.to_str().unwrap();
    let refused = host.cli(&["plugin", "install", file]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.stderr.contains("needs the grant `keyvalue`"), "{}", refused.stderr);
    assert_eq!(host.cli(&["plugin", "install", file, "--grant-requested"]).code, 0);
    assert_eq!(host.call("admin", "counter", &json!({})).value(), json!(1));
}

#[test]
fn a_plugin_that_describes_something_else_is_not_loaded() {
    let (host, directory) = (Host::start(), tempfile::tempdir().unwrap());
    let file = packed(directory.path(), "hello", "");
    let mut bytes = std::fs::read(&file).unwrap();
    let manifest = bytes.windows(15).rposition(|window| window == b"muster:manifest").unwrap();
    let summary = bytes[manifest..].windows(10).position(|window| window == b"\"summary\":").unwrap() + manifest + 11;
    bytes[summary] = b'X';
    std::fs::write(&file, bytes).unwrap();
    let refused = host.cli(&["plugin", "install", file.to_str().unwrap()]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.stderr.contains("`hello` is not as the manifest has it"), "{}", refused.stderr);
    let again = packed(directory.path(), "hello", "");
    let twice = muster(&["plugin", "pack", again.to_str().unwrap()]);
    assert!(twice.code == 1 && twice.stderr.contains("there is one already"), "{twice:?}");
}

#[test]
fn settings_are_checked_and_secrets_are_kept() {
    let (mut host, directory) = (Host::start(), tempfile::tempdir().unwrap());
    let manifest = "
[settings.retries]
type = \"integer\"
maximum = 5
default = 3
description = \"How often it tries\"
[settings.api_key]
type = \"string\"
secret = true
required = true
";
    let file = packed(directory.path(), "settings", manifest);
    let file = file.to_str().unwrap();
    let install = |settings: &[&str]| {
        let mut words = vec!["plugin", "install", file];
        for setting in settings {
            words.extend(["--set", setting]);
        }
        host.cli(&words)
    };
    for (settings, part) in [
        (&[][..], "api_key"),
        (&["api_key=s3cret-value", "retries=6"], "/retries"),
        (&["api_key=s3cret-value", "retrys=1"], "it reads `api_key`, `retries`"),
    ] {
        let refused = install(settings);
        assert_eq!(refused.code, 1, "{refused:?}");
        assert!(refused.stderr.contains(part), "{settings:?} {}", refused.stderr);
        assert!(!refused.stderr.contains("s3cret-value"));
    }
    let secret = directory.path().join("secret");
    std::fs::write(&secret, "s3cret-value\n").unwrap();
    let installed = install(&[&format!("api_key=@{}", secret.display())]);
    assert_eq!(installed.code, 0, "{installed:?}");
    let read = |host: &Host, name: &str| host.call("admin", "settings", &json!({ "name": name })).value();
    assert_eq!(read(&host, "api_key"), json!({"listed": ["retries"], "named": "s3cret-value"}));
    assert_eq!(read(&host, "retries"), json!({"listed": ["retries"], "named": "3"}));
    host.crash_and_restart();
    assert_eq!(read(&host, "api_key")["named"], "s3cret-value");
    let details = host.call("admin", "modules_details", &json!({"module": "settings"}));
    assert_eq!(details.value()[0]["settings"], json!({"api_key": "***"}));
    let audit = host.cli(&["--json", "audit", "tail", "-n", "100"]);
    assert!(!audit.stdout.contains("s3cret-value") && !host.log().contains("s3cret-value"));
    assert!(host.log().contains(r#"`api_key` is Some(\"***\")"#), "what the guest logs: {}", host.log());
}

#[test]
fn a_rehearsal_finds_what_leaks() {
    let leak = component("leak");
    let ran = muster(&["--json", "plugin", "test", leak.to_str().unwrap(), "--command", "leak"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let rows: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(rows[0]["outcome"], "leak", "{rows}");
    assert!(rows[0]["detail"].as_str().unwrap().contains("a fresh instance answers 1, one that served other calls"));
    for (plugin, grants) in [("hello", &[][..]), ("render", &[]), ("roster", &["--grant", "keyvalue"])] {
        let file = component(plugin);
        let ran = muster(&[&["--json", "plugin", "test", file.to_str().unwrap()], grants].concat());
        let rows: Value = serde_json::from_str(&ran.stdout).unwrap();
        assert!(rows.as_array().unwrap().iter().all(|row| row["outcome"] != "leak"), "{plugin} {rows}");
    }
    let none = muster(&["plugin", "test", component("spin").to_str().unwrap()]);
    assert!(none.code == 1 && none.stderr.contains("no command of this plugin has an example"), "{none:?}");
}
