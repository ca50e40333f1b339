//! The bench: the shipped binary against a bare axum handler that does the same JSON, in one run, as ratios.
//!
//! Rounds of all candidates alternate, and a ratio is the median over rounds, so that a machine that becomes slower in
//! the middle changes no result. Nothing here decides whether a test passes.

#![expect(clippy::print_stdout, reason = "results are what it prints")]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a bench that cannot go on has nothing to say")]

mod bare;
mod client;
mod neighbours;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use clap::Parser;
use serde_json::json;
use tests::{Host, PASSWORD};

/// Rules and accounts as a small installation has them.
const CONFIG: &str = "
acl: {admin: {user: admin@localhost}}
api_permissions:
  admins: {who: admin, what: '*'}
  accounts: {who: {server: localhost}, what: [hello, status]}
";

/// An open rule, and nothing written down: what rules and audit cost is the difference.
const OPEN: &str = "
api_permissions:
  everybody: {who: all, what: '*'}
audit: {enabled: false}
";

const ROUNDS: usize = 7;

const BARE: &str = "bare";
const CANDIDATES: [&str; 7] =
    [BARE, "plugin_call", "caller_call", "open_call", "anonymous_call", "builtin_call", "refused_call"];

struct Candidate {
    name: &'static str,
    address: String,
    request: Vec<u8>,
}

/// Measures a host against a handler without rights, plugins and rules, and a good command beside bad neighbours
#[derive(Debug, Parser)]
struct Arguments {
    /// Short rounds: enough to see a large change
    #[arg(long)]
    quick: bool,
    /// One JSON object per line and result
    #[arg(long)]
    json: bool,
    /// Only the good command beside bad neighbours
    #[arg(long, conflicts_with = "only")]
    neighbours: bool,
    /// Only this candidate, for as long, beside nothing: for a profiler, which is told the process of each host
    #[arg(long, value_name = "CANDIDATE", value_parser = CANDIDATES)]
    only: Option<String>,
    /// The bare handler is a process of its own.
    #[arg(hide = true, value_parser = [BARE])]
    process: Option<String>,
}

fn main() {
    let arguments = Arguments::parse();
    let (quick, report) = (arguments.quick, Report { as_json: arguments.json });
    if arguments.process.is_some() {
        return bare::serve();
    }
    if !arguments.neighbours {
        measure(quick, arguments.only.as_deref(), &report);
    }
    if arguments.only.is_none() {
        neighbours::measure(Duration::from_secs(if quick { 1 } else { 3 }), &report);
    }
}

fn measure(quick: bool, only: Option<&str>, report: &Report) {
    let round = if quick { Duration::from_millis(500) } else { Duration::from_secs(3) };
    let prepared = |config: &str| {
        let host = Host::start_with(config);
        host.add_account("admin");
        host.install("hello", &[]);
        host
    };
    if only.is_none() {
        // A host of its own: the others should have lived the same life when they are compared.
        loads(&prepared(CONFIG), report);
    }
    let host = prepared(CONFIG);
    let open = prepared(OPEN);
    let reusing = prepared(CONFIG);
    let path = tests::component("hello").display().to_string();
    let kept = reusing.cli(&["plugin", "upgrade", &path, "--isolation", "caller"]);
    assert_eq!(kept.code, 0, "{kept:?}");

    let (mut bare, bare_address) = start_bare();
    let hello = json!({"name": "Ada"}).to_string();
    let candidates = [
        Candidate {
            name: BARE,
            address: bare_address.clone(),
            request: client::post(&bare_address, "/api/hello", None, &hello),
        },
        Candidate {
            name: "plugin_call",
            address: host.address().to_owned(),
            request: client::post(host.address(), "/api/hello", Some(("admin@localhost", PASSWORD)), &hello),
        },
        Candidate {
            name: "caller_call",
            address: reusing.address().to_owned(),
            request: client::post(reusing.address(), "/api/hello", Some(("admin@localhost", PASSWORD)), &hello),
        },
        Candidate {
            name: "open_call",
            address: open.address().to_owned(),
            request: client::post(open.address(), "/api/hello", Some(("admin@localhost", PASSWORD)), &hello),
        },
        Candidate {
            name: "anonymous_call",
            address: open.address().to_owned(),
            request: client::post(open.address(), "/api/hello", None, &hello),
        },
        Candidate {
            name: "builtin_call",
            address: host.address().to_owned(),
            request: client::post(host.address(), "/api/status", Some(("admin@localhost", PASSWORD)), "{}"),
        },
        Candidate {
            name: "refused_call",
            address: host.address().to_owned(),
            request: client::post(host.address(), "/api/hello", None, &hello),
        },
    ];
    if let Some(candidate) = only.and_then(|only| candidates.iter().find(|candidate| candidate.name == only)) {
        for host in [&host, &open, &reusing] {
            report.number(host.address(), f64::from(host.pid()), "is the process");
        }
        for _ in 0..ROUNDS {
            report.number(candidate.name, client::rate(&candidate.address, &candidate.request, 32, round), "calls/s");
        }
    } else {
        compare(&candidates, round, report);
        let alone =
            client::latency(candidates[1].address.as_str(), &candidates[1].request, if quick { 500 } else { 5_000 });
        report.number("plugin_call_alone", alone.as_secs_f64() * 1e6, "µs");
    }
    bare.kill().unwrap();
    bare.wait().unwrap();
}

/// Measures all candidates in turns.
fn compare(candidates: &[Candidate], round: Duration, report: &Report) {
    let mut rates: Vec<Vec<f64>> = vec![Vec::new(); candidates.len()];
    for _ in 0..ROUNDS {
        for (candidate, rates) in candidates.iter().zip(&mut rates) {
            rates.push(client::rate(&candidate.address, &candidate.request, 32, round));
        }
    }
    let (bare_rates, others) = rates.split_first().expect("bare is the first candidate");
    report.number("bare", median(bare_rates), "calls/s");
    for (candidate, own) in candidates.iter().skip(1).zip(others) {
        let ratios: Vec<f64> = own.iter().zip(bare_rates).map(|(own, bare)| own / bare).collect();
        // The bars of the design, of what a handler without rights, plugins and rules reaches.
        let bar = match candidate.name {
            "plugin_call" => Some(0.5),
            "caller_call" => Some(0.85),
            _ => None,
        };
        report.ratio(candidate.name, median(own), "calls/s", median(&ratios), bar);
    }
    if let [_, full, _, open, anonymous, ..] = rates.as_slice() {
        let ratio = |of: &[f64]| median(&full.iter().zip(of).map(|(full, of)| full / of).collect::<Vec<_>>());
        // Rules and the record may cost a tenth of the same path without them.
        report.at_least("rules_and_audit", ratio(open), 0.9);
        report.number("with_credentials_too", ratio(anonymous), "of anonymous calls");
    }
}

/// How long it takes to load the plugin, compiled now and from the cache.
fn loads(host: &Host, report: &Report) {
    let mut cached = Vec::new();
    for _ in 0..ROUNDS {
        host.call("admin", "module_uninstall", &json!({"module": "hello"}));
        host.install("hello", &[]);
        let log = host.log();
        let line = log.lines().rfind(|line| line.contains("plugin loaded")).expect("each load is logged").to_owned();
        cached.push(milliseconds(&line));
    }
    let log = host.log();
    let first = log.lines().find(|line| line.contains("plugin loaded")).expect("each load is logged");
    report.number("load_compiled_now", milliseconds(first), "ms");
    let cached = median(&cached);
    report.number("load_from_cache", cached, "ms");
    // The bar: at most 5 ms, so the ratio is to that.
    report.below("load_from_cache_of_5_ms", cached / 5.0, 1.0);
}

/// The sum of all `…_us=` fields of a log line, in milliseconds.
fn milliseconds(line: &str) -> f64 {
    let fields =
        line.split(' ').filter_map(|word| word.split_once("_us=")).filter_map(|(_, value)| value.parse::<f64>().ok());
    fields.sum::<f64>() / 1000.0
}

fn start_bare() -> (Child, String) {
    let mut bare = Command::new(std::env::current_exe().unwrap());
    let mut child = bare.arg(BARE).stdout(Stdio::piped()).spawn().unwrap();
    let mut address = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut address).unwrap();
    (child, address.trim().to_owned())
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

struct Report {
    as_json: bool,
}

impl Report {
    fn number(&self, name: &str, value: f64, unit: &str) {
        if self.as_json {
            println!(
                "{}",
                json!({ "name": name, "value": value, "unit": unit, "ratio": null, "bar": null, "ok": true })
            );
        } else {
            println!("{name:<26} {value:>12.3} {unit}");
        }
    }

    /// A ratio to the bare handler; `bar` is the least it should be.
    fn ratio(&self, name: &str, value: f64, unit: &str, ratio: f64, bar: Option<f64>) {
        let ok = bar.is_none_or(|bar| ratio >= bar);
        if self.as_json {
            println!("{}", json!({ "name": name, "value": value, "unit": unit, "ratio": ratio, "bar": bar, "ok": ok }));
        } else {
            let verdict =
                bar.map_or_else(String::new, |bar| format!("bar {bar}: {}", if ok { "reached" } else { "missed" }));
            println!("{name:<26} {value:>12.1} {unit:<8} ratio {ratio:.3} {verdict}");
        }
    }

    /// A ratio between two candidates that should be at least `bar`.
    fn at_least(&self, name: &str, ratio: f64, bar: f64) {
        self.compared(name, ratio, bar, ratio >= bar);
    }

    /// A ratio that should be at most `bar`.
    fn below(&self, name: &str, ratio: f64, bar: f64) {
        self.compared(name, ratio, bar, ratio <= bar);
    }

    fn compared(&self, name: &str, ratio: f64, bar: f64, ok: bool) {
        if self.as_json {
            println!("{}", json!({ "name": name, "ratio": ratio, "bar": bar, "ok": ok }));
        } else {
            println!("{name:<26} {:>21} ratio {ratio:.3} bar {bar}: {}", "", if ok { "reached" } else { "missed" });
        }
    }
}
