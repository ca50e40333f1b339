//! What was acknowledged is kept, whatever ends the process; and stopping lets calls end.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use tests::Host;

#[test]
fn kill_9_under_load_loses_nothing_acknowledged() {
    let mut host = Host::start();
    host.install("roster", &["keyvalue"]);
    let mut acknowledged = Vec::new();
    for round in 0..3 {
        let stop = AtomicBool::new(false);
        let names: Vec<String> = std::thread::scope(|scope| {
            let (host, stop) = (&host, &stop);
            let writers: Vec<_> = (0..4)
                .map(|writer| {
                    scope.spawn(move || {
                        let mut done = Vec::new();
                        for count in 0.. {
                            let name = format!("c{round}-{writer}-{count}");
                            let contact = json!({
                                "localuser": "ann", "localhost": "localhost", "user": name, "host": "localhost",
                                "nick": name, "groups": [], "subs": "both",
                            });
                            let request = host.request("POST", "/api/add_rosteritem").as_user("admin").json(&contact);
                            match request.try_send() {
                                Ok(answer) if answer.status == 200 => done.push(format!("{name}@localhost")),
                                _ => break,
                            }
                            if stop.load(Ordering::Relaxed) && count > 10_000 {
                                break;
                            }
                        }
                        done
                    })
                })
                .collect();
            std::thread::sleep(Duration::from_millis(400));
            kill(host.pid());
            stop.store(true, Ordering::Relaxed);
            writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect()
        });
        assert!(!names.is_empty());
        acknowledged.extend(names);
        host.start_again();
        let roster = host.call("admin", "get_roster", &json!({"user": "ann", "host": "localhost"})).value();
        let kept: Vec<&str> =
            roster.as_array().unwrap().iter().map(|contact| contact["jid"].as_str().unwrap()).collect();
        for name in &acknowledged {
            assert!(kept.contains(&name.as_str()), "{name} was acknowledged and is gone");
        }
    }
}

fn kill(pid: u32) {
    assert!(std::process::Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
}

#[test]
fn stopping_lets_running_calls_end() {
    let mut host = Host::start();
    host.install("slow", &[]);
    std::thread::scope(|scope| {
        let running = scope.spawn(|| host.call("admin", "slow", &json!({"ms": 1500})).status);
        std::thread::sleep(Duration::from_millis(500));
        assert_eq!(host.cli(&["call", "stop"]).code, 0);
        std::thread::sleep(Duration::from_millis(200));
        assert!(std::net::TcpStream::connect(host.address()).is_err(), "no new connections");
        assert_eq!(running.join().unwrap(), 200);
    });
    host.wait_for_end();
}

/// The last line of the log is that of the end.
#[test]
fn the_log_is_written_to_its_end() {
    let mut host = Host::start();
    host.terminate();
    let log = host.log();
    assert!(log.lines().last().is_some_and(|line| line.ends_with(": stopped")), "{log}");
}

#[test]
fn the_console_is_the_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let host = Host::start();
    let mode = std::fs::metadata(host.data().join("muster.sock")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn one_directory_has_one_host() {
    let host = Host::start();
    let mut second = std::process::Command::new(tests::binary());
    let ran = tests::run(second.arg("--data").arg(host.data()).args(["serve", "--listen", "127.0.0.1:0"]), "");
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("another host uses this data directory"), "{ran:?}");
    assert_eq!(host.call("admin", "status", &json!({})).status, 200);
}

#[test]
fn no_password_is_stored_or_logged() {
    let host = Host::start_with(&format!("{}\nloglevel: debug", tests::RULES));
    host.add_account("admin");
    host.call("admin", "check_password", &json!({"user": "admin", "host": "localhost", "password": tests::PASSWORD}));
    host.call("admin", "register", &json!({"user": "bob", "host": "localhost", "password": tests::PASSWORD, "x": 1}));
    assert!(!host.log().contains(tests::PASSWORD));
    let store = std::fs::read(host.data().join("muster.redb")).unwrap();
    assert!(!store.windows(tests::PASSWORD.len()).any(|bytes| bytes == tests::PASSWORD.as_bytes()));
    assert!(store.windows(10).any(|bytes| bytes == b"$argon2id$"));
}
