//! What a good command notices of a neighbour that misbehaves: the slowest in a hundred of its calls, with the neighbour
//! and without, in turns.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use tests::{Host, PASSWORD};

use crate::{ROUNDS, Report, client, median};

/// Nothing stops a neighbour early: a quarantine would, after some faults, and that is measured nowhere here.
const CONFIG: &str = "
acl: {admin: {user: admin@localhost}}
api_permissions:
  admins: {who: admin, what: '*'}
  accounts: {who: {server: localhost}, what: '*'}
limits: {faults_max: 0}
";

/// Who computes, takes memory, waits, logs, and fails without end.
const NEIGHBOURS: &[&str] = &["spin", "allocate", "sleep", "flood", "trap"];
/// Connections of the good client, and of the bad one.
const GOOD: usize = 8;
const BAD: usize = 4;
/// The bar of the design.
const BAR: f64 = 1.5;

/// Measures each neighbour against quiet, in alternating rounds.
pub(crate) fn measure(round: Duration, report: &Report) {
    let host = Host::start_with(CONFIG);
    for account in ["admin", "good", "bad"] {
        host.add_account(account);
    }
    host.install("hello", &[]);
    for name in NEIGHBOURS {
        host.install(name, &[]);
    }
    let hello = json!({"name": "Ada"}).to_string();
    let good = client::post(host.address(), "/api/hello", Some(("good@localhost", PASSWORD)), &hello);
    let slowest = || client::slowest(host.address(), &good, GOOD, round).as_secs_f64();
    slowest();
    for name in NEIGHBOURS {
        let (mut quiet, mut ratios) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let alone = slowest();
            let bad = client::post(host.address(), &format!("/api/{name}"), Some(("bad@localhost", PASSWORD)), "{}");
            let stop = Arc::new(AtomicBool::new(false));
            let neighbour = {
                let (address, stop) = (host.address().to_owned(), Arc::clone(&stop));
                std::thread::spawn(move || client::until(&address, &bad, BAD, &stop))
            };
            // The neighbour has begun before anything is measured.
            std::thread::sleep(Duration::from_millis(200));
            ratios.push(slowest() / alone);
            quiet.push(alone);
            stop.store(true, Ordering::Relaxed);
            neighbour.join().expect("the neighbour's client ends");
        }
        report.number(&format!("quiet_before_{name}"), median(&quiet) * 1e6, "µs (99th of 100)");
        report.below(&format!("beside_{name}"), median(&ratios), BAR);
    }
}
