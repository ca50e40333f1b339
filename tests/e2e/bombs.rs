//! Plugins that try to break the host while it looks at them, loads them, or reads their results: each is refused with a
//! reason, and a neighbour is served meanwhile.

use std::fmt::Write as _;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use tests::{Host, beside_a_neighbour, component};

/// Describes itself so → how the refusal is named, and part of what it says.
const DESCRIPTIONS: &[(&str, &str, &str)] = &[
    ("no_commands", "plugin-describe-failed", "it described 0 commands"),
    ("many_commands", "", ""),
    ("twice", "conflict", "is described twice"),
    ("no_name", "plugin-command-invalid", "name"),
    ("loud_name", "plugin-command-invalid", "name"),
    ("long_name", "plugin-command-invalid", "name"),
    ("path_name", "plugin-command-invalid", "name"),
    ("no_summary", "plugin-command-invalid", "summary must be one line"),
    ("long_summary", "plugin-command-invalid", "not 1048576"),
    ("two_line_summary", "plugin-command-invalid", "summary must be one line"),
    ("long_description", "plugin-command-invalid", "at most 16384 are allowed"),
    ("many_tags", "plugin-command-invalid", "at most 16 are allowed"),
    ("bad_tag", "plugin-command-invalid", "tag"),
    ("late_version", "plugin-command-invalid", "at most 999999"),
    ("many_examples", "plugin-command-invalid", "at most 16 are allowed"),
    ("false_example", "plugin-command-invalid", "does not satisfy its own schema"),
    ("broken_example", "plugin-command-invalid", "is not JSON"),
    ("text_schema", "plugin-command-invalid", "its input schema"),
    ("empty_schema", "plugin-command-invalid", "its input schema"),
    ("array_schema", "plugin-command-invalid", "its input schema"),
    ("deep_schema", "plugin-command-invalid", "its output schema"),
    ("long_schema", "plugin-command-invalid", "its output schema"),
    ("wide_schema", "plugin-command-invalid", "its output schema"),
    ("remote_schema", "plugin-command-invalid", "its output schema"),
    ("file_schema", "plugin-command-invalid", "its output schema"),
    ("endless_schema", "plugin-command-invalid", "refers to itself"),
    ("doubling_schema", "plugin-command-invalid", "more than 50000000 steps"),
    ("chain_schema", "plugin-command-invalid", "references in a row"),
    ("pattern_schema", "plugin-command-invalid", "its output schema"),
    ("duplicate_schema", "plugin-command-invalid", "its output schema"),
    ("spin", "plugin-describe-failed", "it took longer than 3000 ms"),
    ("hoard", "plugin-limit-exceeded", "exceeds `memory_bytes_max` when it starts (67108864 bytes)"),
    ("trap", "plugin-describe-failed", "unreachable"),
    // What it wrote is part of the answer, and moves nothing on a terminal.
    ("complain", "plugin-describe-failed", "it wrote:\nreading the licence file\nno licence file in \\u{1b}[31m/etc"),
    ("long_title", "plugin-command-invalid", "has 501 characters; at most 500 are allowed"),
    ("long_note", "plugin-command-invalid", "has 501 characters; at most 500 are allowed"),
    ("long_example", "plugin-command-invalid", "at most 65536 are allowed"),
    ("exit", "plugin-describe-failed", "exited with status 0"),
    ("refuse", "plugin-refuses", "the plugin rejected the start: bbb"),
];

/// Results so → status and code.
const LIES: &[(&str, &str)] = &[
    ("truth", "200"),
    ("empty", "502 plugin-invalid-output"),
    ("words", "502 plugin-invalid-output"),
    ("deep", "502 plugin-invalid-output"),
    ("unclosed", "502 plugin-invalid-output"),
    ("trailing", "502 plugin-invalid-output"),
    ("two", "502 plugin-invalid-output"),
    ("nan", "502 plugin-invalid-output"),
    ("infinite", "502 plugin-invalid-output"),
    ("surrogate", "502 plugin-invalid-output"),
    ("duplicate", "502 plugin-invalid-output"),
    ("mark", "502 plugin-invalid-output"),
    ("null", "502 plugin-invalid-output"),
    ("boolean", "502 plugin-invalid-output"),
    ("wide", "422 limit-exceeded"),
    ("error_long", "422 command-failed"),
    ("error_control", "422 command-failed"),
    ("error_pointer", "400 invalid-arguments"),
];

fn host() -> Host {
    let limits = "limits: {describe_deadline_ms: 3000, faults_max: 0}";
    let host = Host::start_with(&format!("{}\n{limits}", tests::RULES));
    host.add_account("admin");
    host.add_account("ann");
    host.install("hello", &[]);
    host
}

#[test]
fn a_description_that_is_a_bomb_is_refused() {
    let host = host();
    let bomb = std::fs::read(component("bomb")).unwrap();
    let install = |bomb_setting: &str| {
        let component = STANDARD.encode(&bomb);
        host.call(
            "admin",
            "module_install",
            &json!({"module": "bomb", "component": component, "settings": {"bomb": bomb_setting}}),
        )
    };
    let served = beside_a_neighbour(&host, || {
        for (setting, code, part) in DESCRIPTIONS {
            let refused = install(setting);
            assert!([409, 422].contains(&refused.status), "{setting} {}", refused.value());
            let detail = refused.value()["detail"].as_str().unwrap().to_owned();
            assert!(code.is_empty() || refused.code() == *code, "{setting}: {} {detail}", refused.code());
            assert!(detail.contains(part), "{setting}: {detail}");
            assert!(detail.len() < 5_000, "{setting}: {} bytes", detail.len());
        }
    });
    assert!(served > 20, "{served}");
    let flooding = install("log");
    assert_eq!(flooding.status, 200, "a flood of lines is cut off, no more: {}", flooding.text());
    assert_eq!(host.cli(&["plugin", "uninstall", "bomb"]).code, 0);
    assert!(host.log().lines().count() < 3_000);
    // What the host adds to a schema is said.
    assert_eq!(install("any_object").status, 200);
    let details = host.call("admin", "modules_details", &json!({"module": "bomb"})).text();
    assert!(details.contains("`bomb` has no arguments, because its input schema names none"), "{details}");
    assert_eq!(host.cli(&["plugin", "uninstall", "bomb"]).code, 0);
    assert_eq!(install("none").status, 200);
    assert_eq!(host.call("admin", "bomb", &json!({})).value(), json!(0));
}

#[test]
fn a_result_that_is_a_lie_is_told_from_an_answer() {
    let host = host();
    host.install("liar", &[]);
    let served = beside_a_neighbour(&host, || {
        for (lie, verdict) in LIES {
            let answer = host.call("admin", "liar", &json!({ "lie": lie }));
            assert_eq!(answer.verdict(), *verdict, "{lie}");
            assert!(answer.header("set-cookie").is_empty(), "{lie}");
            assert!(answer.bytes.len() < 3 << 20, "{lie}: {} bytes", answer.bytes.len());
        }
    });
    assert!(served > 5, "{served}");
}

#[test]
fn bytes_that_are_a_bomb_are_refused_before_anything_is_made_of_them() {
    let host = host();
    let hello = std::fs::read(component("hello")).unwrap();
    let with_section = |section: &[u8]| [&hello[..], section].concat();
    let nested = |depth: usize| {
        // Each component is a section (id 4) of the one around it.
        let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
        for _ in 0..depth {
            let mut outer = b"\0asm\x0d\0\x01\0\x04".to_vec();
            let mut length = bytes.len();
            while length >= 0x80 {
                outer.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
                length >>= 7;
            }
            outer.push(u8::try_from(length).unwrap());
            outer.extend_from_slice(&bytes);
            bytes = outer;
        }
        bytes
    };
    let each = |line: fn(u32) -> String| (0..20_000).map(line).collect::<Vec<_>>().join(" ");
    let imports = each(|number| format!("(import \"a{number}\" (func))"));
    let many_imports = wat::parse_str(format!("(component {imports})")).unwrap();
    let exports = each(|number| format!("(export \"a{number}\" (instance $i))"));
    let many_exports = wat::parse_str(format!("(component (instance $i) {exports})")).unwrap();
    let rows: Vec<(&str, Vec<u8>)> = vec![
        // A custom section that says to have 4 GB, and has none.
        ("promised_section", with_section(&[0, 0xff, 0xff, 0xff, 0xff, 0x0f])),
        ("promised_name", with_section(&[0, 4, 0xff, 0xff, 0xff, 0x0f])),
        ("endless_length", with_section(&[0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff])),
        ("unknown_section", with_section(&[99, 1, 0])),
        ("nested", nested(20_000)),
        ("nested_a_little_too_deep", nested(65)),
        ("many_imports", many_imports),
        ("many_exports", many_exports),
        // Found by fuzzing: what makes a component of it followed the circle until the stack was over.
        ("circle_of_packages", std::fs::read(tests::root().join("tests/vectors/cyclic-packages.wasm")).unwrap()),
        ("zeros", [b"\0asm\x0d\0\x01\0".to_vec(), vec![0; 1 << 20]].concat()),
        ("noise", [b"\0asm\x0d\0\x01\0".to_vec(), (0..1_u32 << 16).flat_map(u32::to_le_bytes).collect()].concat()),
    ];
    let served = beside_a_neighbour(&host, || {
        for (name, bytes) in rows {
            let path = host.data().join(format!("{name}.wasm"));
            std::fs::write(&path, bytes).unwrap();
            let refused = host.cli(&["plugin", "install", path.to_str().unwrap(), "--name", "bomb"]);
            assert_eq!(refused.code, 1, "{name} {refused:?}");
            assert!(refused.stderr.len() < 5_000, "{name}: {} bytes", refused.stderr.len());
            // The command line looks first; the host must not depend on that.
            let bytes = std::fs::read(&path).unwrap();
            let component = STANDARD.encode(bytes);
            let arguments = json!({"module": "bomb", "component": component});
            let answer = host.call("admin", "module_install", &arguments);
            assert!([413, 422].contains(&answer.status), "{name} {}", answer.status);
        }
    });
    assert!(served > 5, "{served}");
    // Whatever is in a custom section that nobody reads is nobody's business.
    let mut junk = vec![0, 0x85, 0x80, 0x40, 4];
    junk.extend_from_slice(b"junk");
    junk.resize(junk.len() + (1 << 20), 7);
    let path = host.data().join("junk.wasm");
    std::fs::write(&path, with_section(&junk)).unwrap();
    let taken = host.cli(&["plugin", "upgrade", path.to_str().unwrap()]);
    assert_eq!(taken.code, 0, "{taken:?}");
}

/// Metadata of a component that is kept, cut. Each is larger than anything that is kept.
const METADATA: &[&str] = &["version", "description", "authors", "revision"];
/// Metadata that is read as something else than text, so that it is refused.
const METADATA_WITH_A_FORM: &[&str] = &["licenses", "source", "homepage"];

#[test]
fn metadata_that_is_a_bomb_is_cut_and_harmless() {
    let host = host();
    let functions: Vec<u32> = (0..256).collect();
    let each = |line: fn(&u32) -> String| functions.iter().map(line).collect::<String>();
    let exports =
        each(|number| format!("(func (export \"f{number}\") (result u32) (canon lift (core func $i \"f\")))"));
    let plain = format!(
        "(component (core module $m (func (export \"f\") (result i32) i32.const 0)) (core instance $i (instantiate $m)) \
         {exports})"
    );
    let mut component = wat::parse_str(plain).unwrap();
    let text = "1.0\nmuster: all is well \u{1b}[2J".repeat(100_000);
    let section = |name: &str| {
        crate::refusals::custom(&[&[u8::try_from(name.len()).unwrap()], name.as_bytes(), text.as_bytes()].concat())
    };
    let file = host.data().join("metadata.wasm");
    for name in METADATA_WITH_A_FORM {
        std::fs::write(&file, [&component[..], &section(name)].concat()).unwrap();
        let refused = host.cli(&["plugin", "install", file.to_str().unwrap(), "--name", "metadata"]);
        assert!(refused.code == 1 && refused.stderr.len() < 20_000, "{name}: {} bytes", refused.stderr.len());
        assert!(!refused.stderr.contains('\u{1b}'), "{name}");
    }
    for name in METADATA {
        component.extend(section(name));
    }
    std::fs::write(&file, component).unwrap();
    let installed = host.cli(&["plugin", "install", file.to_str().unwrap(), "--name", "metadata"]);
    let shown = installed.stdout.chars().chain(installed.stderr.chars()).take(2000).collect::<String>();
    assert_eq!((installed.code, installed.stdout.lines().count()), (0, 1), "{shown}");
    assert!(installed.stdout.len() < 20_000 && !installed.stdout.contains('\u{1b}'), "{}", installed.stdout.len());
    let listed = host.request("GET", "/api").as_user("admin").send();
    assert!(listed.status == 200 && listed.text().len() < 1 << 20, "{} bytes", listed.text().len());
    let told = host.call("admin", "modules_details", &json!({"module": "metadata"}));
    assert!(told.text().len() < 100_000 && !told.text().contains("\\n"), "{}", told.text().len());
    let inspected = host.cli(&["plugin", "inspect", file.to_str().unwrap()]);
    assert!(inspected.code == 0 && inspected.stdout.len() < 300_000 && !inspected.stdout.contains('\u{1b}'));
    let status = std::fs::read_to_string(format!("/proc/{}/status", host.pid())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")).unwrap();
    assert!(peak.parse::<u64>().unwrap() < 600 << 10, "{peak} kB");
}

/// A small component with one function that is hard to compile: so many values live across so many branches.
fn hard_to_compile(values: usize, branches: usize) -> Vec<u8> {
    let mut body = String::new();
    for value in 0..values {
        let _ = write!(body, "(local.set {value} (i32.add (local.get {value}) (i32.const {value})))");
    }
    for branch in 0..branches {
        let (asked, read, written) = (branch % values, branch * 3 % values, branch * 7 % values);
        let _ = write!(
            body,
            "(if (local.get {asked}) (then (local.set {written} (i32.add (local.get {read}) (i32.const {branch})))))"
        );
    }
    body.push_str("(i32.const 0)");
    for value in 0..values {
        let _ = write!(body, "(i32.add (local.get {value}))");
    }
    let locals = "i32 ".repeat(values);
    wat::parse_str(format!(
        r#"(component (core module $m (func (export "f") (result i32) (local {locals}) {body}))
           (core instance $i (instantiate $m)) (func (export "seven") (result u32) (canon lift (core func $i "f"))))"#
    ))
    .unwrap()
}

/// What takes too long to compile, or too much memory, or too deep a stack, ends a process of its own.
#[test]
fn a_component_that_cannot_be_compiled_in_bounds_is_refused() {
    let large = wat::parse_str(format!(
        r#"(component (core module $m (memory 700) (data (i32.const 0) "{}") (func (export "f") (result i32) i32.const 7))
           (core instance $i (instantiate $m)) (func (export "seven") (result u32) (canon lift (core func $i "f"))))"#,
        "x".repeat(40 << 20)
    ));
    for (limit, bomb, told) in [
        ("compile_ms_max: 700", hard_to_compile(1_000, 10_000), "took longer than 700 ms (limit `compile_ms_max`)"),
        ("compile_memory_bytes_max: 134217728", large.unwrap(), "(limit `compile_memory_bytes_max`)"),
    ] {
        let host = Host::start_with(&format!("{}\nlimits: {{{limit}, faults_max: 0}}", tests::RULES));
        host.add_account("admin");
        host.add_account("ann");
        host.install("hello", &[]);
        std::fs::create_dir_all(host.data().join("available")).unwrap();
        std::fs::write(host.data().join("available/bomb.wasm"), &bomb).unwrap();
        let served = beside_a_neighbour(&host, || {
            for command in ["module_check", "module_install"] {
                let refused = host.call("admin", command, &json!({"module": "bomb"}));
                let detail = refused.value()["detail"].as_str().unwrap_or_default().to_owned();
                assert_eq!((refused.status, refused.code().as_str()), (422, "component-too-hard"), "{limit}: {detail}");
                assert!(detail.contains(told), "{detail}");
            }
        });
        assert!(served > 20, "{served}");
        // Listing available components does no harm either.
        assert_eq!(host.call("admin", "modules_available", &json!({})).status, 200);
        assert_eq!(host.call("ann", "hello", &json!({"name": "Ada"})).value(), "Hello, Ada!");
    }
}

/// The process of its own leaves its work where the host looks for it: nothing is compiled twice.
#[test]
fn what_was_compiled_apart_is_used() {
    let host = host();
    let directories = std::fs::read_dir(host.data().join("code")).unwrap().count();
    assert_eq!(directories, 1, "both engines have the same settings");
    let code = std::fs::read_dir(host.data().join("code")).unwrap().next().unwrap().unwrap().path();
    let modified = || {
        let file = std::fs::read_dir(&code).unwrap().next().unwrap().unwrap();
        (file.path(), file.metadata().unwrap().modified().unwrap())
    };
    let before = modified();
    assert_eq!(host.cli(&["plugin", "uninstall", "hello"]).code, 0);
    host.install("hello", &[]);
    assert_eq!(modified(), before);
    assert!(host.log().contains("cached=true") && host.log().contains("cached=false"), "{}", host.log());
}

/// Guests that break the canonical ABI: function, its type, its core form, more options of its lifting, and what comes of a
/// call. Memory: the bytes `ff fe` at 64, zeros elsewhere; each result but numbers is a pointer to where it lies.
const ABI: &[(&str, &str, &str, &str, &str)] = &[
    ("invalid_utf8", "(result string)", "(result i32) (call $pair (i32.const 64) (i32.const 2))", "", "502"),
    ("far_string", "(result string)", "(result i32) (call $pair (i32.const -16) (i32.const 100))", "", "502"),
    ("long_string", "(result string)", "(result i32) (call $pair (i32.const 0) (i32.const 0x7fffffff))", "", "50"),
    ("far_list", "(result (list u64))", "(result i32) (call $pair (i32.const 8) (i32.const 0x1fffffff))", "", "50"),
    ("many_booleans", "(result (list bool))", "(result i32) (call $pair (i32.const 0) (i32.const -1))", "", "50"),
    ("odd_list", "(result (list u64))", "(result i32) (call $pair (i32.const 65) (i32.const 2))", "", "502"),
    ("odd_result", "(result string)", "(result i32) (i32.const 17)", "", "502"),
    ("far_result", "(result string)", "(result i32) (i32.const -4)", "", "502"),
    ("half_a_character", "(result char)", "(result i32) (i32.const 0xd800)", "", "502"),
    ("beyond_characters", "(result char)", "(result i32) (i32.const 0x110000)", "", "502"),
    ("no_such_case", "(result (option u32))", "(result i32) (call $pair (i32.const 9) (i32.const 0))", "", "502"),
    ("no_number", "(result f64)", "(result f64) (f64.div (f64.const 0) (f64.const 0))", "", "502"),
    ("endless_number", "(result f32)", "(result f32) (f32.const inf)", "", "502"),
    // A small memory said often: 16,000 times 64 KiB are a gigabyte for whoever takes it all.
    ("strings_said_often", "(result (list string))", "(result i32) (call $often (i32.const 65536))", "", "422"),
    ("lists_said_often", "(result (list (list u64)))", "(result i32) (call $often (i32.const 8192))", "", "422"),
    ("traps_after", "(result u32)", "(result i32) (i32.const 7)", "(post-return (core func $i \"trap\"))", "502"),
    ("spins_after", "(result u32)", "(result i32) (i32.const 7)", "(post-return (core func $i \"spin\"))", "50"),
    ("far_room", "(param \"text\" string) (result u32)", "(param i32 i32) (result i32) (local.get 1)", "far", "502"),
    (
        "trap_for_room",
        "(param \"text\" string) (result u32)",
        "(param i32 i32) (result i32) (local.get 1)",
        "none",
        "502",
    ),
    (
        "spin_for_room",
        "(param \"text\" string) (result u32)",
        "(param i32 i32) (result i32) (local.get 1)",
        "never",
        "50",
    ),
    ("true_room", "(param \"text\" string) (result u32)", "(param i32 i32) (result i32) (local.get 1)", "", "200"),
];

fn breaking_the_abi() -> Vec<u8> {
    let (mut core, mut lifts) = (String::new(), String::new());
    for (name, kind, body, more, _) in ABI {
        let _ = writeln!(core, "(func (export \"{name}\") {body})");
        let (room, more) = if more.starts_with('(') { ("room", *more) } else { (*more, "") };
        let room = if room.is_empty() { "room" } else { room };
        let options = format!("(memory (core memory $i \"memory\")) (realloc (core func $i \"{room}\")) {more}");
        let _ = writeln!(
            lifts,
            "(func (export \"{}\") {kind} (canon lift (core func $i \"{name}\") {options}))",
            name.replace('_', "-")
        );
    }
    let module = r#"
        (memory (export "memory") 4)
        (data (i32.const 64) "\ff\fe")
        (func $pair (param i32 i32) (result i32)
          (i32.store (i32.const 32) (local.get 0)) (i32.store (i32.const 36) (local.get 1)) (i32.const 32))
        (func $often (param $length i32) (result i32) (local $at i32)
          (local.set $at (i32.const 131072))
          (loop $more
            (i32.store (local.get $at) (i32.const 1024))
            (i32.store offset=4 (local.get $at) (local.get $length))
            (local.set $at (i32.add (local.get $at) (i32.const 8)))
            (br_if $more (i32.lt_u (local.get $at) (i32.const 259072))))
          (call $pair (i32.const 131072) (i32.const 16000)))
        (func (export "room") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
        (func (export "far") (param i32 i32 i32 i32) (result i32) (i32.const -4096))
        (func (export "none") (param i32 i32 i32 i32) (result i32) unreachable)
        (func (export "never") (param i32 i32 i32 i32) (result i32) (loop (br 0)) unreachable)
        (func (export "trap") (param i32) unreachable)
        (func (export "spin") (param i32) (loop (br 0)))"#;
    let text = format!("(component (core module $m {module} {core}) (core instance $i (instantiate $m)) {lifts})");
    wat::parse_str(text).unwrap()
}

#[test]
fn a_guest_that_breaks_the_canonical_abi_breaks_its_own_call() {
    let host = Host::start_with(&format!("{}\nlimits: {{call_deadline_ms: 1500, faults_max: 0}}", tests::RULES));
    host.add_account("admin");
    host.add_account("ann");
    host.install("hello", &[]);
    let path = host.data().join("abi.wasm");
    std::fs::write(&path, breaking_the_abi()).unwrap();
    let installed = host.cli(&["plugin", "install", path.to_str().unwrap(), "--name", "abi"]);
    assert_eq!(installed.code, 0, "{installed:?}");
    let memory = |host: &Host| -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", host.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").trim().parse().unwrap()
    };
    let before = memory(&host);
    let served = beside_a_neighbour(&host, || {
        for (name, kind, _, _, verdict) in ABI {
            let arguments = if kind.contains("param") { json!({"text": "four"}) } else { json!({}) };
            let answer = host.call("admin", name, &arguments);
            assert!(answer.verdict().starts_with(verdict), "{name}: {}", answer.text());
        }
    });
    assert!(served > 20, "{served}");
    assert!(memory(&host) < before + (200 << 10), "{} kB more at the most", memory(&host) - before);
}
