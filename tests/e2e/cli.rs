//! The command line: what it prints, to whom, and with which exit code.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Value, json};
use tests::{Host, component};

use crate::oauth::{Page, parameter};

#[test]
fn help_texts_are_reviewed() {
    let host = Host::start();
    host.install("hello", &[]);
    host.install("typed_tools", &[]);
    let mut page = String::new();
    for words in [
        &["--help"][..],
        &["serve", "--help"],
        &["plugin", "--help"],
        &["plugin", "install", "--help"],
        &["help", "hello"],
        &["call", "hello", "--help"],
        &["help", "tags"],
        &["call", "audit_search", "--help"],
        &["call", "set_loglevel", "--help"],
        &["call", "areas", "--help", "--api-version", "0"],
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
        (&["call", "hello", "nam=x", "name=y"], 2, "/nam: is not allowed here"),
        (&["call", "hello", "name"], 2, "`name` is not an argument"),
        (&["call", "hello", "{"], 2, "not valid JSON"),
        (&["frobnicate"], 2, "unrecognized subcommand"),
        (&["account", "add", "ann"], 2, "user@host"),
        (&["--url", "ftp://x", "call", "hello"], 2, "is not the URL of a host"),
        (&["--url", "http://localhost:1/api", "call", "hello"], 2, "it has a path"),
        (&["--url", "http://a:b@localhost:1", "call", "hello"], 2, "use --user and MUSTER_PASSWORD"),
        (&["--url", "http://localhost:99999", "call", "hello"], 2, "invalid port number"),
        (&["--url", "http://127.0.0.1:1", "call", "hello", "{}"], 3, "cannot connect to a host at 127.0.0.1:1"),
        (&["--data", "/nowhere", "call", "hello", "{}"], 3, "start one with `muster serve`"),
        (&["--url", &format!("http://{}", host.address()), "call", "stop", "{}"], 4, "authentication required"),
        (
            &["--data", "x", "--url", "http://127.0.0.1:1", "call", "status"],
            2,
            "--data and --url cannot be used together",
        ),
        (&["call", "hello", "name=x", "--output", "xml"], 2, "unknown output format `xml`"),
        (&["call", "hello", "name=x", "--api-version"], 2, "`--api-version` has no value"),
        (&["call", "helo", "{}"], 5, "did you mean `hello`?"),
        (&["help", "helo"], 5, "did you mean `hello`?"),
        (&["help", "helo*"], 5, "did you mean `hello`?"),
        (&["help", "account"], 5, "did you mean `accounts`?"),
        (&["help", "plugins"], 5, "did you mean `muster plugin --help`?"),
        (&["help", "zzzzzzzz"], 5, "`muster help` lists all commands you may call"),
        (&["help", "nothing"], 5, "matches `nothing`"),
        (&["plugin", "uninstall", "nothing"], 5, "there is no plugin `nothing`"),
        (&["plugin", "inspect", "/nowhere.wasm"], 5, "cannot be read"),
        (&["call", "trap"], 6, "Plugin fault"),
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
        (&["-o", "yaml", "call", "hello", "-ojson", "--name", "Ada"], "\"Hello, Ada!\"\n"),
        (&["call", "hello", "name=Ada", "--output", "json", "--api-version", "0"], "\"Hello, Ada!\"\n"),
        (&["call", "hello", "--api-version=3", "name=Ada", "--output=json"], "\"Hello, Ada!\"\n"),
        // What others say does not reach a terminal but as text.
        (&["call", "hello", "name=\u{1b}[2J\r"], "Hello, \\u{1b}[2J\\r!\n"),
        (&["call", "hello", "name=\u{1b}[2J", "--json"], "\"Hello, \\u001b[2J!\"\n"),
        (&["-o", "plain", "call", "hello", "name=a\tb"], "Hello, a\tb!\n"),
    ] {
        assert_eq!(host.cli(words).stdout, expected, "{words:?}");
    }
    let plugins = host.cli(&["-o", "plain", "call", "modules_installed"]);
    assert!(plugins.stdout.starts_with("hello\t"), "{plugins:?}");
    let refused = host.cli(&["help", "he\u{1b}[2Jllo"]);
    assert!(refused.code == 5 && refused.stderr.contains("`he\\u{1b}[2Jllo`"), "{refused:?}");
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
    // A note is of one run: whatever else it is used for would leave lines out.
    for (words, input, text) in [
        (words, input(2..=30), "belongs to another input"),
        (["call", "--bulk", "--jobs", "4", "--resume", &note, "status"], input(1..=30), "not of `status`"),
    ] {
        let refused = host.cli_with_input(&words, &input);
        assert!(refused.code == 2 && refused.stdout.is_empty() && refused.stderr.contains(text), "{refused:?}");
    }
    host.terminate();
    host.wait_for_end();
    let gone = host.cli_with_input(&words, &input(1..=30));
    assert_eq!((gone.code, gone.stdout.as_str()), (3, ""), "{gone:?}");
    assert!(gone.stderr.contains("run it again to continue"), "{gone:?}");
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

/// The program as somebody starts it who keeps their logins in this directory.
fn at_home(home: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(tests::binary());
    command.env("XDG_CONFIG_HOME", home).env_remove("MUSTER_PROFILE").args(words);
    command
}

/// Makes ann's login for a scope the profile `work`, with a browser of our own.
#[track_caller]
fn log_in(host: &Host, home: &Path, scope: &str) {
    let url = format!("http://{}", host.address());
    let added = host.cli(&["client", "add", "muster-cli", "--redirect-uri", "http://127.0.0.1/callback"]);
    assert_eq!(added.code, 0, "{added:?}");
    let words = ["--url", &url, "--profile", "work", "login", "--no-browser", "--scope", scope];
    let mut login = at_home(home, &words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(login.stderr.as_mut().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("Log in at ").unwrap().to_owned();
    let redirect = parameter(&address, "redirect_uri").unwrap();
    // Somebody else on this machine knocks first, with another state.
    let stranger =
        ureq::get(format!("{redirect}?code=stolen&state=other")).config().http_status_as_error(false).build();
    assert_eq!(stranger.call().unwrap().status(), 400);
    let page = Page::of(host.request("GET", address.strip_prefix(&url).unwrap()).send());
    let back = page.send(host, "ann@localhost", tests::PASSWORD, "allow").header("location").to_owned();
    assert!(ureq::get(&back).call().unwrap().body_mut().read_to_string().unwrap().contains("return to the terminal"));
    let done = login.wait_with_output().unwrap();
    assert!(done.status.success(), "{done:?}");
    assert_eq!(
        String::from_utf8(done.stdout).unwrap(),
        format!("logged in with scope {scope}; use it with --profile work\n")
    );
}

/// Rules under which ann's login can be for these commands.
fn lending() -> Host {
    let lent = "  lent: {who: [{oauth: {scope: '@command', server: localhost}}], what: [status, registered_users]}";
    let host = Host::start_with(&format!("{}{lent}\n", tests::RULES));
    host.add_account("admin");
    host.add_account("ann");
    host
}

/// Has the kept token of the profile `work` end, and gives it.
fn end_token(file: &Path) -> Value {
    let mut kept: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    kept["work"]["ends_s"] = 1.into();
    std::fs::write(file, kept.to_string()).unwrap();
    kept["work"]["token"].clone()
}

#[test]
fn a_person_logs_in_with_a_browser_and_calls_by_profile() {
    let mut host = lending();
    let home = tempfile::tempdir().unwrap();
    let ran = |words: &[&str]| tests::run(&mut at_home(home.path(), words), "");
    let unknown = ran(&["--profile", "work", "call", "status"]);
    assert!(unknown.code == 5 && unknown.stderr.contains("muster --url URL login --profile work"), "{unknown:?}");
    log_in(&host, home.path(), "status");

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
    let first = end_token(&file);
    assert_eq!(ran(&["--profile", "work", "call", "status"]).code, 0);
    assert_ne!(kept()["work"]["token"], first);
    let token = kept()["work"]["token"].as_str().unwrap().to_owned();
    assert_eq!(ran(&["--profile", "work", "logout"]).stdout, "logged out\n");
    assert_eq!(ran(&["--profile", "work", "call", "status"]).code, 5);
    assert_eq!(host.request("GET", "/api").bearer(&token).send().status, 401, "revoked at the host too");
    host.terminate();
}

#[test]
fn programs_share_a_login_that_is_renewed_meanwhile() {
    let mut host = lending();
    let home = tempfile::tempdir().unwrap();
    log_in(&host, home.path(), "status");
    let file = home.path().join("muster/profiles.json");
    let status = ["--profile", "work", "call", "status"];
    for _ in 0..3 {
        let before = end_token(&file);
        let all: Vec<_> =
            (0..8).map(|_| at_home(home.path(), &status).stderr(Stdio::piped()).spawn().unwrap()).collect();
        for one in all {
            let done = one.wait_with_output().unwrap();
            assert!(done.status.success(), "{done:?}");
        }
        let kept: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
        assert_ne!(kept["work"]["token"], before);
    }

    // A run that goes on for long renews it as well; what is answered is there while nothing comes in.
    let mut bulk = at_home(home.path(), &["--profile", "work", "call", "--bulk", "status"]);
    let mut bulk = bulk.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut input, mut output) = (bulk.stdin.take().unwrap(), BufReader::new(bulk.stdout.take().unwrap()).lines());
    for line in 1..=3 {
        writeln!(input, "{{}}").unwrap();
        let answer: Value = serde_json::from_str(&output.next().unwrap().unwrap()).unwrap();
        assert!(answer["line"] == line && answer["result"].is_string(), "{answer}");
        end_token(&file);
    }
    drop(input);
    assert!(bulk.wait().unwrap().success());

    // The profile's own token is used at its host, whatever variables say; an option says otherwise.
    let with = |variables: &[(&str, &str)], words: &[&str]| {
        let done = at_home(home.path(), words).envs(variables.iter().copied()).stdin(Stdio::null()).output().unwrap();
        (done.status.code(), String::from_utf8(done.stderr).unwrap())
    };
    let password = ("MUSTER_PASSWORD", tests::PASSWORD);
    let data = host.data().display().to_string();
    let hello = ["--profile", "work", "--user", "ann@localhost", "call", "check_account", "user=ann", "host=localhost"];
    for (variables, words, code) in [
        (&[("MUSTER_TOKEN", "wrong")][..], &status[..], 0),
        (
            &[("MUSTER_URL", "http://127.0.0.1:1"), ("MUSTER_DATA", "/nowhere"), ("MUSTER_USER", "bob@localhost")],
            &status,
            0,
        ),
        (&[("MUSTER_URL", "http://127.0.0.1:1"), ("MUSTER_PROFILE", "none")], &["--data", &data, "call", "status"], 0),
        (&[("MUSTER_PROFILE", "work"), ("MUSTER_TOKEN", "wrong")], &["call", "status"], 0),
        (&[("MUSTER_PROFILE", "work"), ("MUSTER_URL", "http://127.0.0.1:1")], &["call", "status"], 3),
        (&[password], &hello, 0),
        (&[("MUSTER_PASSWORD", "wrong")], &hello, 4),
        (&[], &["--profile", "work", "--data", &data, "call", "status"], 2),
    ] {
        let (ended, said) = with(variables, words);
        assert_eq!(ended, Some(code), "{variables:?} {words:?} {said}");
    }

    // A host that is away has not ended the login; a login that is over is not its absence.
    end_token(&file);
    host.terminate();
    let (code, said) = with(&[], &status);
    assert!(code == Some(3) && said.contains("cannot be reached"), "{said}");
    host.start_again();
    let mut kept: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    kept["work"]["url"] = format!("http://{}", host.address()).into();
    kept["work"]["refresh_token"] = "made-up".into();
    std::fs::write(&file, kept.to_string()).unwrap();
    let (code, said) = with(&[], &status);
    assert!(code == Some(4) && said.contains("the login of profile `work` has expired"), "{said}");
}

#[test]
fn what_a_command_takes_is_known_to_everybody_who_may_call_it() {
    let host = Host::start();
    host.install("hello", &[]);
    let as_ann = |words: &[&str]| {
        let mut command = Command::new(tests::binary());
        command
            .env("MUSTER_PASSWORD", tests::PASSWORD)
            .arg("--data")
            .arg(host.data())
            .args(["--user", "ann@localhost"]);
        tests::run(command.args(words), "")
    };
    for (words, text) in [
        (&["call", "hello", "name=Ada"][..], "Hello, Ada!\n"),
        (&["call", "hello", "--name", "Ada", "--output=json"], "\"Hello, Ada!\"\n"),
        (&["call", "hello", "--help"], "name  string  required  Whom to greet."),
        (&["call", "hello", "--help"], "muster call hello '{\"name\":\"Ada\"}'"),
        (&["help"], "Greets a person by name"),
        (&["help", "demo"], "hello"),
    ] {
        let ran = as_ann(words);
        assert!(ran.code == 0 && ran.stdout.contains(text), "{words:?} {ran:?}");
    }
    for (words, code, text) in [
        (&["call", "hello", "nam=Ada"][..], 2, "/nam: is not allowed here"),
        (&["call", "stop", "a=b"], 4, "Not permitted"),
        (&["help", "stop"], 5, "matches `stop`"),
    ] {
        let ran = as_ann(words);
        assert!(ran.code == code && ran.stderr.contains(text), "{words:?} {ran:?}");
    }
}

/// The status and headers for a name that was there so often; nothing hangs up.
type StandIn = fn(&str, usize) -> Option<(u16, &'static str)>;

/// A stand-in for a host: answers a call by the name it greets and how often that name was there, or hangs up.
fn stand_in(answer: StandIn) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let seen: &Mutex<Vec<String>> = Box::leak(Box::default());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            std::thread::spawn(move || {
                let mut length = 0;
                let mut line = String::new();
                while stream.read_line(&mut line).unwrap_or_default() > 2 {
                    let (name, value) = line.trim().split_once(": ").unwrap_or_default();
                    if name.eq_ignore_ascii_case("content-length") {
                        length = value.parse().unwrap();
                    }
                    line.clear();
                }
                let mut body = vec![0; length];
                stream.read_exact(&mut body).unwrap();
                let name = serde_json::from_slice::<Value>(&body).unwrap()["name"].as_str().unwrap().to_owned();
                seen.lock().unwrap().push(name.clone());
                let times = seen.lock().unwrap().iter().filter(|one| **one == name).count();
                if let Some((status, more)) = answer(&name, times) {
                    let body = if status == 200 { "\"well\"".to_owned() } else { format!("{{\"status\":{status}}}") };
                    let head =
                        format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n{more}connection: close", body.len());
                    let _ = write!(stream.get_mut(), "{head}\r\n\r\n{body}");
                }
            });
        }
    });
    address
}

#[test]
fn a_bulk_ends_where_no_line_can_be_answered() {
    let directory = tempfile::tempdir().unwrap();
    let input = (1..=12).map(|number| format!("{{\"name\": \"N{number}\"}}")).collect::<Vec<_>>().join("\n");
    let rows: [(StandIn, i32, u64); 4] = [
        // The connection breaks at the fourth line, while those before it are under way.
        (
            |name, _| {
                std::thread::sleep(Duration::from_millis(match name {
                    "N1" => 900,
                    "N4" => 300,
                    _ => 0,
                }));
                (name != "N4").then_some((200, ""))
            },
            3,
            3,
        ),
        (|name, _| Some((if name == "N6" { 401 } else { 200 }, "")), 4, 5),
        (|name, _| Some((if name == "N1" { 403 } else { 200 }, "")), 4, 0),
        // A host that has no time is asked again, when it says so.
        (
            |name, times| match (name, times) {
                ("N2", 1) => Some((429, "retry-after: 1\r\n")),
                ("N3", 1..=2) => Some((503, "")),
                _ => Some((200, "")),
            },
            0,
            12,
        ),
    ];
    for (place, (answer, code, answered)) in rows.into_iter().enumerate() {
        let url = stand_in(answer);
        let note = directory.path().join(place.to_string());
        let mut bulk = Command::new(tests::binary());
        bulk.args(["--url", &url, "call", "--bulk", "--jobs", "4", "--resume"]).arg(&note).arg("hello");
        let ran = tests::run(&mut bulk, &input);
        assert_eq!(ran.code, code, "{place} {ran:?}");
        let lines: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let expected: Vec<Value> = (1..=answered).map(|line| json!({ "line": line, "result": "well" })).collect();
        assert_eq!(lines, expected, "{place} {ran:?}");
        let noted = std::fs::read_to_string(&note).unwrap();
        assert!(noted.starts_with(&format!("{answered:020}\nhello ")), "{place} {noted}");
        assert_eq!(ran.stderr.contains("run it again to continue"), code != 0, "{place} {ran:?}");
    }
}

#[test]
fn a_bulk_waits_for_a_rate_limit() {
    let limits = "rate_limits: {greetings: {what: hello, per: caller, per_minute: 120, burst: 2}}";
    let host = Host::start_with(&format!("{}{limits}\n", tests::RULES));
    host.add_account("ann");
    host.install("hello", &[]);
    let mut bulk = Command::new(tests::binary());
    bulk.args(["--url", &host.urls()[0], "--user", "ann@localhost", "call", "--bulk", "hello"]);
    let ran = tests::run(bulk.env("MUSTER_PASSWORD", tests::PASSWORD), &"{\"name\": \"Ada\"}\n".repeat(6));
    assert!(ran.code == 0 && ran.stderr.starts_with("6 done, 0 failed"), "{ran:?}");
}

#[test]
fn output_without_a_reader_ends_quietly() {
    let host = Host::start();
    let mut command = Command::new(tests::binary());
    command.arg("--data").arg(host.data()).args(["audit", "tail", "-f"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut tail = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(tail.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(!line.is_empty());
    // Nothing happens at the host meanwhile.
    let done = tail.wait_with_output().unwrap();
    assert!(done.status.success() && done.stderr.is_empty(), "{done:?}");
    // What cannot be written is another matter.
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut command = Command::new(tests::binary());
    let done = command.arg("--data").arg(host.data()).args(["call", "status"]).stdout(full).output().unwrap();
    assert!(done.status.code() == Some(1) && String::from_utf8_lossy(&done.stderr).contains("cannot be written"));
}

const LEVELS: [&str; 5] =
    ["--loglevel=debug", "--loglevel=error", "--loglevel=info", "--loglevel=none", "--loglevel=warning"];

#[test]
fn shells_complete_commands_and_arguments_that_there_are_now() {
    let host = Host::start();
    let complete = |line: &[&str]| {
        let mut command = Command::new(tests::binary());
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
        (&["call", "-o", "json", "hel"], &["hello", "help"]),
        (&["--output=json", "call", "--jobs", "3", "hel"], &["hello", "help"]),
        (&["call", "set_loglevel", "loglevel=d"], &["loglevel=debug"]),
        (&["call", "set-loglevel", "--loglevel="], &LEVELS),
        (&["plugin", "uninstall", "he"], &["hello"]),
        (&["plugin", "upgrade", "--name", ""], &["hello"]),
        (&["plugin", "grants", "x"], &[]),
    ] {
        let line = [&["muster", "--data", &data][..], words].concat();
        let mut found = complete(&line);
        // Options of the program are offered too, as long as nothing is written.
        found.retain(|word| !word.starts_with("--") || word.contains('='));
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
    let mut python = Command::new("python3");
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
    let host = Host::start_with(&format!("{}{}", tests::RULES, tests::TOKEN_RULE));
    host.add_account("admin");
    host.add_account("ann");
    let (home, url) = (tempfile::tempdir().unwrap(), format!("http://{}", host.address()));
    assert_eq!(host.cli(&["client", "add", "muster-cli", "--redirect-uri", "http://127.0.0.1/callback"]).code, 0);
    let mut login = Command::new(tests::binary());
    login.env("XDG_CONFIG_HOME", home.path());
    login.args(["--url", &url, "--profile", "work", "login", "--no-browser", "--scope", "status"]);
    let mut login = login.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(login.stderr.as_mut().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("Log in at ").unwrap().to_owned();
    let pictures = tests::root().join("target/pictures");
    std::fs::create_dir_all(&pictures).unwrap();
    let mut node = Command::new("node");
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
        let mut command = Command::new(tests::binary());
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
    let ran = tests::run(Command::new(tests::binary()).args(words), "");
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("muster.yaml:2:1: unknown key `hots`; did you mean `hosts`?"), "{ran:?}");
    assert!(!data.exists());
}
