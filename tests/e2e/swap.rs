//! What the kernel does with pages behind the host's back: memory and tables of a call that were swapped out before the
//! call ended are as empty for the next call as all others.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;
use tests::{Host, root, run};

const RULES: &str = "
api_permissions:
  accounts: {who: {server: localhost}, what: '*'}
  console: {from: console, who: all, what: '*'}
";
/// Calls at the same time that leave something, so that several slots of the pool have it.
const LEAVING: usize = 4;
/// Calls that look for it: as many as reach each of those slots again.
const LOOKING: usize = 40;
/// How long a call waits with what it has written. The wait only has to be longer than swapping takes.
const WAIT_NS: u64 = 4_000_000_000;
const ROUNDS: usize = 3;

/// A swap file for as long as it lives.
struct Swap {
    file: PathBuf,
    _directory: tempfile::TempDir,
}

impl Swap {
    /// The error says why this machine, or this user, has none.
    fn on() -> Result<Self, String> {
        // Not in the temporary directory of the machine, which may be memory itself.
        let directory = tempfile::tempdir_in(root().join("target")).unwrap();
        let file = directory.path().join("swap");
        let path = file.to_str().unwrap();
        let size = format!("of={path}");
        for words in [
            &["dd", "if=/dev/zero", &size, "bs=1M", "count=128", "status=none"][..],
            &["chmod", "600", path],
            &["/sbin/mkswap", path],
            &["/sbin/swapon", path],
        ] {
            let ran = run(Command::new(words[0]).args(&words[1..]), "");
            if ran.code != 0 {
                return Err(format!("{}: {}", words.join(" "), ran.stderr));
            }
        }
        Ok(Self { file, _directory: directory })
    }
}

impl Drop for Swap {
    fn drop(&mut self) {
        run(Command::new("/sbin/swapoff").arg(&self.file), "");
    }
}

fn is_root() -> bool {
    run(Command::new("id").arg("-u"), "").stdout.trim() == "0"
}

fn push_out(pid: u32) -> u64 {
    let script = root().join("tests/interfaces/page_out.py");
    let ran = run(Command::new("python3").arg(script).arg(pid.to_string()), "");
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.stdout.trim().parse().unwrap()
}

/// Memory of the host that is its own and in use.
fn anonymous_kb(host: &Host) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", host.pid())).unwrap();
    let kb = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    kb.trim().trim_end_matches(" kB").parse().unwrap()
}

fn guest(folder: &Path) -> PathBuf {
    let text = include_str!("../../host/wasm/src/doctor/leftovers.wat").replace("ELEMENTS", "8000");
    let file = folder.join("leftovers.wasm");
    std::fs::write(&file, wat::parse_str(text).unwrap()).unwrap();
    file
}

#[test]
fn nothing_that_was_swapped_out_is_found_by_the_next_call() {
    if !is_root() {
        eprintln!("NOT tested: only root can make swap");
        return;
    }
    let _swap = match Swap::on() {
        Ok(swap) => swap,
        Err(why) => {
            eprintln!("NOT tested: this machine cannot have swap: {why}");
            return;
        }
    };
    let host = Host::start_with(RULES);
    for user in ["ann", "bob"] {
        host.add_account(user);
    }
    let folder = tempfile::tempdir().unwrap();
    let component = guest(folder.path());
    let installed = host.cli(&["plugin", "install", component.to_str().unwrap(), "--name", "leftovers"]);
    assert_eq!(installed.code, 0, "{installed:?}");
    for _ in 0..ROUNDS {
        let before = anonymous_kb(&host);
        std::thread::scope(|scope| {
            let leaving: Vec<_> = (0..LEAVING)
                .map(|_| scope.spawn(|| host.call("ann", "leave", &json!({ "nanoseconds": WAIT_NS }))))
                .collect();
            // Until they have written all of it.
            let enough = before + u64::try_from(LEAVING).unwrap() * 1600;
            for _ in 0..100 {
                if anonymous_kb(&host) > enough {
                    break;
                }
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            // Some of them may write yet: what is swapped out is pushed out again a little later.
            for _ in 0..5 {
                assert!(push_out(host.pid()) > 0, "pages are in swap");
                std::thread::sleep(std::time::Duration::from_millis(100));
            }
            for call in leaving {
                assert_eq!(call.join().unwrap().status, 200);
            }
        });
        for _ in 0..LOOKING {
            let found = host.call("bob", "count", &json!({}));
            assert_eq!((found.status, found.text().trim()), (200, "0"), "what ann's calls left");
        }
    }
    // The operator can see the same, on the machine where it matters.
    let doctor = run(Command::new(tests::binary()).args(["--json", "doctor"]), "");
    assert_eq!(doctor.code, 0, "{doctor:?}");
    assert!(doctor.stdout.contains("memory_reset"), "{doctor:?}");
}
