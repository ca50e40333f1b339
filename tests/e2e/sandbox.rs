//! What the sandbox does about plugins that fail: each fault has its name, is counted and traced, and too many of them put
//! the plugin in quarantine; instances are shared as the operator says; bounds on calls hold.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::Host;

fn host(limits: &str) -> Host {
    let host = Host::start_with(&format!("{}\nlimits: {{{limits}}}", tests::RULES));
    host.add_account("admin");
    host.add_account("ann");
    host
}

fn mood(host: &Host, mood: &str) -> String {
    host.call("admin", "moody", &json!({ "mood": mood })).verdict()
}

fn details(host: &Host, plugin: &str) -> Value {
    host.call("admin", "modules_details", &json!({ "module": plugin })).value()[0].clone()
}

#[test]
fn each_fault_has_a_code_and_is_counted() {
    let host = host("call_deadline_ms: 2000, cpu_ms_max: 300");
    host.install("moody", &[]);
    host.install("lie", &[]);
    for (kind, verdict) in [
        ("answer", "200"),
        ("trap", "502 plugin-trapped"),
        ("exit", "502 plugin-exited"),
        ("panic", "502 plugin-panicked"),
        ("hoard", "422 limit-exceeded"),
        ("spin", "422 limit-exceeded"),
        ("answer", "200"),
    ] {
        assert_eq!(mood(&host, kind), verdict, "{kind}");
    }
    assert_eq!(host.call("admin", "lie", &json!({})).verdict(), "502 plugin-invalid-output");
    let moody = details(&host, "moody");
    let faults = json!({"limit-exceeded": 2, "plugin-exited": 1, "plugin-panicked": 1, "plugin-trapped": 1});
    assert_eq!(moody["faults"], faults);
    assert_eq!(moody["limits"], json!({"cpu_ms_max": 1, "memory_bytes_max": 1}));
    assert_eq!(details(&host, "lie")["faults"], json!({"plugin-invalid-output": 1}));
    let limits = host.call("admin", "modules_limits", &json!({})).value();
    let hits = |name: &str| {
        let limit = limits.as_array().unwrap().iter().find(|limit| limit["name"] == name).unwrap();
        limit["hits"].as_u64().unwrap()
    };
    assert_eq!((hits("cpu_ms_max"), hits("memory_bytes_max"), hits("table_elements_max")), (1, 1, 0));
}

#[test]
fn a_trace_names_the_functions_of_the_guest_and_stays_in_the_log() {
    let host = host("");
    host.install("moody", &[]);
    let answer = host.call("admin", "moody", &json!({"mood": "trap"}));
    let body = String::from_utf8(answer.bytes.clone()).unwrap();
    assert!(!body.contains("deed"), "{body}");
    let log = host.log();
    let line = log.lines().find(|line| line.contains("plugin-trapped")).unwrap();
    assert!(line.contains("inner_deed") && line.contains("outer_deed"), "{line}");
    assert!(line.contains(answer.header("x-request-id")), "{line}");
    assert!(line.contains("plugin=\"moody\"") && line.contains("command=\"moody\""), "{line}");
    assert_eq!(mood(&host, "panic"), "502 plugin-panicked");
    assert!(host.log().contains("a bad mood"));
}

/// As systemd's journal takes lines where it reads standard error.
#[test]
fn lines_have_a_priority_where_the_journal_reads_them() {
    let journal = ["sh", "-c", "JOURNAL_STREAM=$(stat -Lc %d:%i /dev/stderr) exec \"$@\"", "sh"];
    let host = Host::start_under(&journal, tests::RULES);
    host.add_account("admin");
    host.install("moody", &[]);
    assert_eq!(mood(&host, "trap"), "502 plugin-trapped");
    let log = host.log();
    assert!(log.lines().all(|line| line.starts_with("<6>") || line.starts_with("<4>")), "{log}");
    assert!(log.lines().any(|line| line.starts_with("<4>") && line.contains("plugin-trapped")), "{log}");
}

#[test]
fn a_plugin_most_of_whose_calls_fail_is_left_alone_for_a_while() {
    let host = host("faults_max: 3, quarantine_ms: 1500");
    host.install("moody", &[]);
    host.install("hello", &[]);
    for _ in 0..3 {
        assert_eq!(mood(&host, "trap"), "502 plugin-trapped");
    }
    let refused = host.call("admin", "moody", &json!({"mood": "answer"}));
    assert_eq!(refused.verdict(), "503 plugin-quarantined");
    assert!(["1", "2"].contains(&refused.header("retry-after")), "{}", refused.header("retry-after"));
    assert_eq!(host.call("ann", "hello", &json!({"name": "Ada"})).value(), "Hello, Ada!", "others go on");
    assert!(details(&host, "moody")["quarantined_s"].is_u64());
    let list = host.cli(&["plugin", "list"]);
    assert!(list.stdout.contains("quarantined,"), "{}", list.stdout);
    let log = host.log();
    assert!(log.contains("starting its quarantine"), "{log}");
    let events = host.cli(&["--json", "audit", "tail", "-n", "50"]);
    assert!(events.stdout.contains("plugin_quarantined"), "{events:?}");

    let released = host.cli(&["plugin", "release", "moody"]);
    assert_eq!(released.code, 0, "{released:?}");
    assert_eq!(mood(&host, "answer"), "200");
    assert_eq!(host.cli(&["plugin", "release", "moody"]).code, 1, "it is in none now");
    assert_eq!(mood(&host, "trap"), "502 plugin-trapped");
    assert_eq!(mood(&host, "answer"), "503 plugin-quarantined", "one fault on probation is enough");
    let released = (0..400).any(|_| {
        std::thread::sleep(Duration::from_millis(20));
        mood(&host, "answer") == "200"
    });
    assert!(released, "time ends a quarantine");
}

/// Faults of one caller, in one command, are that caller's.
#[test]
fn who_makes_a_command_fail_takes_it_from_no_other_caller() {
    let rules = "api_permissions: {all: {who: all, what: '*'}}";
    let host = Host::start_with(&format!("{rules}\nlimits: {{faults_max: 20, quarantine_ms: 60000}}"));
    host.add_account("admin");
    host.add_account("ann");
    host.install("moody", &[]);
    let mood = |user: &str, mood: &str| host.call(user, "moody", &json!({ "mood": mood })).verdict();
    for _ in 0..20 {
        assert_eq!(mood("", "trap"), "502 plugin-trapped");
    }
    for _ in 0..50 {
        assert_eq!(mood("", "answer"), "503 plugin-quarantined");
    }
    assert_eq!((mood("ann", "answer"), mood("admin", "answer")), ("200".to_owned(), "200".to_owned()));
    for _ in 0..20 {
        assert_eq!(mood("ann", "trap"), "502 plugin-trapped");
    }
    assert_eq!(
        (mood("ann", "answer"), mood("admin", "answer")),
        ("503 plugin-quarantined".to_owned(), "200".to_owned())
    );
    let quarantines = details(&host, "moody")["quarantines"].clone();
    let row = |index: usize, key: &str| quarantines[index][key].as_str().unwrap().to_owned();
    assert_eq!((row(0, "command"), row(0, "caller")), ("moody".to_owned(), "ann@localhost".to_owned()));
    assert_eq!((row(1, "command"), row(1, "caller")), ("moody".to_owned(), "anonymous (127.0.0.1)".to_owned()));
    // Each fault is a warning, and each quarantine is said once: a call that is refused for it is neither.
    let log = host.log();
    let warnings = log.lines().filter(|line| line.contains(" WARN ") && line.contains("moody")).count();
    assert_eq!((warnings, log.matches("starting its quarantine").count()), (40, 2), "{log}");
}

/// Who calls another plugin when there is no time left is at fault itself.
#[test]
fn a_plugin_cannot_put_another_into_quarantine() {
    let host = host("faults_max: 5");
    host.install("slow", &[]);
    host.install("dispatcher", &["command:slow"]);
    let limits = "limits: {faults_max: 5, call_deadline_ms: 200}";
    std::fs::write(host.data().join("muster.yaml"), format!("{}\n{limits}", tests::RULES)).unwrap();
    assert_eq!(host.cli(&["config", "reload"]).code, 0);
    let blamed = || {
        let input = json!({"command": "slow", "input": {"ms": 5_000}});
        host.call("admin", "dispatcher", &input).verdict()
    };
    let verdicts: Vec<String> = (0..6).map(|_| blamed()).collect();
    assert_eq!(verdicts[4], "504 deadline");
    assert_eq!(verdicts[5], "503 plugin-quarantined", "it had all the time there was");
    assert_eq!(details(&host, "slow")["faults"], json!({}));
    assert_eq!(host.call("admin", "slow", &json!({"ms": 1})).status, 200);
}

#[test]
fn instances_are_shared_as_the_operator_says() {
    let host = host("reuse_max: 1000000");
    host.install("leak", &[]);
    let count = |user: &str| host.call(user, "leak", &json!({})).value().as_u64().unwrap();
    let rules = "
acl: {admin: {user: admin@localhost}}
api_permissions:
  admins: {who: admin, what: '*'}
  ann: {who: {user: ann@localhost}, what: [leak]}
";
    std::fs::write(host.data().join("muster.yaml"), rules).unwrap();
    assert_eq!(host.cli(&["config", "reload"]).code, 0);
    let leak = tests::component("leak");
    let share = |policy: &str| {
        let ran = host.cli(&["plugin", "upgrade", leak.to_str().unwrap(), "--isolation", policy]);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert_eq!(details(&host, "leak")["isolation"], policy);
    };
    assert_eq!((count("admin"), count("admin"), count("ann")), (1, 1, 1), "each call has a fresh one");
    share("caller");
    // How many calls an instance serves is random; one that serves only one is possible, and a million times rarer.
    assert_eq!((count("admin"), count("ann"), count("admin"), count("ann")), (1, 1, 2, 2), "each caller has their own");
    let token = host.call(
        "admin",
        "key_create",
        &json!({"user": "admin", "host": "localhost", "name": "n", "scopes": ["leak"]}),
    );
    assert_eq!(token.status, 200, "{}", token.value());
    let secret = token.value()["key"].as_str().unwrap().to_owned();
    let by_key = host.request("POST", "/api/leak").header("authorization", &format!("Bearer {secret}")).send();
    assert_eq!(by_key.value(), json!(1), "other rights, another instance");
    assert_eq!(count("admin"), 3);
    assert_eq!(host.call("admin", "unregister", &json!({"user": "ann", "host": "localhost"})).status, 200);
    host.add_account("ann");
    assert_eq!(count("ann"), 1, "who has the name now is somebody else");
    share("plugin");
    assert_eq!((count("admin"), count("ann"), count("admin")), (1, 2, 3), "everybody has the same");
    share("call");
    assert_eq!((count("admin"), count("admin")), (1, 1));
}

#[test]
fn an_instance_that_failed_or_served_its_share_is_not_used_again() {
    let host = host("reuse_max: 1");
    host.install("leak", &[]);
    let leak = tests::component("leak");
    assert_eq!(host.cli(&["plugin", "upgrade", leak.to_str().unwrap(), "--isolation", "plugin"]).code, 0);
    for _ in 0..5 {
        assert_eq!(host.call("admin", "leak", &json!({})).value(), json!(1));
    }
    host.install("moody", &[]);
    let moody = tests::component("moody");
    assert_eq!(host.cli(&["plugin", "upgrade", moody.to_str().unwrap(), "--isolation", "plugin"]).code, 0);
    for (kind, verdict) in
        [("answer", "200"), ("trap", "502 plugin-trapped"), ("answer", "200"), ("panic", "502 plugin-panicked")]
    {
        assert_eq!(mood(&host, kind), verdict);
    }
}

#[test]
fn instances_that_wait_too_long_or_are_too_many_are_let_go() {
    let host = host("reuse_max: 1000000, idle_ms_max: 1");
    let leak = tests::component("leak");
    let installed = host.cli(&["plugin", "install", leak.to_str().unwrap(), "--isolation", "plugin"]);
    assert_eq!(installed.code, 0, "{installed:?}");
    let count = || host.call("admin", "leak", &json!({})).value();
    assert_eq!(count(), json!(1));
    let fresh_again = (0..50).any(|_| {
        std::thread::sleep(Duration::from_millis(1500));
        count() == json!(1)
    });
    assert!(fresh_again);
    let none = self::host("idle_instances_max: 0");
    assert_eq!(none.cli(&["plugin", "install", leak.to_str().unwrap(), "--isolation", "plugin"]).code, 0);
    for _ in 0..3 {
        assert_eq!(none.call("admin", "leak", &json!({})).value(), json!(1));
    }
}

#[test]
fn calls_at_the_same_time_are_bounded_per_caller_and_per_plugin() {
    const MS: u64 = 700;
    let host = host("calls_per_caller_max: 1, calls_per_plugin_max: 1");
    host.install("slow", &[]);
    let verdicts = std::thread::scope(|scope| {
        let calls = ["admin", "admin"].map(|user| {
            let host = &host;
            scope.spawn(move || host.call(user, "slow", &json!({ "ms": MS })).verdict())
        });
        calls.map(|call| call.join().unwrap())
    });
    let mut sorted = verdicts;
    sorted.sort();
    assert_eq!(sorted, ["200", "429 too-many-calls"]);
    assert_eq!(host.call("admin", "slow", &json!({"ms": 1})).status, 200, "the place is free again");
    let started = Instant::now();
    let console = std::thread::scope(|scope| {
        let admin = scope.spawn(|| host.call("admin", "slow", &json!({ "ms": MS })).status);
        let console = scope.spawn(|| host.cli(&["call", "slow", &format!("ms={MS}")]).code);
        (admin.join().unwrap(), console.join().unwrap())
    });
    assert_eq!(console, (200, 0));
    assert!(started.elapsed() >= Duration::from_millis(2 * MS), "one after the other");
}

#[test]
fn the_doctor_proves_that_limits_bite() {
    let ran = tests::run(std::process::Command::new(tests::binary()).args(["--json", "doctor"]), "");
    assert_eq!(ran.code, 0, "{ran:?}");
    let findings: Value = serde_json::from_str(&ran.stdout).unwrap();
    let names: Vec<&str> = findings.as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect();
    for name in ["pool", "resident_memory", "epoch_ticks", "deadline_waiting", "cpu_ms_max", "memory_bytes_max"] {
        assert!(names.contains(&name), "{names:?}");
    }
    // What may be configured can be proved.
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("muster.yaml");
    for (limits, part) in [
        ("resources_max: 1000000", "1000000, checked with 10000: more was refused"),
        ("resources_max: 1", "1: more was refused"),
        ("cpu_ms_max: 1", "1: a guest that computes ended after"),
    ] {
        std::fs::write(&file, format!("limits: {{{limits}}}\n")).unwrap();
        let mut doctor = std::process::Command::new(tests::binary());
        let ran = tests::run(doctor.args(["doctor", "--config"]).arg(&file), "");
        assert!(ran.code == 0 && ran.stdout.contains(part), "{limits} {ran:?}");
    }
}
