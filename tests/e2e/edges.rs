//! Limits are enforced at their value: one less and exactly as much succeed, one more does not.

use serde_json::{Value, json};
use tests::Host;

/// What happens beyond a limit.
enum Beyond {
    /// The guest gets as much as is allowed, and is told.
    Less,
    /// The call fails.
    Fails,
    /// Nothing the guest could see: what is too much is dropped, and counted.
    Dropped,
}
use Beyond::{Dropped, Fails, Less};

/// Limit, its value here, what happens beyond.
const EDGES: &[(&str, u64, Beyond)] = &[
    ("dispatches_max", 3, Less),
    ("keyvalue_keys_max", 6, Less),
    ("keyvalue_operations_max", 9, Less),
    ("log_lines_max", 4, Dropped),
    ("progress_reports_max", 3, Dropped),
    ("resources_max", 20, Less),
    ("result_bytes_max", 300, Fails),
];

fn host(limit: &str, value: u64) -> Host {
    let host = Host::start_with(&format!("{}\nlimits: {{{limit}: {value}}}", tests::RULES));
    host.add_account("admin");
    host.install("edge", &["keyvalue", "command:status"]);
    host
}

fn hits(host: &Host, limit: &str) -> u64 {
    let limits = host.call("admin", "modules_limits", &json!({})).value();
    let row = limits.as_array().unwrap().iter().find(|row| row["name"] == limit).unwrap();
    row["hits"].as_u64().unwrap()
}

#[test]
fn limits_bite_at_their_value() {
    for (limit, value, beyond) in EDGES {
        let host = host(limit, *value);
        let uses = |amount: u64| host.call("admin", "edge", &json!({"of": limit, "amount": amount}));
        let answer = |amount: u64| -> Value {
            if *limit == "result_bytes_max" {
                json!("r".repeat(usize::try_from(amount).unwrap() - 2))
            } else {
                json!(amount)
            }
        };
        for amount in [*value - 1, *value] {
            let had = uses(amount);
            assert_eq!((had.verdict().as_str(), had.value()), ("200", answer(amount)), "{limit}: {amount} of {value}");
            assert_eq!(hits(&host, limit), 0, "{limit}: {amount} of {value}");
        }
        let more = uses(value + 1);
        match beyond {
            Less => assert_eq!(more.value(), json!(value), "{limit}"),
            Dropped => assert_eq!(more.value(), json!(value + 1), "{limit}"),
            Fails => {
                assert_eq!(more.verdict(), "422 limit-exceeded", "{limit}");
                assert!(more.text().contains(limit), "{}", more.text());
            }
        }
        assert_eq!(hits(&host, limit), 1, "{limit}: one more than {value}");
    }
}

/// Calls that wait for one another inside the guest meet exactly where all of them may run.
#[test]
fn as_many_calls_run_at_a_time_as_may() {
    for limit in ["calls_max", "calls_per_plugin_max", "calls_per_caller_max"] {
        let host = host(limit, 3);
        for (amount, expected) in [(2, "met"), (3, "met"), (4, "alone")] {
            let call = json!({"of": "calls", "amount": amount, "room": format!("room {amount}")});
            let answers: Vec<_> = std::thread::scope(|scope| {
                let calls: Vec<_> = (0..amount).map(|_| scope.spawn(|| host.call("admin", "edge", &call))).collect();
                calls.into_iter().map(|call| call.join().unwrap()).collect()
            });
            let refused = answers.iter().filter(|answer| answer.verdict() == "429 too-many-calls").count();
            let is_refused = limit == "calls_per_caller_max" && amount == 4;
            assert_eq!(refused, usize::from(is_refused), "{limit}: {amount}");
            let mut answered = answers.iter().filter(|answer| answer.status == 200).map(tests::Answer::value);
            assert!(answered.all(|value| value == expected), "{limit}: {amount}");
            assert_eq!(hits(&host, limit), u64::from(amount == 4), "{limit}: {amount}, had to wait or was refused");
        }
    }
}

#[test]
fn the_stack_ends_at_its_bound() {
    let deepest = |stack_bytes: u64| {
        let host = host("stack_bytes_max", stack_bytes);
        let reaches = |levels: u64| {
            let verdict = host.call("admin", "edge", &json!({"of": "stack_bytes_max", "amount": levels})).verdict();
            assert!(["200", "422 limit-exceeded"].contains(&verdict.as_str()), "{verdict}");
            verdict == "200"
        };
        // The deepest there is, exactly: one level more does not fit.
        let (mut fits, mut over) = (0, stack_bytes);
        while over - fits > 1 {
            let middle = fits.midpoint(over);
            if reaches(middle) { fits = middle } else { over = middle }
        }
        assert!(reaches(fits - 1) && reaches(fits) && !reaches(fits + 1), "{fits}");
        assert!(hits(&host, "stack_bytes_max") > 0);
        fits
    };
    let (less, more) = (deepest(64 << 10), deepest(128 << 10));
    // What is not the recursion's takes the same of both.
    assert!(more > 2 * less && more < 3 * less, "{less} levels in 64 KiB, {more} in 128");
}

#[test]
fn a_component_has_as_many_core_instances_as_may_be() {
    for (amount, fits) in [(12, true), (13, true), (14, false)] {
        let host = host("instances_max", 13);
        let instances = "(core instance (instantiate $m))".repeat(amount - 1);
        let component = format!(
            r#"(component (core module $m (func (export "f") (result i32) i32.const 7)) {instances}
               (core instance $last (instantiate $m))
               (func (export "seven") (result u32) (canon lift (core func $last "f"))))"#
        );
        let path = host.data().join("many.wasm");
        std::fs::write(&path, wat::parse_str(component).unwrap()).unwrap();
        let installed = host.cli(&["plugin", "install", path.to_str().unwrap(), "--name", "many"]);
        let called = host.call("admin", "seven", &json!({}));
        let told = format!("{} {}", installed.stderr, called.text());
        assert_eq!(called.status == 200, fits, "{amount} of 13: {told}");
        assert_eq!(told.contains("instances_max"), !fits, "{amount} of 13: {told}");
    }
}

#[test]
fn a_component_begins_with_a_table_as_large_as_may_be() {
    let host = Host::start_with(&format!("{}\nlimits: {{table_elements_max: 100}}", tests::RULES));
    for (amount, fits) in [(99, true), (100, true), (101, false)] {
        let component = format!(
            r#"(component (core module $m (table {amount} funcref) (func (export "f") (result i32) i32.const 7))
               (core instance $i (instantiate $m)) (func (export "seven{amount}") (result u32) (canon lift (core func $i "f"))))"#
        );
        let path = host.data().join("table.wasm");
        std::fs::write(&path, wat::parse_str(component).unwrap()).unwrap();
        let installed = host.cli(&["plugin", "install", path.to_str().unwrap(), "--name", &format!("table{amount}")]);
        assert_eq!(installed.code == 0, fits, "{amount} of 100: {installed:?}");
        let told = installed.stderr.contains("exceeds `table_elements_max` when it starts (100 elements)");
        assert_eq!(told, !fits, "{amount} of 100: {installed:?}");
    }
}

#[test]
fn as_many_instances_wait_as_may() {
    // Three callers with an instance each; who called last is asked first, so that asking changes nothing.
    let waiting = |limit: &str, value: u64| {
        let rules = "api_permissions: {all: {who: all, what: '*'}}\nloglevel: debug";
        let host = Host::start_with(&format!("{rules}\nlimits: {{reuse_max: 1000000, {limit}: {value}}}"));
        for user in ["ann", "bob", "cid"] {
            host.add_account(user);
        }
        let leak = tests::component("leak");
        let installed = host.cli(&["plugin", "install", leak.to_str().unwrap(), "--isolation", "caller"]);
        assert_eq!(installed.code, 0, "{installed:?}");
        let count = |user: &str| host.call(user, "leak", &json!({})).value().as_u64().unwrap();
        assert_eq!(["ann", "bob", "cid"].map(count), [1, 1, 1]);
        let waited = ["cid", "bob", "ann"].map(count).iter().filter(|calls| **calls == 2).count();
        (waited, host.log())
    };
    for (value, expected) in [(2, 2), (3, 3), (4, 3)] {
        assert_eq!(waiting("idle_instances_max", value).0, expected, "{value}");
    }
    let log = waiting("idle_instances_max", 3).1;
    let memory = log.lines().find_map(|line| line.split("memory_bytes=").nth(1)).unwrap();
    let memory: u64 = memory.split(' ').next().unwrap().parse().unwrap();
    for (value, expected) in [(2 * memory - 1, 1), (2 * memory, 2), (2 * memory + 1, 2)] {
        assert_eq!(waiting("idle_memory_bytes_max", value).0, expected, "{value} of {memory} each");
    }
}

#[test]
fn an_instance_serves_as_many_calls_as_may_be() {
    let host = Host::start_with(&format!("{}\nlimits: {{reuse_max: 3}}", tests::RULES));
    host.add_account("admin");
    let leak = tests::component("leak");
    assert_eq!(host.cli(&["plugin", "install", leak.to_str().unwrap(), "--isolation", "plugin"]).code, 0);
    let served: Vec<u64> = (0..300).map(|_| host.call("admin", "leak", &json!({})).value().as_u64().unwrap()).collect();
    // Each serves a random number: of a hundred and more, one that serves the most is missing once in 10^17 times.
    assert_eq!(served.iter().max(), Some(&3));
}

/// A flood over many calls is bounded over time, and counted, and does not hide what comes after it.
#[test]
fn a_plugin_logs_as_much_over_time_as_it_may() {
    let host = host("log_lines_per_s_max", 1);
    let log = |amount: u64| host.call("admin", "edge", &json!({"of": "log_lines_max", "amount": amount}));
    let lines = |host: &Host| host.log().lines().filter(|line| line.contains("edge line")).count();
    log(10);
    assert_eq!((lines(&host), hits(&host, "log_lines_per_s_max")), (10, 0), "ten at once, as for ten seconds");
    for _ in 0..50 {
        log(100);
    }
    // A line for each second this takes at most, whatever the machine.
    assert!(lines(&host) < 200, "{} lines", lines(&host));
    assert!(hits(&host, "log_lines_per_s_max") >= 25, "{}", hits(&host, "log_lines_per_s_max"));
    std::thread::sleep(std::time::Duration::from_secs(3));
    log(1);
    assert!(host.log().contains("the plugin exceeds its limit of log lines per second"), "{}", host.log());
}

#[test]
fn a_quota_of_bytes_is_kept_to_the_byte() {
    for limit in ["keyvalue_bytes_max", "keyvalue_write_bytes_max"] {
        let host = host(limit, 1_000);
        for (amount, expected) in [(999, 1), (1_000, 1), (1_001, 0)] {
            let answer = host.call("admin", "edge", &json!({"of": limit, "amount": amount}));
            assert_eq!(answer.value(), json!(expected), "{limit}: {amount} bytes");
        }
        assert_eq!(hits(&host, limit), 1, "{limit}");
    }
}

/// A value of 199,995 bytes with its quotes and a key of 5, as often as it is asked for at once.
#[test]
fn what_is_read_at_once_is_bounded() {
    let limits = "limits: {hostcall_bytes_max: 1000000, result_bytes_max: 500000}";
    let host = Host::start_with(&format!("{}\n{limits}", tests::RULES));
    host.add_account("admin");
    host.install("edge", &["keyvalue", "command:status"]);
    for (amount, expected) in [(4, 4), (5, 5), (6, 0)] {
        let answer = host.call("admin", "edge", &json!({"of": "batch", "amount": amount}));
        assert_eq!(answer.value(), json!(expected), "{amount}: {}", answer.text());
    }
    assert_eq!(hits(&host, "hostcall_bytes_max"), 1);
}

#[test]
fn a_line_of_a_guest_is_cut_at_its_bound() {
    let host = host("log_line_bytes_max", 100);
    for (amount, expected) in [(99, 99), (100, 100), (101, 100)] {
        let call = json!({"of": "log_line_bytes_max", "amount": amount});
        let answer = host.call("admin", "edge", &call);
        let log = host.log();
        let line =
            log.lines().find(|line| line.contains(answer.header("x-request-id")) && line.contains("eee")).unwrap();
        let longest = line.split(|letter| letter != 'e').map(str::len).max();
        assert_eq!(longest, Some(expected), "{line}");
    }
}
