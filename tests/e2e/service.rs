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
        let length = manager.recv(&mut bytes).unwrap_or_else(|error| panic!("no {begin}: {told:?} {error}"));
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
    until("the log notes both", || host.log().contains("SIGUSR1 means") && host.log().contains("SIGUSR2 means"));
    assert_eq!(host.cli(&["call", "status"]).code, 0);

    // Other rules come into force, with a record.
    let file = host.data().join("muster.yaml");
    std::fs::write(&file, format!("{RULES}  more: {{who: all, what: status}}\n")).unwrap();
    signal(&host, "-HUP");
    let told = told_until(&manager, "RELOADING=1");
    assert!(told.last().unwrap().contains("\nMONOTONIC_USEC="), "{told:?}");
    told_until(&manager, "READY=1");
    assert!(host.log().contains("SIGHUP: the configuration was read again"), "{}", host.log());
    assert_eq!(host.call("", "status", &json!({})).status, 200);
    let found = host.cli(&["--json", "audit", "search", "--command", "reload_config", "-n", "1"]);
    let record: Value = serde_json::from_str(found.stdout.trim()).unwrap();
    assert_eq!((&record["caller"], &record["outcome"]), (&json!("console"), &json!("ok")));

    // A mistake, and rules that would lock the console out, leave everything as it was.
    for (rules, expected) in [
        ("listn: 1".to_owned(), "unknown key `listn`"),
        (format!("{}{}x", RULES, "- ".repeat(5_000)), "not read again"),
        (format!("{RULES}  console commands: {{who: none, what: '*'}}\n"), "nothing was changed"),
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

    // Only root can make a socket of somebody else.
    if run(Command::new("id").arg("-u"), "").stdout.trim() != "0" {
        return;
    }
    std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o700)).unwrap();
    chown(&data, Some(65_534), None).unwrap();
    assert!(serve(&[]).stderr.contains("belongs to the user 65534"));
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
        ran = ask();
        !ran.stderr.contains("no host answers")
    });
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.stderr.contains("is answered by the user 65534"), "{ran:?}");
    let mut heard = String::new();
    stranger.stdout.take().unwrap().read_to_string(&mut heard).unwrap();
    stranger.wait().unwrap();
    assert_eq!(heard, "up\nb''");
}

/// What assistants send that a library does not understand is no line of the log.
#[test]
fn messages_nobody_understands_do_not_fill_the_log() {
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
