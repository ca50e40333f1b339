//! Limits bite at their value: one less and exactly as much are had, one more is not.

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
                assert_eq!(more.verdict(), "503 limit-exceeded", "{limit}");
                assert!(more.text().contains(limit), "{}", more.text());
            }
        }
        assert_eq!(hits(&host, limit), 1, "{limit}: one more than {value}");
    }
}

#[test]
fn a_quota_of_bytes_is_kept_to_the_byte() {
    let host = host("keyvalue_bytes_max", 1_000);
    for (amount, expected) in [(999, 1), (1_000, 1), (1_001, 0)] {
        let answer = host.call("admin", "edge", &json!({"of": "keyvalue_bytes_max", "amount": amount}));
        assert_eq!(answer.value(), json!(expected), "{amount} bytes");
    }
    assert_eq!(hits(&host, "keyvalue_bytes_max"), 1);
}

#[test]
fn a_line_of_a_guest_is_cut_at_its_bound() {
    let host = host("log_line_bytes_max", 100);
    for (amount, expected) in [(99, 99), (100, 100), (101, 100)] {
        let id = format!("edge-{amount}");
        let call = json!({"of": "log_line_bytes_max", "amount": amount});
        host.request("POST", "/api/edge").as_user("admin").header("x-request-id", &id).json(&call).send();
        let log = host.log();
        let line = log.lines().find(|line| line.contains(&id) && line.contains("eee")).unwrap();
        let longest = line.split(|letter| letter != 'e').map(str::len).max();
        assert_eq!(longest, Some(expected), "{line}");
    }
}
