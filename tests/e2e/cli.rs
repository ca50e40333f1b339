//! The command line: what it prints, to whom, and with which exit code.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::Value;
use tests::{Host, component};

use crate::oauth::{Page, parameter};

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
fn results_have_the_form_that_is_asked_for() {
    let host = Host::start();
    host.install("hello", &[]);
    for (words, expected) in [
        (&["call", "registered_users", "host=localhost", "-o", "json"][..], "[\"admin\",\"ann\"]\n"),
        (&["-o", "yaml", "call", "registered_users", "host=localhost"], "- admin\n- ann\n"),
        (&["-o", "plain", "call", "registered_users", "host=localhost"], "admin\nann\n"),
        (&["-o", "plain", "call", "hello", "name=Ada"], "Hello, Ada!\n"),
        (&["-o", "yaml", "call", "hello", "name=yes: 5"], "\"Hello, yes: 5!\"\n"),
    ] {
        // What stands behind the command's name is its own.
        let words: Vec<&str> = if words.ends_with(&["-o", "json"]) {
            ["-o", "json"].iter().chain(&words[..words.len() - 2]).copied().collect()
        } else {
            words.to_vec()
        };
        assert_eq!(host.cli(&words).stdout, expected, "{words:?}");
    }
    let plugins = host.cli(&["-o", "plain", "call", "modules_installed"]);
    assert!(plugins.stdout.starts_with("hello\t"), "{plugins:?}");
    let yaml = host.cli(&["-o", "yaml", "help", "hello"]).stdout;
    assert!(yaml.contains("name: hello") && yaml.contains("required:"), "{yaml}");
}

#[test]
fn a_bulk_is_answered_in_order_and_goes_on_where_it_stopped() {
    let mut host = Host::start();
    host.install("hello", &[]);
    let note = host.data().join("note").display().to_string();
    let line = |number: u32| match number {
        7 => "not json".to_owned(),
        8 => r#"{"nam": "x"}"#.to_owned(),
        number => format!(r#"{{"name": "N{number}"}}"#),
    };
    let input = |lines: std::ops::RangeInclusive<u32>| lines.map(line).collect::<Vec<_>>().join("\n");
    let words = ["call", "--bulk", "--jobs", "4", "--resume", &note, "hello"];
    let ran = host.cli_with_input(&words, &input(1..=20));
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("18 done, 2 failed"), "{ran:?}");
    let answers: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for (place, answer) in answers.iter().enumerate() {
        assert_eq!(answer["line"], place + 1);
        match place + 1 {
            7 => assert_eq!(answer["error"]["code"], "malformed"),
            8 => assert_eq!(answer["error"]["code"], "invalid-arguments"),
            number => assert_eq!(answer["result"], format!("Hello, N{number}!")),
        }
    }
    assert_eq!(answers.len(), 20);
    // The same input with more lines: only those are called.
    let more = host.cli_with_input(&words, &input(1..=25));
    assert_eq!((more.code, more.stdout.lines().count()), (0, 5), "{more:?}");
    assert!(more.stdout.starts_with(r#"{"line":21,"result":"Hello, N21!"}"#), "{more:?}");
    host.terminate();
    host.wait_for_end();
    let gone = host.cli_with_input(&words, &input(1..=30));
    assert_eq!((gone.code, gone.stdout.as_str()), (3, ""), "{gone:?}");
    assert!(gone.stderr.contains("run it again to go on"), "{gone:?}");
    host.start_again();
    let rest = host.cli_with_input(&words, &input(1..=30));
    assert_eq!((rest.code, rest.stdout.lines().count()), (0, 5), "{rest:?}");
    for (words, text) in [
        (&["call", "--bulk", "hello", "name=x"][..], "come from standard input"),
        (&["call", "--jobs", "3", "hello"], "--bulk"),
        (&["call", "--bulk", "--jobs", "0", "hello"], "1..=64"),
    ] {
        let refused = host.cli(words);
        assert!(refused.code == 2 && refused.stderr.contains(text), "{words:?} {refused:?}");
    }
}

#[test]
fn a_person_logs_in_with_a_browser_and_calls_by_profile() {
    let lent = "  lent: {who: [{oauth: {scope: '@command', server: localhost}}], what: [status, registered_users]}";
    let mut host = Host::start_with(&format!("{}{lent}\n", tests::RULES));
    host.add_account("admin");
    host.add_account("ann");
    let (home, url) = (tempfile::tempdir().unwrap(), format!("http://{}", host.address()));
    let muster = |words: &[&str]| {
        let mut command = std::process::Command::new(tests::binary());
        command.env("XDG_CONFIG_HOME", home.path()).env_remove("MUSTER_PROFILE").args(words);
        command
    };
    let ran = |words: &[&str]| tests::run(&mut muster(words), "");
    let unknown = ran(&["--profile", "work", "call", "status"]);
    assert!(unknown.code == 5 && unknown.stderr.contains("muster --url URL login --profile work"), "{unknown:?}");
    let added = host.cli(&["client", "add", "muster-cli", "--redirect-uri", "http://127.0.0.1/callback"]);
    assert_eq!(added.code, 0, "{added:?}");

    let words = ["--url", &url, "--profile", "work", "login", "--no-browser", "--scope", "status"];
    let mut login = muster(&words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(login.stderr.as_mut().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("Log in at ").unwrap().to_owned();
    let redirect = parameter(&address, "redirect_uri").unwrap();
    // Somebody else on this machine knocks first, with another state.
    let stranger =
        ureq::get(format!("{redirect}?code=stolen&state=other")).config().http_status_as_error(false).build();
    assert_eq!(stranger.call().unwrap().status(), 400);
    let page = Page::of(host.request("GET", address.strip_prefix(&url).unwrap()).send());
    let back = page.send(&host, "ann@localhost", tests::PASSWORD, "allow").header("location").to_owned();
    assert!(ureq::get(&back).call().unwrap().body_mut().read_to_string().unwrap().contains("go back to the terminal"));
    let done = login.wait_with_output().unwrap();
    assert!(done.status.success(), "{done:?}");
    assert_eq!(String::from_utf8(done.stdout).unwrap(), "logged in for status; call with --profile work\n");

    let file = home.path().join("muster/profiles.json");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(ran(&["--profile", "work", "call", "status"]).code, 0);
    assert_eq!(
        ran(&["--profile", "work", "call", "registered_users", "host=localhost"]).code,
        4,
        "only what was granted"
    );
    // A token that is about to end is renewed, also by a host that was restarted meanwhile.
    let kept = || -> Value { serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap() };
    let mut ending = kept();
    let first = ending["work"]["token"].take();
    ending["work"]["token"] = first.clone();
    ending["work"]["ends_s"] = 1.into();
    std::fs::write(&file, ending.to_string()).unwrap();
    assert_eq!(ran(&["--profile", "work", "call", "status"]).code, 0);
    assert_ne!(kept()["work"]["token"], first);
    let token = kept()["work"]["token"].as_str().unwrap().to_owned();
    assert_eq!(ran(&["--profile", "work", "logout"]).stdout, "logged out\n");
    assert_eq!(ran(&["--profile", "work", "call", "status"]).code, 5);
    assert_eq!(host.request("GET", "/api").bearer(&token).send().status, 401, "revoked at the host too");
    host.terminate();
}

#[test]
fn shells_complete_commands_and_arguments_that_there_are_now() {
    let host = Host::start();
    let complete = |line: &[&str]| {
        let mut command = std::process::Command::new(tests::binary());
        command.env("MUSTER_COMPLETE", "bash").env("_CLAP_COMPLETE_INDEX", (line.len() - 1).to_string());
        command.env("_CLAP_IFS", "\n").env("_CLAP_COMPLETE_COMP_TYPE", "9").arg("--").args(line);
        let ran = tests::run(&mut command, "");
        assert_eq!(ran.code, 0, "{ran:?}");
        ran.stdout.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let data = host.data().display().to_string();
    let before = complete(&["muster", "--data", &data, "call", "hel"]);
    assert_eq!(before, ["help"]);
    host.install("hello", &[]);
    for (words, expected) in [
        (&["call", "hel"][..], &["hello", "help"][..]),
        (&["help", "hel"], &["hello", "help"]),
        (&["call", "hello", "na"], &["name="]),
        (&["call", "register", ""], &["host=", "password=", "user="]),
        (&["call", "no_such_command", ""], &[]),
        (&["permissions", "che"], &["check"]),
    ] {
        let line = [&["muster", "--data", &data][..], words].concat();
        let mut found = complete(&line);
        // Options of the program are offered too, as long as nothing is written.
        found.retain(|word| !word.starts_with("--"));
        found.sort();
        assert_eq!(found, expected, "{words:?}");
    }
    for shell in ["bash", "zsh", "fish"] {
        assert!(host.cli(&["completion", shell]).stdout.contains("MUSTER_COMPLETE"), "{shell}");
    }
}

/// Has `tests/interfaces/terminal.py` type into a program as a person would.
#[track_caller]
fn at_a_terminal(host: &Host, what: &str) {
    let mut path = tests::binary().parent().unwrap().as_os_str().to_owned();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    let home = tempfile::tempdir().unwrap();
    let mut python = std::process::Command::new("python3");
    python.arg(tests::root().join("tests/interfaces/terminal.py")).arg(what);
    python.env("PATH", path).env("HOME", home.path()).env("MUSTER_DATA_FOR_TESTS", host.data());
    let ran = tests::run(&mut python, "");
    assert!(ran.code == 0 && ran.stdout.contains("done"), "{what}: {}{}", ran.stdout, ran.stderr);
}

#[test]
fn real_shells_complete_what_is_typed() {
    let host = Host::start();
    host.install("hello", &[]);
    for shell in ["bash", "zsh", "fish"] {
        at_a_terminal(&host, shell);
    }
}

#[test]
fn a_person_sees_how_far_a_command_is() {
    let host = Host::start();
    host.install("hello", &[]);
    host.install("steps", &[]);
    at_a_terminal(&host, "progress");
}

#[test]
fn a_person_logs_in_with_a_real_browser() {
    let host = Host::start();
    let (home, url) = (tempfile::tempdir().unwrap(), format!("http://{}", host.address()));
    assert_eq!(host.cli(&["client", "add", "muster-cli", "--redirect-uri", "http://127.0.0.1/callback"]).code, 0);
    let mut login = std::process::Command::new(tests::binary());
    login.env("XDG_CONFIG_HOME", home.path());
    login.args(["--url", &url, "--profile", "work", "login", "--no-browser", "--scope", "status"]);
    let mut login = login.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(login.stderr.as_mut().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("Log in at ").unwrap().to_owned();
    let pictures = tests::root().join("target/pictures");
    std::fs::create_dir_all(&pictures).unwrap();
    let mut node = std::process::Command::new("node");
    node.arg(tests::root().join("tests/interfaces/login.mjs")).arg(tests::tool("node_modules"));
    let ran = tests::run(node.args(["/usr/bin/chromium", &address]).arg(pictures), tests::PASSWORD);
    assert!(ran.code == 0 && ran.stdout.contains("done"), "{}{}", ran.stdout, ran.stderr);
    let done = login.wait_with_output().unwrap();
    assert!(done.status.success(), "{done:?}");
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
