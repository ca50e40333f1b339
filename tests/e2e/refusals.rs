//! Why a component does not load: every refusal with its code and its text, which name what the component wanted, what the
//! host has, which tools made it, and what to do about it. The texts are in the snapshot, for reviewers.

use std::fmt::Write as _;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tests::{Host, component};

/// A component that imports this, was made by these tools, and exports a function over plain data.
fn importing(import: &str, made_by: &[(&str, &str)]) -> Vec<u8> {
    let import = if import.is_empty() { String::new() } else { format!(r#"(import "{import}" (instance))"#) };
    let text = format!(
        r#"(component {import} (core module $m (func (export "f") (result i32) i32.const 7)) (core instance $i (instantiate $m))
           (func (export "seven") (result u32) (canon lift (core func $i "f"))))"#
    );
    let mut bytes = wat::parse_str(text).unwrap();
    if !made_by.is_empty() {
        // The `producers` section: one field, `processed-by`, with names and versions.
        let mut data = section_text("producers");
        data.push(1);
        data.extend(section_text("processed-by"));
        data.push(u8::try_from(made_by.len()).unwrap());
        for (name, version) in made_by {
            data.extend(section_text(name));
            data.extend(section_text(version));
        }
        bytes.extend(custom(&data));
    }
    bytes
}

fn section_text(text: &str) -> Vec<u8> {
    let mut bytes = vec![u8::try_from(text.len()).unwrap()];
    bytes.extend(text.as_bytes());
    bytes
}

/// A custom section with this in it, which begins with its name.
pub(crate) fn custom(data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0];
    let mut length = data.len();
    loop {
        let low = u8::try_from(length & 0x7f).unwrap();
        length >>= 7;
        bytes.push(if length > 0 { low | 0x80 } else { low });
        if length == 0 {
            break;
        }
    }
    bytes.extend(data);
    bytes
}

fn with_manifest(bytes: &[u8], manifest: &str) -> Vec<u8> {
    let mut data = section_text("muster:manifest");
    data.extend(manifest.as_bytes());
    [bytes, &custom(&data)].concat()
}

/// A name, the component, and what else is asked of the installation.
type Row = (&'static str, Vec<u8>, Value);

#[expect(clippy::too_many_lines, reason = "one flat table")]
fn rows() -> Vec<Row> {
    let built = |name: &str| std::fs::read(component(name)).unwrap();
    let vector = |name: &str| std::fs::read(tests::root().join("tests/vectors").join(name)).unwrap();
    let hello = built("hello");
    // The gate packs the sample plugins, and a component has one manifest at most.
    let unpacked = built("v2_hello");
    let (plain, typed) = (|text: &str| wat::parse_str(text).unwrap(), |import: &str| importing(import, &[]));
    let grants = |grants: &[&str]| json!({ "grants": grants });
    let no = || json!({});
    vec![
        ("nothing", Vec::new(), no()),
        ("text", b"hello".to_vec(), no()),
        ("gzip", b"\x1f\x8b\x08\0\0\0\0\0".to_vec(), no()),
        ("half of one", hello[..hello.len() / 2].to_vec(), no()),
        ("core module", plain("(module)"), no()),
        (
            "core module that imports WASI preview 1",
            plain(r#"(module (import "wasi_snapshot_preview1" "fd_write" (func)))"#),
            no(),
        ),
        ("core module whose type is a circle", vector("cyclic-packages.wasm"), no()),
        ("component without exports", plain("(component)"), no()),
        (
            "component that is a program",
            plain(r#"(component (instance $i) (export "wasi:cli/run@0.2.0" (instance $i)))"#),
            no(),
        ),
        (
            "component that serves HTTP",
            plain(r#"(component (instance $i) (export "wasi:http/incoming-handler@0.2.0" (instance $i)))"#),
            no(),
        ),
        ("key-value", typed("wasi:keyvalue/store@0.2.0-draft"), no()),
        ("another key-value", typed("wasi:keyvalue/store@0.2.0-draft2"), no()),
        ("HTTP requests", typed("wasi:http/outgoing-handler@0.2.0"), no()),
        ("HTTP requests, made by jco", importing("wasi:http/outgoing-handler@0.2.0", &[("jco", "1.10.2")]), no()),
        (
            "HTTP requests, made by componentize-js",
            importing("wasi:http/types@0.2.0", &[("componentize-js", "0.18.0")]),
            no(),
        ),
        ("HTTP server", typed("wasi:http/incoming-handler@0.2.0"), no()),
        ("another logging", typed("wasi:logging/logging@0.1.0"), no()),
        ("another configuration", typed("wasi:config/runtime@0.2.0-draft"), no()),
        ("a database", typed("wasi:sql/readwrite@0.2.0-draft"), no()),
        ("WASI 0.3", typed("wasi:cli/environment@0.3.0"), no()),
        (
            "WASI 0.3, made by componentize-py",
            importing("wasi:cli/environment@0.3.0", &[("componentize-py", "0.17.0")]),
            no(),
        ),
        ("another contract", typed("muster:plugin/dispatch@0.9.0"), no()),
        ("something of its own, made by Go", importing("acme:things/magic@1.0.0", &[("Go", "1.24")]), no()),
        (
            "a WASI function of another type",
            plain(
                r#"(component (import "wasi:random/random@0.2.0" (instance (export "get-random-u64" (func (result string)))))
               (core module $m (func (export "f") (result i32) i32.const 7)) (core instance $i (instantiate $m))
               (func (export "seven") (result u32) (canon lift (core func $i "f"))))"#,
            ),
            no(),
        ),
        (
            "a start that traps",
            plain(
                r#"(component (core module $m (func $s unreachable) (start $s) (func (export "f") (result i32) i32.const 7))
               (core instance $i (instantiate $m)) (func (export "seven") (result u32) (canon lift (core func $i "f"))))"#,
            ),
            no(),
        ),
        ("a grant that is none", built("roster"), grants(&["keyvalues"])),
        ("a grant without its end", built("roster"), grants(&["keyvalue", "command"])),
        ("a directory without the host's", built("roster"), grants(&["keyvalue", "directory:/data"])),
        ("refuses itself", built("bad_describe"), no()),
        ("a schema that is none", built("bad_schema"), no()),
        ("an example that is wrong", built("bad_example"), no()),
        ("the name of a built-in command", built("clash"), no()),
        ("the name of another plugin's command", built("clash_hello"), no()),
        ("a manifest that is no JSON", with_manifest(&unpacked, "{"), no()),
        ("a manifest of the future", with_manifest(&unpacked, r#"{"manifest": 2}"#), no()),
        (
            "a manifest with an unknown request",
            with_manifest(&unpacked, r#"{"manifest": 1, "requests": ["root"]}"#),
            no(),
        ),
        ("a manifest of another plugin", with_manifest(&unpacked, r#"{"manifest": 1, "commands": []}"#), no()),
        (
            "settings that do not fit",
            with_manifest(
                &unpacked,
                r#"{"manifest": 1, "settings": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}}"#,
            ),
            no(),
        ),
        (
            "settings it does not read",
            with_manifest(
                &unpacked,
                r#"{"manifest": 1, "settings": {"type": "object", "properties": {"n": {"type": "integer"}}, "additionalProperties": false}}"#,
            ),
            json!({"settings": {"m": "1"}}),
        ),
    ]
}

#[test]
fn why_a_component_does_not_load() {
    let host = Host::start();
    host.install("hello", &[]);
    let mut told = String::new();
    for (name, bytes, terms) in rows() {
        let mut arguments = json!({"module": "candidate", "component": STANDARD.encode(&bytes)});
        arguments.as_object_mut().unwrap().extend(terms.as_object().unwrap().clone());
        let refused = host.call("admin", "module_check", &arguments);
        assert_ne!(refused.status, 200, "{name}");
        let problem = refused.value();
        let text = |key: &str| problem[key].as_str().unwrap_or_default().to_owned();
        // The tools that built our own guests are not the same everywhere.
        let detail = match text("detail").split_once(" (made by wit-component") {
            Some((detail, _)) => format!("{detail} (made by …)"),
            None => text("detail"),
        };
        let errors = problem["errors"].as_array().into_iter().flatten();
        let errors: Vec<&str> = errors.filter_map(|error| error["message"].as_str()).collect();
        let _ = writeln!(told, "{name}: {} {}", problem["status"], text("code"));
        let _ = writeln!(told, "    {}", [detail, errors.join("; ")].concat().replace('\n', "\n    "));
    }
    // What only a file on the command line can lack.
    let nameless = host.data().join("nameless.wasm");
    std::fs::write(&nameless, importing("", &[])).unwrap();
    let refused = host.cli(&["plugin", "check", nameless.to_str().unwrap()]);
    assert_eq!(refused.code, 1, "{refused:?}");
    let _ = writeln!(
        told,
        "a component without a name\n    {}",
        refused.stderr.trim().replace(&*nameless.display().to_string(), "FILE")
    );
    insta::assert_snapshot!(told);
    // Each refusal there is stands in the table, but for those that need a machine that fails, a component of 64 MiB or one
    // that is too hard to compile or to start (`bombs.rs`), and a name that is taken, which is a conflict as everywhere.
    let source = std::fs::read_to_string(tests::root().join("host/component/src/error.rs")).unwrap();
    let codes = source.split("fn code(").nth(1).unwrap();
    let codes: Vec<&str> = codes.split('"').skip(1).step_by(2).collect();
    assert!(codes.len() > 15);
    let elsewhere = [
        "store-failed",
        "component-too-large",
        "component-unnamed",
        "component-not-compiled",
        "component-too-hard",
        "plugin-limit-exceeded",
        "command-name-taken",
    ];
    for code in codes.iter().filter(|code| !elsewhere.contains(code)) {
        assert!(told.contains(&format!(" {code}\n")), "no row is refused as {code}:\n{told}");
    }
    assert_eq!(host.call("ann", "hello", &json!({"name": "Ada"})).value(), "Hello, Ada!");
}
