//! Guests that misbehave: each is contained in its own call, told apart from the others, and a neighbour is served
//! meanwhile.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::{Host, beside_a_neighbour};

/// Guest, arguments → status and code.
const VERDICTS: [(&str, &str, &str); 12] = [
    ("spin", "{}", "504 deadline"),
    ("sleep", "{}", "504 deadline"),
    ("slow", r#"{"ms": 600000}"#, "504 deadline"),
    ("slow", r#"{"ms": 20}"#, "200"),
    ("allocate", "{}", "422 limit-exceeded"),
    ("recurse", "{}", "422 limit-exceeded"),
    ("trap", "{}", "502 plugin-trapped"),
    ("exit", "{}", "502 plugin-exited"),
    ("panic", "{}", "502 plugin-panicked"),
    ("lie", "{}", "502 plugin-invalid-output"),
    ("big_result", "{}", "422 limit-exceeded"),
    ("flood", "{}", "200"),
];

fn host(call_deadline_ms: u32) -> Host {
    // What computes ends at its deadline: alone on a quiet machine, it would come to the bound on computing before.
    let limits = format!("call_deadline_ms: {call_deadline_ms}, cpu_ms_max: {}", 2 * call_deadline_ms);
    let host = Host::start_with(&format!("{}\nlimits: {{{limits}}}", tests::RULES));
    host.add_account("admin");
    host.add_account("ann");
    host.install("hello", &[]);
    host
}

#[test]
fn each_guest_fails_alone_and_a_neighbour_is_served() {
    // Time enough for `flood`, which computes beside those that take all of it.
    let host = host(15_000);
    for guest in ["spin", "sleep", "slow", "allocate", "recurse", "trap", "exit", "panic", "lie", "big_result", "flood"]
    {
        host.install(guest, &[]);
    }
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let neighbour = scope.spawn(|| {
            let (mut served, mut slowest) = (0, Duration::ZERO);
            while !done.load(Ordering::Relaxed) {
                let started = Instant::now();
                let answer = host.call("ann", "hello", &json!({"name": "Ada"}));
                assert_eq!(answer.value(), "Hello, Ada!", "{}", answer.status);
                served += 1;
                slowest = slowest.max(started.elapsed());
            }
            (served, slowest)
        });
        let calls: Vec<_> = VERDICTS
            .iter()
            .map(|(guest, arguments, verdict)| {
                let (host, arguments) = (&host, serde_json::from_str::<Value>(arguments).unwrap());
                scope.spawn(move || (guest, host.call("admin", guest, &arguments).verdict(), verdict))
            })
            .collect();
        let verdicts: Vec<_> = calls.into_iter().map(|call| call.join().unwrap()).collect();
        done.store(true, Ordering::Relaxed);
        let (served, slowest) = neighbour.join().unwrap();
        for (guest, got, expected) in verdicts {
            assert_eq!(got, **expected, "{guest}");
        }
        assert!(served > 10, "{served} calls of the neighbour, the slowest took {slowest:?}");
    });
    let log = host.log();
    assert!(log.contains("boom-42"), "the panic's message is in the log");
    assert!(log.contains("exceeded its limit of log lines"), "the flood is cut off");
    assert!(log.lines().count() < 2_000, "{} lines", log.lines().count());
}

#[test]
fn internal_texts_stay_in_the_log() {
    let host = host(3_000);
    for (guest, internal) in
        [("trap", "unreachable"), ("exit", "exited with status 1"), ("lie", "does not satisfy its schema")]
    {
        host.install(guest, &[]);
        let answer = host.call("admin", guest, &json!({}));
        let body = String::from_utf8(answer.bytes.clone()).unwrap();
        assert!(!body.contains(internal) && !body.contains("wasm"), "{body}");
        assert!(host.log().contains(internal), "{guest}");
        assert!(host.log().contains(answer.header("x-request-id")), "{guest}");
    }
}

#[test]
fn nothing_leaks_from_call_to_call() {
    let host = host(3_000);
    host.install("leak", &[]);
    for _ in 0..20 {
        assert_eq!(host.call("admin", "leak", &json!({})).value(), json!(1));
    }
}

#[test]
fn a_guest_learns_who_calls_and_no_credential() {
    let host = host(3_000);
    host.install("whoami", &[]);
    let answer = host.request("POST", "/api/whoami").as_user("admin").header("x-request-id", "r-1").send();
    let id = answer.header("x-request-id");
    assert_ne!(id, "r-1");
    let expected =
        json!({"account": "admin@localhost", "scopes": [], "via": "rest", "address": "127.0.0.1", "request_id": id});
    assert_eq!(answer.value(), expected);
    let console = host.cli(&["--json", "call", "whoami"]);
    let console: Value = serde_json::from_str(&console.stdout).unwrap();
    assert_eq!(
        (&console["account"], &console["via"], &console["address"]),
        (&json!(null), &json!("console"), &json!(null))
    );
}

#[test]
fn a_command_calls_another_only_where_both_may() {
    let rules = "
acl: {admin: {user: admin@localhost}}
api_permissions:
  admins: {who: admin, what: '*'}
  ann: {who: {user: ann@localhost}, what: [dispatcher, check_account]}
";
    let host = Host::start_with(rules);
    host.add_account("admin");
    host.add_account("ann");
    host.install("dispatcher", &["command:status", "command:check_account", "command:dispatcher"]);
    let call = |user: &str, command: &str, input: Value| {
        let answer = host.call(user, "dispatcher", &json!({"command": command, "input": input}));
        answer.verdict()
    };
    let ann = json!({"user": "ann", "host": "localhost"});
    assert_eq!(call("admin", "status", json!({})), "200", "caller may, plugin was granted");
    assert_eq!(call("ann", "check_account", ann.clone()), "200");
    assert_eq!(call("ann", "status", json!({})), "403 denied", "the caller may not");
    assert_eq!(call("admin", "registered_vhosts", json!({})), "403 denied", "the plugin was not granted");
    assert_eq!(call("admin", "no_such_command", json!({})), "403 denied", "which reveals nothing");
    assert_eq!(call("admin", "check_account", json!({"user": 5})), "400 invalid-arguments");
    let mut nested = json!({"command": "status", "input": {}});
    for _ in 0..8 {
        nested = json!({"command": "dispatcher", "input": nested});
    }
    let deep = host.call("admin", "dispatcher", &nested);
    assert_eq!(deep.verdict(), "422 command-failed", "the chain is bounded");
}

#[test]
fn a_small_call_grows_no_memory() {
    let host = Host::start_with(&format!("{}\nloglevel: debug", tests::RULES));
    host.add_account("admin");
    host.install("hello", &[]);
    assert_eq!(host.call("admin", "hello", &json!({"name": "Ada"})).status, 200);
    let log = host.log();
    let line = log.lines().find(|line| line.contains("guest done") && line.contains("command=\"hello\"")).unwrap();
    assert!(line.contains("memory_grows=0"), "growing memory halves throughput: {line}");
}

/// Calls of each guest in the storm.
const EACH: u64 = 40;

#[test]
fn a_storm_of_faults_harms_no_other_plugin() {
    let host = Host::start_with(&format!("{}\nlimits: {{call_deadline_ms: 5000, faults_max: 0}}", tests::RULES));
    host.add_account("admin");
    host.add_account("ann");
    for guest in ["hello", "trap", "panic", "exit", "recurse", "allocate", "lie"] {
        host.install(guest, &[]);
    }
    let storm = [
        ("trap", "502 plugin-trapped"),
        ("panic", "502 plugin-panicked"),
        ("exit", "502 plugin-exited"),
        ("recurse", "422 limit-exceeded"),
        ("allocate", "422 limit-exceeded"),
        ("lie", "502 plugin-invalid-output"),
    ];
    let served = beside_a_neighbour(&host, || {
        std::thread::scope(|scope| {
            for (guest, verdict) in storm {
                // Two at a time of each.
                for _ in 0..2 {
                    let host = &host;
                    scope.spawn(move || {
                        for _ in 0..EACH / 2 {
                            assert_eq!(host.call("admin", guest, &json!({})).verdict(), verdict, "{guest}");
                        }
                    });
                }
            }
        });
    });
    assert!(served > 20, "{served}");
    let details = host.call("admin", "modules_details", &json!({})).value();
    for (guest, verdict) in storm {
        let plugin = details.as_array().unwrap().iter().find(|plugin| plugin["name"] == guest).unwrap();
        let code = verdict.split(' ').nth(1).unwrap();
        assert_eq!(plugin["faults"], json!({ code: EACH }), "each one is counted");
    }
}

/// A loop of commands that call one another ends at its depth, with one place for all of them, and takes no time to speak
/// of from others.
#[test]
fn commands_that_call_themselves_end() {
    let limits = "limits: {call_deadline_ms: 5000, calls_max: 2, calls_per_plugin_max: 1, dispatches_max: 3}";
    let host = Host::start_with(&format!("{}\n{limits}", tests::RULES));
    host.add_account("admin");
    host.add_account("ann");
    host.install("hello", &[]);
    host.install("dispatcher", &["command:dispatcher", "command:hello"]);
    let mut itself = json!({"command": "hello", "input": {"name": "Ada"}});
    let mut verdicts = Vec::new();
    let served = beside_a_neighbour(&host, || {
        for _ in 0..6 {
            itself = json!({"command": "dispatcher", "input": itself});
            verdicts.push(host.call("admin", "dispatcher", &itself).verdict());
        }
    });
    assert_eq!(verdicts, ["200", "200", "200", "422 command-failed", "422 command-failed", "422 command-failed"]);
    assert!(served > 0);
}

/// A few hundred bytes that take as many memories and core instances as a component may have, in every call.
#[test]
fn a_plugin_with_many_memories_takes_none_from_others() {
    let host = Host::start_with(&format!("{}\nlimits: {{call_deadline_ms: 3000, faults_max: 0}}", tests::RULES));
    host.add_account("admin");
    host.add_account("ann");
    host.install("hello", &[]);
    let hog = |memories: usize| {
        let empty = "(core instance (instantiate $m))".repeat(memories);
        let text = format!(
            r#"(component (core module $m (memory 0) (table 0 funcref)) {empty}
               (core module $spin (func (export "f") (result i32) (loop (br 0)) unreachable))
               (core instance $i (instantiate $spin))
               (func (export "hog") (result u32) (canon lift (core func $i "f"))))"#
        );
        let path = host.data().join("hog.wasm");
        std::fs::write(&path, wat::parse_str(text).unwrap()).unwrap();
        host.cli(&["plugin", "install", path.to_str().unwrap(), "--name", "hog"])
    };
    let refused = hog(9);
    assert!(refused.code == 1 && refused.stderr.contains("memories"), "{refused:?}");
    assert_eq!(hog(8).code, 0);
    let served = beside_a_neighbour(&host, || {
        std::thread::scope(|scope| {
            for _ in 0..100 {
                scope.spawn(|| assert_eq!(host.call("admin", "hog", &json!({})).verdict(), "504 deadline"));
            }
        });
    });
    assert!(served > 10, "{served}");
}
