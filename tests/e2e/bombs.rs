//! Plugins that try to break the host while it looks at them, loads them, or reads their results: each is refused with a
//! reason, and a neighbour is served meanwhile.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use tests::{Host, component};

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
    ("pattern_schema", "plugin-command-invalid", "its output schema"),
    ("duplicate_schema", "plugin-command-invalid", "its output schema"),
    ("spin", "plugin-describe-failed", "it took longer than 3000 ms"),
    ("hoard", "plugin-describe-failed", "it wanted more than memory_bytes_max allows"),
    ("trap", "plugin-describe-failed", "unreachable"),
    ("exit", "plugin-describe-failed", "it ended itself with status 0"),
    ("refuse", "plugin-refuses", "the plugin itself refuses to start: bbb"),
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
    ("wide", "503 limit-exceeded"),
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

/// Says that it is over when it is dropped.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Does `work` while a neighbour is called without a pause; gives how often it was served.
fn beside_a_neighbour(host: &Host, work: impl FnOnce()) -> usize {
    let (done, served) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let answer = host.call("ann", "hello", &json!({"name": "Ada"}));
                assert_eq!(answer.value(), "Hello, Ada!", "{}", answer.status);
                served.fetch_add(1, Ordering::Relaxed);
            }
        });
        // Set also when the work fails: the neighbour would go on for ever.
        let _over = Over(&done);
        work();
    });
    served.into_inner()
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
    assert_eq!(install("endless_schema").status, 200, "a reference to itself is not followed for ever");
    assert_eq!(host.call("admin", "bomb", &json!({})).value(), json!(0));
    assert!(host.log().lines().count() < 3_000);
    assert_eq!(host.cli(&["plugin", "uninstall", "bomb"]).code, 0);
    assert_eq!(install("none").status, 200);
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
