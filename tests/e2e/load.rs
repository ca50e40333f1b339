//! Loading, replacing and removing plugins while the host works.

use std::io::Write as _;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use tests::{Host, PASSWORD, component};

/// Components that cannot be plugins, and what their authors are told.
#[test]
fn a_refusal_says_what_to_do_and_changes_nothing() {
    let host = Host::start();
    host.install("hello", &[]);
    let hello = std::fs::read(component("hello")).unwrap();
    let module = wat::parse_str("(module)").unwrap();
    let empty = wat::parse_str("(component)").unwrap();
    let wants_http = wat::parse_str(
        r#"(component (import "wasi:http/outgoing-handler@0.2.0" (instance)) (import "muster:plugin/types@0.1.0" (instance $i))
           (export "muster:plugin/commands@0.1.0" (instance $i)))"#,
    )
    .unwrap();
    // As many bytes as before, so that every length is still right.
    let mut other_contract = hello.clone();
    for at in 0..other_contract.len() {
        if other_contract[at..].starts_with(b"muster:plugin/commands@0.1.0") {
            other_contract[at + b"muster:plugin/commands@0.".len()] = b'9';
        }
    }
    let built = |name: &str| std::fs::read(component(name)).unwrap();
    let rows: Vec<(&str, Vec<u8>, &str)> = vec![
        ("text", b"hello".to_vec(), "not a WebAssembly file"),
        ("empty_file", Vec::new(), "not a WebAssembly file"),
        ("truncated", hello[..hello.len() / 2].to_vec(), "damaged or incomplete"),
        (
            "flipped",
            hello.iter().enumerate().map(|(at, byte)| if at == 40 { !byte } else { *byte }).collect(),
            "damaged",
        ),
        ("module", module, "build it for the target wasm32-wasip2, or convert it to a component"),
        (
            "component",
            empty,
            "exports no commands: neither `muster:plugin/commands@0.1.0` nor a function with supported types",
        ),
        ("http", wants_http, "add `--grant http:https://HOST` for each host"),
        (
            "contract",
            other_contract,
            "exports `muster:plugin/commands@0.9.0`, but this host supports `muster:plugin/commands@0.1.0`",
        ),
        (
            "roster",
            built("roster"),
            "needs the grant `keyvalue`; if you trust the plugin with it, add `--grant keyvalue`",
        ),
        ("clash", built("clash"), "`status` of plugin clash 0.1.0 already belongs to built-in"),
        (
            "clash_hello",
            built("clash_hello"),
            "`hello` of plugin clash_hello 0.1.0 already belongs to plugin hello 0.1.0",
        ),
        ("bad_schema", built("bad_schema"), "its input schema"),
        ("bad_schema_array", built("bad_schema_array"), "its input schema must have \"type\": \"object\""),
        ("bad_example", built("bad_example"), "example"),
        ("bad_describe", built("bad_describe"), "the plugin rejected the start: settings missing"),
    ];
    for (name, bytes, expected) in rows {
        let path = host.data().join(format!("{name}.wasm"));
        std::fs::write(&path, bytes).unwrap();
        let path = path.to_str().unwrap();
        let refused = host.cli(&["plugin", "install", path, "--name", name]);
        assert_eq!(refused.code, 1, "{name} {refused:?}");
        assert!(refused.stderr.contains(expected), "{name} {}", refused.stderr);
        // A component with only the command `hello` could rightly take the place of the plugin `hello`.
        if name != "clash_hello" {
            let upgrade = host.cli(&["plugin", "upgrade", path, "--name", "hello"]);
            assert_eq!(upgrade.code, 1, "{name} {upgrade:?}");
        }
        let greeting = host.call("ann", "hello", &json!({"name": "Ada"}));
        assert_eq!(greeting.value(), "Hello, Ada!", "the running version stays");
    }
    assert_eq!(host.call("admin", "modules_installed", &json!({})).value().as_object().unwrap().len(), 1);
}

#[test]
fn an_upgrade_under_load_fails_no_call() {
    let host = Host::start();
    host.install("hello", &[]);
    let (stop, calls, upgraded) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let answer = host.call("ann", "hello", &json!({"name": "Ada"}));
                    let value = answer.value();
                    assert!(value == "Hello, Ada!" || value == "Hi, Ada!", "{} {value}", answer.status);
                    calls.fetch_add(1, Ordering::Relaxed);
                    upgraded.fetch_add(usize::from(value == "Hi, Ada!"), Ordering::Relaxed);
                }
            });
        }
        for round in 0..6 {
            let next = component(if round % 2 == 0 { "v2_hello" } else { "hello" });
            let ran = host.cli(&["plugin", "upgrade", next.to_str().unwrap()]);
            assert_eq!(ran.code, 0, "{ran:?}");
            std::thread::sleep(std::time::Duration::from_millis(150));
        }
        stop.store(true, Ordering::Relaxed);
    });
    let (calls, upgraded) = (calls.into_inner(), upgraded.into_inner());
    assert!(upgraded > 0 && upgraded < calls, "{upgraded} of {calls} calls met the new version");
}

#[test]
fn a_removed_plugin_is_gone_and_its_data_stays() {
    let mut host = Host::start();
    host.install("counter", &["keyvalue"]);
    let count = |host: &Host| host.call("admin", "counter", &json!({}));
    assert_eq!((count(&host).value(), count(&host).value()), (json!(1), json!(2)));
    assert_eq!(host.cli(&["plugin", "uninstall", "counter"]).code, 0);
    assert_eq!(count(&host).verdict(), "404 unknown-command");
    host.crash_and_restart();
    assert_eq!(count(&host).verdict(), "404 unknown-command");
    host.install("counter", &["keyvalue"]);
    assert_eq!(count(&host).value(), json!(3));
}

/// Whether the process has started another one that still runs (proc(5): the parent is the second field behind the name).
fn has_child(pid: u32) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(|entry| Some(entry.ok()?.path().join("stat")));
    let parents = processes.filter_map(|stat| {
        let stat = std::fs::read_to_string(stat).ok()?;
        stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse::<u32>().ok()
    });
    parents.into_iter().any(|parent| parent == pid)
}

#[test]
fn an_installation_that_was_begun_is_finished() {
    let mut host = Host::start();
    let render = STANDARD.encode(std::fs::read(component("render")).unwrap());
    let body = json!({"module": "render", "component": render}).to_string();
    let admin = STANDARD.encode(format!("admin@localhost:{PASSWORD}"));
    let mut connection = TcpStream::connect(host.address()).unwrap();
    let head = format!(
        "POST /api/module_install HTTP/1.1\r\nhost: {}\r\nauthorization: Basic {admin}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        host.address(),
        body.len()
    );
    connection.write_all((head + &body).as_bytes()).unwrap();
    let installed = || host.call("admin", "modules_installed", &json!({})).value().get("render").is_some();
    // Whoever asked goes away, once the process that compiles is there, or was.
    while !has_child(host.pid()) && !installed() {}
    drop(connection);
    let waited = (0..1200).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(50));
        installed()
    });
    assert!(waited, "the installation was given up");
    host.crash_and_restart();
    let rendered = host.call("admin", "render_markdown", &json!({"markdown": "*x*"}));
    assert_eq!(rendered.value(), "<p><em>x</em></p>\n");
}

#[test]
fn a_component_can_lie_ready_on_the_host() {
    let host = Host::start();
    let available = host.data().join("available");
    std::fs::create_dir(&available).unwrap();
    std::fs::copy(component("hello"), available.join("hello.wasm")).unwrap();
    std::fs::write(available.join("broken.wasm"), "x").unwrap();
    // What would be waited for, or never ends, is not read.
    assert_eq!(tests::run(std::process::Command::new("mkfifo").arg(available.join("pipe.wasm")), "").code, 0);
    std::os::unix::fs::symlink("/dev/zero", available.join("device.wasm")).unwrap();
    std::fs::create_dir(available.join("folder.wasm")).unwrap();
    std::fs::File::create(available.join("large.wasm")).unwrap().set_len(10 << 30).unwrap();
    let listed = host.call("admin", "modules_available", &json!({})).value();
    assert_eq!(listed.as_object().unwrap().keys().collect::<Vec<_>>(), ["hello"]);
    for (module, part) in [
        ("pipe", "not a regular file"),
        ("device", "not a regular file"),
        ("folder", "not a regular file"),
        ("large", "more than 67108864 bytes"),
    ] {
        let refused = host.call("admin", "module_install", &json!({ "module": module }));
        let detail = refused.value()["detail"].as_str().unwrap().to_owned();
        assert!(refused.verdict() == "422 component-not-available" && detail.contains(part), "{module}: {detail}");
    }
    assert_eq!(host.call("admin", "module_check", &json!({"module": "hello"})).value(), json!(0));
    assert_eq!(host.call("admin", "modules_installed", &json!({})).value(), json!({}));
    assert_eq!(host.call("admin", "module_install", &json!({"module": "hello"})).value(), json!(0));
    assert_eq!(host.call("ann", "hello", &json!({"name": "Ada"})).value(), "Hello, Ada!");
    let again = host.call("admin", "module_install", &json!({"module": "hello"}));
    assert_eq!(again.verdict(), "409 conflict");
    for module in ["../hello", "hello/..", "Hello", ""] {
        assert_eq!(host.call("admin", "module_install", &json!({"module": module})).verdict(), "400 invalid-arguments");
    }
    let missing = host.call("admin", "module_install", &json!({"module": "nothing"}));
    assert!(missing.value()["detail"].as_str().unwrap().contains("`nothing.wasm` is not in"));
}

#[test]
fn a_plugin_that_cannot_be_loaded_stays_installed_and_is_tried_again() {
    let mut host = Host::start();
    let place = tempfile::tempdir().unwrap();
    let (shared, away) = (place.path().join("shared"), place.path().join("away"));
    std::fs::create_dir(&shared).unwrap();
    std::fs::write(shared.join("file"), "text").unwrap();
    let grant = format!("directory:/shared={}", shared.display());
    let files = component("files").display().to_string();
    let installed = host.cli(&["plugin", "install", &files, "--grant", &grant, "--grant", "keyvalue", "--set", "a=1"]);
    assert_eq!(installed.code, 0, "{installed:?}");
    let reads = |host: &Host| host.call("admin", "files", &json!({"action": "read", "path": "/shared/file"}));
    assert_eq!(reads(&host).value(), "text");
    std::fs::rename(&shared, &away).unwrap();
    host.crash_and_restart();
    assert_eq!(reads(&host).verdict(), "404 unknown-command");
    let listed = host.cli(&["plugin", "list"]).stdout;
    assert!(listed.contains("files") && listed.contains("not loaded"), "{listed}");
    let details = host.call("admin", "modules_details", &json!({"module": "files"})).value();
    assert!(details[0]["not_loaded"].as_str().unwrap().contains("make the directory first"), "{details}");
    assert_eq!((&details[0]["grants"][0], &details[0]["settings"]), (&json!(grant), &json!({"a": "***"})));
    let again = host.cli(&["plugin", "install", &files]);
    assert!(again.code == 1 && again.stderr.contains("is already installed"), "{again:?}");
    for words in [["plugin", "grants", "files"], ["plugin", "release", "files"], ["plugin", "change", "files"]] {
        let told = host.cli(&words);
        assert!(told.code == 1 && told.stderr.contains("make the directory first"), "{words:?} {told:?}");
    }
    // Another plugin of the same component comes and goes, and the component stays.
    assert_eq!(host.cli(&["plugin", "install", &files, "--name", "other"]).code, 0);
    assert_eq!(host.cli(&["plugin", "uninstall", "other"]).code, 0);
    std::fs::rename(&away, &shared).unwrap();
    let tried = host.cli(&["plugin", "change", "files"]);
    assert!(tried.code == 0 && tried.stdout.contains("files 0.1.0 changed: files"), "{tried:?}");
    assert_eq!(reads(&host).value(), "text");
    let details = host.call("admin", "modules_details", &json!({"module": "files"})).value();
    assert_eq!((&details[0]["grants"], &details[0]["settings"]), (&json!([grant, "keyvalue"]), &json!({"a": "***"})));
}

#[test]
fn what_a_plugin_may_do_and_reads_changes_bit_by_bit() {
    let mut host = Host::start();
    let counter = component("counter").display().to_string();
    let ran = |host: &Host, words: &[&str]| {
        let ran = host.cli(&[&["plugin"], words].concat());
        assert_eq!(ran.code, 0, "{words:?} {ran:?}");
    };
    let terms = |host: &Host| {
        let details = host.call("admin", "modules_details", &json!({"module": "counter"})).value();
        let settings = details[0]["settings"].as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ");
        (details[0]["grants"].to_string(), settings, details[0]["isolation"].as_str().unwrap().to_owned())
    };
    let is = |host: &Host, grants: &str, settings: &str, isolation: &str| {
        assert_eq!(terms(host), (grants.to_owned(), settings.to_owned(), isolation.to_owned()));
    };
    ran(&host, &["install", &counter, "--grant", "keyvalue", "--set", "a=1", "--set", "b=2"]);
    ran(&host, &["upgrade", &counter, "--grant", "command:status", "--isolation", "caller"]);
    is(&host, r#"["keyvalue","command:status"]"#, "a b", "caller");
    ran(&host, &["upgrade", &counter, "--revoke", "command:status", "--unset", "a", "--set", "c=3"]);
    is(&host, r#"["keyvalue"]"#, "b c", "caller");
    let fetch = component("fetch").display().to_string();
    ran(&host, &["install", &fetch, "--grant", "http:https://example.org"]);
    // Where it may go was said before.
    ran(&host, &["upgrade", &fetch, "--grant-requested"]);
    ran(&host, &["check", &fetch, "--grant-requested"]);
    ran(&host, &["change", "counter", "--grant", "command:stats", "--isolation", "call", "--unset", "b"]);
    is(&host, r#"["keyvalue","command:stats"]"#, "c", "call");
    for (words, expected) in [
        (&["--revoke", "command:stop"], "the plugin does not have this grant; it has `keyvalue`, `command:stats`"),
        (&["--revoke", "keyvalue"], "needs the grant `keyvalue`"),
        (&["--unset", "z"], "`z` was not given"),
        (&["--grant", "http:https://u:secret@example.org"], "unknown or invalid grant `http:https://***@example.org`"),
    ] {
        let refused = host.cli(&[&["plugin", "change", "counter"], &words[..]].concat());
        assert!(refused.code == 1 && refused.stderr.contains(expected), "{words:?} {refused:?}");
        is(&host, r#"["keyvalue","command:stats"]"#, "c", "call");
    }
    let missing = host.cli(&["plugin", "change", "nothing"]);
    assert!(missing.code == 5 && missing.stderr.contains("there is no plugin `nothing`"), "{missing:?}");
    host.crash_and_restart();
    is(&host, r#"["keyvalue","command:stats"]"#, "c", "call");
}

#[test]
fn an_installation_may_take_longer_than_a_call() {
    let host = Host::start_with(&format!("{}\nlimits: {{call_deadline_ms: 1000}}", tests::RULES));
    let python = component("polyglot_python").display().to_string();
    let installed = host.cli(&["plugin", "install", &python, "--name", "python", "--grant-requested"]);
    assert_eq!(installed.code, 0, "{installed:?}");
}

#[test]
fn plugins_come_back_from_the_cache_with_their_commands() {
    let mut host = Host::start();
    host.install("hello", &[]);
    host.install("render", &[]);
    host.crash_and_restart();
    assert_eq!(host.call("ann", "hello", &json!({"name": "Ada"})).value(), "Hello, Ada!");
    assert!(host.log().contains("plugin restored plugin=\"render\" cached=true"), "{}", host.log());
}

#[test]
fn compiled_code_others_could_have_written_is_not_used() {
    use std::os::unix::fs::PermissionsExt;
    let mut host = Host::start();
    host.install("hello", &[]);
    let engines = std::fs::read_dir(host.data().join("code")).unwrap().map(|entry| entry.unwrap().path());
    for file in engines.flat_map(|engine| std::fs::read_dir(engine).unwrap()) {
        std::fs::set_permissions(file.unwrap().path(), std::fs::Permissions::from_mode(0o666)).unwrap();
    }
    host.crash_and_restart();
    assert!(host.log().contains("can be written by others"), "{}", host.log());
    assert_eq!(host.call("ann", "hello", &json!({"name": "Ada"})).value(), "Hello, Ada!");
}

/// How compiled code is damaged → whether it is noticed before any of it runs.
#[test]
fn compiled_code_that_was_damaged_is_compiled_again() {
    let code = |host: &Host, ending: &str| -> Vec<std::path::PathBuf> {
        let engines = std::fs::read_dir(host.data().join("code")).unwrap().map(|entry| entry.unwrap().path());
        let files = engines.flat_map(|engine| std::fs::read_dir(engine).unwrap()).map(|file| file.unwrap().path());
        files.filter(|path| path.extension().is_some_and(|found| found == ending)).collect()
    };
    let flip_everywhere = |path: &std::path::Path| {
        let mut bytes = std::fs::read(path).unwrap();
        let middle = bytes.len() / 4..bytes.len() / 2;
        bytes[middle].iter_mut().for_each(|byte| *byte = 0xcc);
        std::fs::write(path, bytes).unwrap();
    };
    let flip_one_bit = |path: &std::path::Path| {
        let mut bytes = std::fs::read(path).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        std::fs::write(path, bytes).unwrap();
    };
    let cut = |path: &std::path::Path| {
        let bytes = std::fs::read(path).unwrap();
        std::fs::write(path, &bytes[..bytes.len() - 1]).unwrap();
    };
    let empty = |path: &std::path::Path| std::fs::write(path, "").unwrap();
    let mut host = Host::start();
    host.install("hello", &[]);
    for (ending, damage) in [
        ("cwasm", &flip_everywhere as &dyn Fn(&std::path::Path)),
        ("cwasm", &flip_one_bit),
        ("cwasm", &cut),
        ("cwasm", &empty),
        ("sha256", &flip_one_bit),
        ("sha256", &empty),
    ] {
        let files = code(&host, ending);
        assert_eq!(files.len(), 1, "{files:?}");
        damage(&files[0]);
        host.crash_and_restart();
        assert!(host.log().contains("is damaged; compiling again"), "{ending}: {}", host.log());
        assert_eq!(host.call("ann", "hello", &json!({"name": "Ada"})).value(), "Hello, Ada!");
        // Mended by that.
        let before = host.log().len();
        host.crash_and_restart();
        let log = host.log().split_off(before);
        assert!(log.contains("cached=true") && !log.contains("is damaged"), "{log}");
    }
}

/// A component that never heard of Muster: its one function, without parameters or result, is a command.
#[test]
fn a_plain_function_is_a_command() {
    let host = Host::start();
    host.install("wrong_world", &[]);
    let ran = host.call("admin", "run", &json!({}));
    assert_eq!((ran.status, ran.value()), (200, json!(null)));
    assert_eq!(host.call("admin", "run", &json!({"x": 1})).verdict(), "400 invalid-arguments");
}
