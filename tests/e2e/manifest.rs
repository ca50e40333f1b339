//! What an author puts into a component: looked at before anything runs, held against the plugin when it runs.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

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
    assert_eq!(about["settings"], json!([]));
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
    assert!(refused.stderr.contains("`hello` differs from the manifest"), "{}", refused.stderr);
    let again = packed(directory.path(), "hello", "");
    let twice = muster(&["plugin", "pack", again.to_str().unwrap()]);
    assert!(
        twice.code == 1 && twice.stderr.contains("the component is already packed; pack the file that the build wrote"),
        "{twice:?}"
    );
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
    let about: Value = serde_json::from_str(&muster(&["--json", "plugin", "inspect", file]).stdout).unwrap();
    let secret = json!({
        "name": "api_key", "type": "string", "secret": true, "required": true, "default": null, "description": null,
    });
    assert_eq!((&about["settings"][0], &about["settings"][1]["default"]), (&secret, &json!(3)));
    let page = muster(&["plugin", "inspect", file]).stdout;
    for line in ["api_key: string, secret, required\n", "retries: integer, default 3; How often it tries\n"] {
        assert!(page.contains(line), "{page}");
    }
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
        (&["api_key=s3cret-value", "retrys=1"], "its settings are `api_key`, `retries`"),
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
    assert_eq!(rows[0]["outcome"], "leaked-state", "{rows}");
    assert!(rows[0]["detail"].as_str().unwrap().contains("a fresh instance returns 1, a reused instance"));
    for (plugin, grants) in [("hello", &[][..]), ("render", &[]), ("roster", &["--grant", "keyvalue"])] {
        let file = component(plugin);
        let ran = muster(&[&["--json", "plugin", "test", file.to_str().unwrap()], grants].concat());
        let rows: Value = serde_json::from_str(&ran.stdout).unwrap();
        assert!(rows.as_array().unwrap().iter().all(|row| row["outcome"] != "leaked-state"), "{plugin} {rows}");
    }
    let none = muster(&["plugin", "test", component("spin").to_str().unwrap()]);
    assert!(none.code == 1 && none.stderr.contains("no command of this plugin has an example"), "{none:?}");
}

/// Plugin, command and input → outcome, exit code, part of what is told.
#[test]
fn a_rehearsal_tells_what_each_call_was_answered() {
    for (plugin, command, input, outcome, part) in [
        ("hello", "hello", r#"{"name": "Ada"}"#, "ok", "\"Hello, Ada!\""),
        ("hello", "nosuch", "{}", "error", "unknown-command: "),
        ("hello", "hello", "5", "error", "malformed: "),
        ("hello", "hello", "{}", "error", "invalid-arguments: /name"),
        ("trap", "trap", "{}", "error", "wasm `unreachable` instruction executed"),
        ("allocate", "allocate", "{}", "error", "memory_bytes_max"),
    ] {
        let file = component(plugin);
        let words = ["--json", "plugin", "test", file.to_str().unwrap(), "--command", command, "--input", input];
        let ran = muster(&words);
        let rows: Value = serde_json::from_str(&ran.stdout).unwrap();
        let detail = rows[0]["detail"].as_str().unwrap();
        assert!(rows[0]["outcome"] == outcome && detail.contains(part), "{plugin} {input}: {rows}");
        assert_eq!(ran.code, i32::from(outcome != "ok"), "{ran:?}");
        assert!(!ran.stderr.contains("muster::"), "nothing about the host: {}", ran.stderr);
    }
    let shared = muster(&["plugin", "test", component("hello").to_str().unwrap(), "--isolation", "call"]);
    assert!(shared.code == 2 && shared.stderr.contains("leave out --isolation"), "{shared:?}");
}

#[test]
fn a_rehearsal_leaves_nothing_behind() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let temporary = tempfile::tempdir().unwrap();
        let mut command = Command::new(binary());
        command.args([
            "plugin",
            "test",
            component("sleep").to_str().unwrap(),
            "--command",
            "sleep",
            "--set",
            "key=s3cret",
        ]);
        let mut test = command.env("TMPDIR", temporary.path()).stderr(Stdio::null()).spawn().unwrap();
        let list = || std::fs::read_dir(temporary.path()).unwrap().map(|entry| entry.unwrap()).collect::<Vec<_>>();
        let begun = Instant::now();
        // Compiled, so that the call is under way.
        while !list().first().is_some_and(|entry| entry.path().join("code").exists()) {
            assert!(begun.elapsed() < Duration::from_secs(30));
            std::thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(list()[0].metadata().unwrap().permissions().mode() & 0o777, 0o700);
        assert!(Command::new("kill").args([&format!("-{signal}"), &test.id().to_string()]).status().unwrap().success());
        assert_eq!(test.wait().unwrap().code(), Some(code), "{signal}");
        assert!(list().is_empty(), "{:?}", list());
    }
}

/// What is given to `plugin pack` and what else → exit code, part of what is told.
#[test]
fn what_cannot_be_packed_is_told_as_when_it_is_inspected() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = directory.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.display().to_string()
    };
    let (text, empty) = (file("text.wat", b"(component)"), file("empty.wasm", b""));
    let large = file("large.wasm", b"\0asm");
    std::fs::File::options().write(true).open(&large).unwrap().set_len((64 << 20) + 1).unwrap();
    for (source, code, part) in [
        (text.as_str(), 1, "this is not a WebAssembly file"),
        (&empty, 1, "this is not a WebAssembly file"),
        (&large, 1, "has more than 67108864 bytes"),
        ("/dev/zero", 1, "has more than 67108864 bytes"),
    ] {
        let target = directory.path().join("packed.wasm").display().to_string();
        for words in [&["inspect", source][..], &["pack", source, "--to", &target]] {
            let ran = muster(&[&["plugin"], words].concat());
            assert!(ran.code == code && ran.stderr.contains(part), "{words:?} {ran:?}");
            assert_eq!(ran.stderr.lines().count(), 1, "{ran:?}");
        }
    }
    for (source, part) in
        [("http://127.0.0.1:1/x.wasm", "name the packed file with --to"), ("/dev/zero", "is not a regular file")]
    {
        let ran = muster(&["plugin", "pack", source]);
        assert!(ran.code == 2 && ran.stderr.contains(part), "{source} {ran:?}");
    }
}

#[test]
fn a_packed_file_stays_the_file_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let (file, link) = (unpacked(directory.path(), "hello"), directory.path().join("link.wasm"));
    std::fs::set_permissions(&file, Permissions::from_mode(0o750)).unwrap();
    std::os::unix::fs::symlink(&file, &link).unwrap();
    let ran = muster(&["plugin", "pack", link.to_str().unwrap()]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(link.is_symlink());
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o750);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 2);
    let about = muster(&["--json", "plugin", "inspect", file.to_str().unwrap()]).stdout;
    assert_eq!(serde_json::from_str::<Value>(&about).unwrap()["commands"][0]["name"], "hello");
}

#[test]
fn a_core_module_is_packed_as_the_component_it_says_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let file = packed(directory.path(), "polyglot_c", "requests = [\"keyvalue\"]\n");
    let about = muster(&["--json", "plugin", "inspect", file.to_str().unwrap()]).stdout;
    let about: Value = serde_json::from_str(&about).unwrap();
    assert_eq!(about["requests"], json!(["keyvalue"]));
    assert!(about["commands"][0]["name"].is_string(), "{about}");
}
