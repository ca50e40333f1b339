//! Backups of a host that goes on: whole under writes, never half after a crash, and a host again where they are restored.

use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tests::{Host, PASSWORD, RULES, Ran, binary, run};

fn muster(words: &[&str]) -> Ran {
    run(Command::new(binary()).args(words), "")
}

fn accounts(host: &Host) -> Vec<String> {
    let listed = host.call("admin", "registered_users", &json!({"host": "localhost"}));
    listed.value().as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_backup_is_whole_under_writes_and_makes_the_same_host() {
    let host = Host::start();
    host.install("hello", &[]);
    host.install("roster", &["keyvalue"]);
    let contact = json!({"localuser": "ann", "localhost": "localhost", "user": "bob", "host": "localhost", "nick": "Bob", "groups": ["f"], "subs": "both"});
    assert_eq!(host.call("admin", "add_rosteritem", &contact).status, 200);
    let file = host.data().join("mine.tar");
    let path = file.to_str().unwrap();
    let (written, stop) = (Mutex::new(Vec::<String>::new()), AtomicBool::new(false));
    let before = std::thread::scope(|scope| {
        for writer in 0..2 {
            let (host, written, stop) = (&host, &written, &stop);
            scope.spawn(move || {
                for number in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let user = format!("u{writer}-{number}");
                    let arguments = json!({"user": user, "host": "localhost", "password": PASSWORD});
                    assert_eq!(host.call("admin", "register", &arguments).status, 200);
                    written.lock().unwrap().push(user);
                }
            });
        }
        while written.lock().unwrap().len() < 5 {
            std::thread::sleep(Duration::from_millis(10));
        }
        let before = written.lock().unwrap().clone();
        let made = host.cli(&["backup", path]);
        stop.store(true, Ordering::Relaxed);
        assert_eq!(made.code, 0, "{made:?}");
        before
    });
    let again = host.cli(&["backup", path]);
    assert!(again.code == 1 && again.stderr.contains("exists already"), "{again:?}");
    let verified = muster(&["backup", "verify", path]);
    assert!(verified.code == 0 && verified.stdout.starts_with("valid: "), "{verified:?}");
    let left: Vec<_> = std::fs::read_dir(host.data().join("backups")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");

    let directory = tempfile::tempdir().unwrap();
    let restored = muster(&["restore", path, "--data", directory.path().to_str().unwrap()]);
    assert_eq!(restored.code, 0, "{restored:?}");
    assert_eq!(std::fs::read_to_string(directory.path().join("muster.yaml")).unwrap(), RULES);
    let second = muster(&["restore", path, "--data", directory.path().to_str().unwrap()]);
    assert!(second.code == 1 && second.stderr.contains("is not empty"), "{second:?}");
    let mut other = Host::start_on(directory, RULES);
    let there = accounts(&other);
    for user in before.iter().map(String::as_str).chain(["admin", "ann"]) {
        assert!(there.iter().any(|name| name == user), "{user} was acknowledged before the backup began");
    }
    assert_eq!(other.call("ann", "hello", &json!({"name": "Ada"})).value(), "Hello, Ada!");
    let contacts = other.call("admin", "get_roster", &json!({"user": "ann", "host": "localhost"}));
    assert_eq!(contacts.value()[0]["nick"], "Bob");
    // The record goes on, and says where it was taken up.
    for _ in 0..2 {
        let verified: Value = other.call("admin", "audit_verify", &json!({})).value();
        assert!(verified["intact"] == true && verified["restored"].as_array().unwrap().len() == 1, "{verified}");
        let told = other.cli(&["audit", "verify"]);
        assert!(told.code == 0 && told.stdout.contains("restored at record"), "{told:?}");
        other.crash_and_restart();
    }
    // What was known of the first host after the backup is no sign that somebody took it away.
    let head = host.call("admin", "audit_verify", &json!({})).value()["head"].as_str().unwrap().to_owned();
    let audit = other.data().join("audit");
    let compared = muster(&["audit", "verify", "--dir", audit.to_str().unwrap(), "--head", &head]);
    assert!(compared.code == 1 && compared.stderr.contains("the host was restored at record"), "{compared:?}");
}

#[test]
fn a_backup_whose_host_is_killed_is_whole_or_not_there() {
    let mut host = Host::start();
    // Large enough that a backup takes a while.
    let python = tests::component("polyglot_python");
    let installed = host.cli(&["plugin", "install", python.to_str().unwrap(), "--name", "large"]);
    assert_eq!(installed.code, 0, "{installed:?}");
    let mut seen = [false; 2];
    for round in 0..6_u64 {
        let file = host.data().join(format!("{round}.tar"));
        let mut command = Command::new(binary());
        command.arg("--data").arg(host.data()).arg("backup").arg(&file);
        let mut backup = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(20 + round * 60));
        host.crash_and_restart();
        backup.wait().unwrap();
        seen[usize::from(file.exists())] = true;
        if file.exists() {
            let verified = muster(&["backup", "verify", file.to_str().unwrap()]);
            assert_eq!(verified.code, 0, "round {round}: {verified:?}");
        }
        let folder = host.data().join("backups");
        let left: Vec<_> =
            std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().file_name()).collect();
        assert!(!left.iter().any(|name| name.to_string_lossy().ends_with(".tmp")), "{left:?}");
    }
    assert!(seen[0], "at least one was killed in the middle");
    let file = host.data().join("last.tar");
    assert_eq!(host.cli(&["backup", file.to_str().unwrap()]).code, 0);
}

#[test]
fn a_backup_goes_nowhere_but_into_its_folder() {
    let host = Host::start();
    for name in ["../x.tar", "/tmp/x.tar", "a/b", ".hidden", "", "-x"] {
        let refused = host.call("admin", "backup", &json!({ "file": name }));
        assert_eq!(refused.verdict(), "400 invalid-arguments", "{name}");
    }
    assert_eq!(host.call("ann", "backup", &json!({"file": "a.tar"})).verdict(), "403 forbidden");
    let made = host.call("admin", "backup", &json!({"file": "a.tar"}));
    assert_eq!(made.status, 200, "{}", made.text());
    assert_eq!(host.call("admin", "backup", &json!({"file": "a.tar"})).verdict(), "422 command-failed");
    let file = std::fs::metadata(host.data().join("backups/a.tar")).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::mode(&file) & 0o777, 0o600);
}
