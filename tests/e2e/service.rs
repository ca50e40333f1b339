//! The host as a service: signals, what a service manager is told, whose files and sockets are used, what a log line of
//! others may cost.

use std::io::{Read, Write};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::{Host, RULES, binary, run};

fn signal(host: &Host, name: &str) {
    assert_eq!(run(Command::new("kill").args([name, &host.pid().to_string()]), "").code, 0);
}

/// Waits until it is so, at most twenty seconds.
#[track_caller]
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let ends = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < ends, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The messages to a service manager up to the first that begins so.
fn told_until(manager: &UnixDatagram, begin: &str) -> Vec<String> {
    let mut told = Vec::new();
    loop {
        let mut bytes = [0; 4096];
        let length = manager.recv(&mut bytes).map_err(|error| format!("no {begin}: {told:?} {error}")).unwrap();
        told.push(String::from_utf8_lossy(&bytes[..length]).into_owned());
        if told.last().is_some_and(|last| last.starts_with(begin)) {
            return told;
        }
    }
}

#[test]
fn signals_reload_are_ignored_or_stop_and_a_service_manager_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("notify");
    let manager = UnixDatagram::bind(&socket).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let variable = format!("NOTIFY_SOCKET={}", socket.display());
    let mut host = Host::start_under(&["env", &variable, "WATCHDOG_USEC=200000"], RULES);
    host.add_account("admin");
    told_until(&manager, "READY=1");
    told_until(&manager, "WATCHDOG=1");
    told_until(&manager, "WATCHDOG=1");

    for name in ["-USR1", "-USR2"] {
        signal(&host, name);
    }
    until("the log notes both", || {
        host.log().contains("SIGUSR1 is not supported") && host.log().contains("SIGUSR2 is not supported")
    });
    assert_eq!(host.cli(&["call", "status"]).code, 0);

    // Other rules come into force, with a record.
    let file = host.data().join("muster.yaml");
    std::fs::write(&file, format!("{RULES}  more: {{who: all, what: status}}\n")).unwrap();
    signal(&host, "-HUP");
    let told = told_until(&manager, "RELOADING=1");
    assert!(told.last().unwrap().contains("\nMONOTONIC_USEC="), "{told:?}");
    told_until(&manager, "READY=1");
    assert!(host.log().contains("SIGHUP: configuration reloaded"), "{}", host.log());
    assert_eq!(host.call("", "status", &json!({})).status, 200);
    let found = host.cli(&["--json", "audit", "search", "--command", "reload_config", "-n", "1"]);
    let record: Value = serde_json::from_str(found.stdout.trim()).unwrap();
    assert_eq!((&record["caller"], &record["outcome"]), (&json!("console"), &json!("ok")));

    // A mistake, and rules that would lock the console out, leave everything as it was.
    for (rules, expected) in [
        ("listn: 1".to_owned(), "unknown key `listn`"),
        (format!("{}{}x", RULES, "- ".repeat(5_000)), "reloading the configuration failed"),
        (format!("{RULES}  console commands: {{who: none, what: '*'}}\n"), "no longer allow `reload_config` to"),
    ] {
        std::fs::write(&file, rules).unwrap();
        signal(&host, "-HUP");
        told_until(&manager, "RELOADING=1");
        told_until(&manager, "READY=1");
        assert!(host.log().contains(expected), "{expected}: {}", host.log());
        assert_eq!(host.call("", "status", &json!({})).status, 200);
    }
    signal(&host, "-TERM");
    told_until(&manager, "STOPPING=1");
    host.wait_for_end();
    assert!(host.log().contains("stopped"));
}

/// Calls that run when the host is told to stop are answered to their end, and the answer says that the connection ends.
#[test]
fn calls_end_before_the_host_does_and_say_that_the_connection_ends() {
    for name in ["-TERM", "-INT"] {
        let mut host = Host::start();
        host.install("slow", &[]);
        let credential = base64::Engine::encode(
            &base64::engine::general_purpose::STANDARD,
            format!("admin@localhost:{}", tests::PASSWORD),
        );
        let body = "{\"ms\": 2000}";
        let head = format!(
            "POST /api/slow HTTP/1.1\r\nhost: {}\r\nauthorization: Basic {credential}\r\ncontent-length: {}\r\n\r\n{body}",
            host.address(),
            body.len()
        );
        let calls = || host.cli(&["call", "stats", "name=calls"]).stdout.trim().parse::<u64>().unwrap();
        let before = calls();
        let mut stream = std::net::TcpStream::connect(host.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        // Each look counts itself; the call is one more.
        let mut looks = 0;
        until("the call runs", || {
            looks += 1;
            calls() > before + looks
        });
        signal(&host, name);
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.to_lowercase().contains("\r\nconnection: close\r\n"), "{answer}");
        host.wait_for_end();
    }
}

/// A directory others can write to is not served, and nothing is sent to a socket of another user.
#[test]
fn strangers_directories_and_sockets_are_not_used() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("muster.yaml"), "listen: 127.0.0.1:0\n").unwrap();
    let serve = |more: &[&str]| {
        let mut command = Command::new("timeout");
        // Long enough to be up, where it comes up at all.
        command.args(["-s", "KILL", "2"]).arg(binary()).arg("--data").arg(&data).args(more).arg("serve");
        run(&mut command, "")
    };
    for mode in [0o777, 0o1777, 0o770, 0o702] {
        std::fs::set_permissions(&data, std::fs::Permissions::from_mode(mode)).unwrap();
        let ran = serve(&[]);
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(ran.stderr.contains(&format!("has the mode {mode:o}")), "{ran:?}");
        assert!(ran.stderr.contains("--insecure-data"), "{ran:?}");
    }
    assert!(serve(&["--insecure-data"]).stdout.starts_with("ready: "));

    // Only root can make a socket of another user.
    if run(Command::new("id").arg("-u"), "").stdout.trim() != "0" {
        return;
    }
    std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o700)).unwrap();
    chown(&data, Some(65_534), None).unwrap();
    assert!(serve(&[]).stderr.contains("belongs to user 65534"));
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let _ = std::fs::remove_file(data.join("muster.sock"));
    let script = "import socket, sys, os\nos.setuid(65534)\nlistener = socket.socket(socket.AF_UNIX)\n\
                  listener.bind(sys.argv[1])\nlistener.listen()\nprint('up', flush=True)\n\
                  connection, _ = listener.accept()\nsys.stdout.write(repr(connection.recv(65536)))";
    let mut stranger = Command::new("python3")
        .args(["-c", script])
        .arg(data.join("muster.sock"))
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    until("the stranger listens", || data.join("muster.sock").exists());
    let ask = || {
        let mut command = Command::new(binary());
        command.env("MUSTER_PASSWORD", "a secret of mine").arg("--data").arg(&data);
        run(command.args(["--user", "ann@localhost", "call", "status"]), "")
    };
    let mut ran = ask();
    until("the socket is bound", || {
        let again = ran.stderr.contains("cannot connect to a host");
        if again {
            ran = ask();
        }
        !again
    });
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.stderr.contains("belongs to a process of user 65534"), "{ran:?}");
    let mut heard = String::new();
    stranger.stdout.take().unwrap().read_to_string(&mut heard).unwrap();
    stranger.wait().unwrap();
    assert_eq!(heard, "up\nb''");
}

/// What assistants send that a library does not understand is no line of the log.
#[test]
fn unreadable_messages_do_not_fill_the_log() {
    let host = Host::start();
    let before = host.log().len();
    let filler = "x".repeat(200_000);
    for number in 0..20 {
        let message = json!({
            "jsonrpc": "2.0", "id": number, "method": format!("unknown/{filler}"), "params": {"text": filler},
        });
        let request =
            host.request("POST", "/mcp").as_user("ann").header("accept", "application/json, text/event-stream");
        request.header("mcp-protocol-version", "2025-06-18").json(&message).send();
        let message =
            json!({"jsonrpc": "2.0", "method": format!("notifications/{filler}"), "params": {"text": filler}});
        let request =
            host.request("POST", "/mcp").as_user("ann").header("accept", "application/json, text/event-stream");
        request.header("mcp-protocol-version", "2025-06-18").json(&message).send();
    }
    let grown = host.log().len() - before;
    assert!(grown < 20_000, "{grown}");
    // Not at the level of debugging either.
    assert_eq!(host.cli(&["call", "set_loglevel", "loglevel=debug"]).code, 0);
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": format!("unknown/{filler}"), "params": {"text": filler}});
    let request = host.request("POST", "/mcp").as_user("ann").header("accept", "application/json, text/event-stream");
    request.json(&message).send();
    assert!(!host.log().contains(&filler[..1000]));
}

/// Digits beyond those of a double reach the command as they were written.
#[test]
fn numbers_reach_a_command_with_their_digits() {
    let host = Host::start_with("{}");
    let big = "18446744073709551617";
    let ran =
        host.cli(&["--json", "call", "permissions_explain", "command=status", &format!("arguments:={{\"n\": {big}}}")]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let found = host.cli(&["call", "audit_search", "command=permissions_explain", "limit=1"]);
    let file = std::fs::read_to_string(host.data().join("audit/audit-00000000000000000001.jsonl")).unwrap();
    assert!(file.contains(&format!("{{\"n\": {big}}}")), "{found:?} {file}");
    let bulk = format!("{{\"command\": \"status\", \"arguments\": {{\"m\": {big}}}}}\n");
    assert_eq!(host.cli_with_input(&["call", "--bulk", "permissions_explain"], &bulk).code, 0);
    until("the record is written", || {
        host.cli(&["audit", "tail", "-n", "1"]);
        let file = std::fs::read_to_string(host.data().join("audit/audit-00000000000000000001.jsonl")).unwrap();
        file.contains(&format!("{{\"m\": {big}}}"))
    });
}

/// What a host does at once, and what it says, where it cannot start here.
fn attempt(data: &std::path::Path, more: &[&str]) -> tests::Ran {
    let mut command = Command::new("timeout");
    command.args(["-s", "KILL", "20"]).arg(binary()).arg("--data").arg(data).arg("serve").args(more);
    run(&mut command, "")
}

/// A store that is gone, empty, a link, or another host's is not begun anew, and nothing of the other host's is touched.
#[test]
fn a_store_that_is_gone_or_anothers_is_not_begun_anew() {
    let mut host = Host::start();
    let (data, socket) = (host.data().to_path_buf(), host.data().join("muster.sock"));
    // While it runs, also where its socket is gone.
    std::fs::rename(&socket, data.join("kept.sock")).unwrap();
    let ran = attempt(&data, &["--listen", "127.0.0.1:0"]);
    assert!(ran.code == 1 && ran.stderr.contains("another host uses this data directory"), "{ran:?}");
    assert!(!socket.exists(), "a second host left its socket");
    std::fs::rename(data.join("kept.sock"), &socket).unwrap();
    assert_eq!(host.cli(&["call", "status"]).code, 0);
    host.terminate();
    let (store, aside) = (data.join("muster.redb"), data.join("aside.redb"));
    std::fs::rename(&store, &aside).unwrap();
    for (what, make) in [
        ("is missing", (|_, _| {}) as fn(&std::path::Path, &std::path::Path)),
        ("is empty", |store, _| std::fs::write(store, "").unwrap()),
        ("is a link", |store, aside| std::os::unix::fs::symlink(aside, store).unwrap()),
        ("is not a regular file", |store, _| std::fs::create_dir(store).unwrap()),
    ] {
        make(&store, &aside);
        let mode = std::fs::metadata(&aside).unwrap().permissions().mode();
        let ran = attempt(&data, &["--listen", "127.0.0.1:0"]);
        assert!(ran.code == 1 && ran.stderr.contains(what), "{what}: {ran:?}");
        assert_eq!(std::fs::metadata(&aside).unwrap().permissions().mode(), mode, "{what}");
        assert!(!socket.exists(), "{what}");
        let _ = std::fs::remove_file(&store).or_else(|_| std::fs::remove_dir(&store));
    }
    std::fs::rename(&aside, &store).unwrap();
    host.start_again();
    assert_eq!(host.call("ann", "status", &json!({})).status, 200);
}

/// Where a host cannot start, it says why and leaves nothing behind.
#[test]
fn a_host_that_cannot_start_says_why_and_leaves_no_socket() {
    let directory = tempfile::tempdir().unwrap();
    let long = directory.path().join("d".repeat(120));
    let ran = attempt(&long, &["--listen", "127.0.0.1:0"]);
    assert!(ran.code == 1 && ran.stderr.contains("the system allows at most 107"), "{ran:?}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let data = directory.path().join("data");
    let ran = attempt(&data, &["--listen", &taken.local_addr().unwrap().to_string()]);
    assert!(ran.code == 1 && ran.stderr.contains("cannot be opened"), "{ran:?}");
    assert!(!data.join("muster.sock").exists());
    std::fs::write(data.join("muster.redb"), "this is no store, and long enough to be looked at").unwrap();
    let ran = attempt(&data, &["--listen", "127.0.0.1:0"]);
    assert!(ran.code == 1 && ran.stderr.contains("cannot be opened"), "{ran:?}");
    assert!(!data.join("muster.sock").exists());
}

/// All mistakes in one run, those in files and names that a start or a call would meet among them.
#[test]
fn config_check_finds_every_mistake_in_one_run() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("muster.yaml");
    let check = |text: &str| {
        std::fs::write(&file, text).unwrap();
        // From elsewhere: paths in a file are seen from the file.
        let mut command = Command::new(binary());
        run(command.current_dir("/").args(["config", "check"]).arg(&file), "")
    };
    let ran = check(
        "listen: here\nlimits: {calls_max: 0}\nhots: x\npasswords: {length_min: 0}\nacl: {a: {usr: x}, b: {ip: y}}\n\
         api_permissions:\n  one: {what: Status}\n  two: {form: rest}\n  three: {who: all, what: status}\n",
    );
    assert_eq!(ran.code, 1);
    for line in [":1:9:", ":2:21:", ":3:1:", ":4:25:", ":5:11:", ":5:28:", ":7:15:", ":8:9:"] {
        assert!(ran.stderr.contains(line), "{line}: {}", ran.stderr);
    }
    assert_eq!(ran.stderr.lines().count(), 8, "{}", ran.stderr);
    let ran = check(
        "listen: {address: '127.0.0.1:0', tls: {certificate: public.pem, key: no.key}}\nplugins_available: none\n\
         issuers: {issuer: a, audience: b, jwks_file: keys/none.json}\n",
    );
    let here = directory.path().display().to_string();
    for part in ["public.pem", "no.key", "keys/none.json", "none is not a directory"] {
        assert!(ran.code == 1 && ran.stderr.contains(&format!("{here}/{part}")), "{part}: {ran:?}");
    }
    let ran = check("api_permissions: {one: {from: [{tag: inside}], who: [{acl: admins}], what: status}}\n");
    assert!(ran.stderr.contains("no listener has the tag `inside`"), "{ran:?}");
    assert!(ran.stderr.contains("the acl `admins` is not defined"), "{ran:?}");
    assert!(check("acl: {a: {user: ann}}\n").stdout.contains("no mistakes"));
}

/// Every key that only a restart puts into force is named, and paths are seen from the file.
#[test]
fn a_reload_names_what_needs_a_restart() {
    let host = Host::start();
    let file = host.data().join("muster.yaml");
    for (more, key) in [
        ("mcp: {sessions_max: 7}", "mcp"),
        ("plugins_available: elsewhere", "plugins_available"),
        ("audit: {changes_files_max: 3}", "audit"),
        ("limits: {connections_max: 77}", "limits.connections_max"),
    ] {
        std::fs::write(&file, format!("{RULES}{more}\n")).unwrap();
        let ran = host.cli(&["config", "reload"]);
        assert!(ran.code == 0 && ran.stdout.contains(&format!("a restart is needed for {key}")), "{more}: {ran:?}");
    }
    std::fs::write(&file, format!("{RULES}passwords: {{length_min: 12}}\n")).unwrap();
    assert!(!host.cli(&["config", "reload"]).stdout.contains("a restart is needed"));
    let short = json!({"user": "bob", "host": "localhost", "password": "eleven char"});
    let answer = host.call("admin", "register", &short);
    assert!(answer.status == 400 && answer.text().contains("at least 12 characters"), "{}", answer.text());
}

/// Ten thousand accounts and a thousand rules: who is locked out is still found, and soon.
#[test]
fn a_reload_with_many_accounts_and_rules_is_answered_soon() {
    let users: Vec<String> = (0..10_000).map(|number| format!("user{number}@localhost")).collect();
    let rule = |number| {
        format!(
            "  g{number}: {{who: [{{user_glob: 'x{number}*'}}, {{acl: staff}}, {{ip: 10.{}.0.0/16}}], what: status}}\n",
            number % 256
        )
    };
    let rules: String = (0..1_000).map(rule).collect::<Vec<_>>().concat();
    let config = |admin: &str| {
        format!(
            "acl:\n  staff: {{user: [{}]}}\n  admin: {{{admin}}}\napi_permissions:\n  admins: {{who: admin, what: '*'}}\n{rules}",
            users.join(", ")
        )
    };
    let host = Host::start_with(&config("user: admin@localhost"));
    host.add_account("admin");
    let began = Instant::now();
    let ran = host.cli(&["config", "reload"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    // The bound is a second for each of two looks; a machine that is busy may take longer for the rest.
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    std::fs::write(host.data().join("muster.yaml"), config("user_glob: 'nosuch*'")).unwrap();
    let ran = host.cli(&["config", "reload"]);
    assert!(ran.code == 1 && ran.stderr.contains("no longer allow `reload_config` to"), "{ran:?}");
    assert!(ran.stderr.contains("admin@localhost"), "{ran:?}");
}
