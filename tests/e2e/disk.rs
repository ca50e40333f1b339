//! What a disk does to a host: it is full and has space again, it stalls, or what the host logs is not read. Root makes the
//! file systems for it; elsewhere these tests say that they did not run.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;
use tests::{Host, PASSWORD, RULES, Ran, root, run};

/// A file system of its own, until it is dropped.
struct Mounted(tempfile::TempDir);

fn sh(script: &str) -> Ran {
    run(Command::new("sh").args(["-ec", script]), "")
}

impl Mounted {
    /// The error says why there is none.
    fn new(script: impl Fn(&Path) -> String) -> Result<Self, String> {
        let directory = tempfile::tempdir_in(root().join("target")).unwrap();
        let ran = sh(&script(directory.path()));
        if ran.code != 0 {
            return Err(ran.stderr);
        }
        Ok(Self(directory))
    }

    /// Where the data of a host can be.
    fn data(&self) -> tempfile::TempDir {
        tempfile::tempdir_in(self.0.path().join("mount")).unwrap()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        sh(&format!("umount -l {}", self.0.path().join("mount").display()));
    }
}

fn register(host: &Host, user: &str) -> u16 {
    host.call("admin", "register", &json!({"user": user, "host": "localhost", "password": PASSWORD})).status
}

/// Asks again and again, at most half a minute.
fn until(mut done: impl FnMut() -> bool) -> bool {
    (0..300).any(|_| {
        std::thread::sleep(Duration::from_millis(100));
        done()
    })
}

#[test]
fn after_a_full_disk_writes_go_on_without_a_restart() {
    for audit in ["audit: {enabled: false}", ""] {
        let mounted = Mounted::new(|folder| {
            let mount = folder.join("mount");
            format!("mkdir {0}; mount -t tmpfs -o size=32m tmpfs {0}", mount.display())
        });
        let mounted = match mounted {
            Ok(mounted) => mounted,
            Err(why) => {
                eprintln!("NOT tested: a file system of its own is needed: {why}");
                return;
            }
        };
        let mut host = Host::start_on(mounted.data(), &format!("{RULES}\n{audit}"));
        host.add_account("admin");
        assert_eq!(register(&host, "before"), 200);
        let filler = host.data().join("filler");
        assert_ne!(sh(&format!("dd if=/dev/zero of={} bs=64k 2>/dev/null", filler.display())).code, 0, "it is full");
        let refused = until(|| register(&host, "meanwhile") >= 500);
        assert!(refused, "{audit}: {}", host.log());
        std::thread::sleep(Duration::from_secs(2));
        if !audit.is_empty() {
            let read = host.call("admin", "check_account", &json!({"user": "before", "host": "localhost"}));
            assert_eq!((read.status, read.value()), (200, json!(0)), "reads go on");
        }
        std::fs::remove_file(&filler).unwrap();
        assert!(until(|| register(&host, "after") == 200), "{audit}: {}", host.log());
        let errors = host.log().lines().filter(|line| line.contains(" ERROR ")).count();
        assert!(errors <= 8, "{errors} errors\n{}", host.log());
        host.crash_and_restart();
        for user in ["before", "after"] {
            let there = host.call("admin", "check_account", &json!({"user": user, "host": "localhost"}));
            assert_eq!(there.value(), json!(0), "{user}");
        }
        drop(host);
    }
}

#[test]
fn while_a_disk_stalls_calls_are_refused_and_the_rest_is_served() {
    let mounted = Mounted::new(|folder| {
        let (image, mount) = (folder.join("image"), folder.join("mount"));
        format!(
            "mkdir {1}; dd if=/dev/zero of={0} bs=1M count=64 status=none; /sbin/mkfs.ext4 -q {0}; mount -o loop {0} {1}; \
             /sbin/fsfreeze -f {1}; /sbin/fsfreeze -u {1}",
            image.display(),
            mount.display()
        )
    });
    let mounted = match mounted {
        Ok(mounted) => mounted,
        Err(why) => {
            eprintln!("NOT tested: a file system of its own is needed: {why}");
            return;
        }
    };
    let host = Host::start_on(mounted.data(), RULES);
    host.add_account("admin");
    host.install("hello", &[]);
    let mount = mounted.0.path().join("mount");
    let freeze = |way: &str| assert_eq!(sh(&format!("/sbin/fsfreeze {way} {}", mount.display())).code, 0);
    let hello = || host.call("admin", "hello", &json!({"name": "Ada"}));
    assert_eq!(hello().status, 200);
    freeze("-f");
    // However many call: none waits for the disk, and soon each is told why it is refused.
    let refused = until(|| {
        let verdicts: Vec<String> = std::thread::scope(|scope| {
            let calls: Vec<_> = (0..8).map(|_| scope.spawn(|| hello().verdict())).collect();
            calls.into_iter().map(|call| call.join().unwrap()).collect()
        });
        verdicts.iter().all(|verdict| verdict == "503 unavailable")
    });
    let started = Instant::now();
    let page = host.request("GET", "/docs").send();
    let console = host.cli(&["call", "status"]);
    let served = (page.status, console.code, started.elapsed() < Duration::from_secs(20));
    freeze("-u");
    assert!(refused, "{}", host.log());
    assert_eq!(served, (200, 6, true), "{console:?}");
    assert!(until(|| hello().status == 200), "{}", host.log());
    let verified = host.cli(&["audit", "verify"]);
    assert_eq!(verified.code, 0, "{verified:?}");
}

#[test]
fn a_log_that_is_not_read_stops_nothing() {
    // Standard error is a pipe that is open and never read.
    let unread = ["bash", "-c", "exec \"$@\" 2> >(exec sleep 600)", "bash"];
    let host = Host::start_under(&unread, &format!("{RULES}\nloglevel: debug"));
    host.add_account("admin");
    for _ in 0..3_000 {
        assert_eq!(host.call("admin", "status", &json!({})).status, 200);
    }
}
