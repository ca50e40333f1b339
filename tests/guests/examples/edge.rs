//! A guest that uses exactly as much of one thing as it is asked to, and tells how much it got: limits must bite at their
//! value and not one before.

use std::hint::black_box;
use std::thread;
use std::time::{Duration, Instant};

use muster_sdk::{CallError, command, dispatch, log, plugin, progress, store};
use serde_json::{Value, json};

/// Uses so much of a thing, and tells how much it got
#[command(tags("hostile"))]
fn edge(
    /// What to use.
    of: String,
    /// How much of it.
    amount: usize,
    /// Where calls that must run at the same time meet.
    #[serde(default)]
    room: String,
) -> Result<Value, CallError> {
    let got = match of.as_str() {
        "log_lines_max" => {
            (0..amount).for_each(|line| log::info!("edge line {line}"));
            amount
        }
        "log_line_bytes_max" => {
            log::info!("{}", "e".repeat(amount));
            amount
        }
        "progress_reports_max" => {
            (0..amount).for_each(|done| progress::report(done as u64, None, "edge"));
            amount
        }
        "dispatches_max" => {
            (0..amount).take_while(|_| dispatch::call::<_, Value>("status", &json!({})).is_ok()).count()
        }
        "keyvalue_operations_max" => {
            let bucket = store::open("edge")?;
            (0..amount).take_while(|_| bucket.exists("none").is_ok()).count()
        }
        "keyvalue_keys_max" => {
            let bucket = store::open("edge")?;
            (0..amount).take_while(|key| bucket.set(&format!("{key}"), "").is_ok()).count()
        }
        "keyvalue_bytes_max" => {
            // Names of bucket and key count too; the value is a JSON text with its quotes.
            let names = "bytes".len() + "key".len() + 2;
            let value = "v".repeat(amount.saturating_sub(names));
            usize::from(store::open("bytes")?.set("key", &value).is_ok())
        }
        "keyvalue_write_bytes_max" => {
            // Two bytes, then the rest: a key that is written again counts again.
            let bucket = store::open("edge")?;
            bucket.set("k", &7)?;
            let rest = "v".repeat(amount.saturating_sub("k7".len() + "k".len() + 2));
            usize::from(bucket.set("k", &rest).is_ok())
        }
        "batch" => {
            let bucket = store::open("edge")?;
            bucket.set("large", &"v".repeat(199_993))?;
            let keys = vec!["large".to_owned(); amount];
            bucket.get_many::<String>(&keys).map_or(0, |values| values.len())
        }
        "stack_bytes_max" => {
            // Neither number is known before, so this stays a recursion.
            return Ok(json!(deeper(black_box(amount as u64))));
        }
        "calls" => return meet(&room, amount as u64),
        "resources_max" => {
            let open: Vec<_> = (0..amount).map_while(|_| store::open("edge").ok()).collect();
            open.len()
        }
        // Two bytes of JSON are quotes.
        "result_bytes_max" => return Ok(json!("r".repeat(amount.saturating_sub(2)))),
        other => return Err(CallError::failed(format!("nobody can use `{other}`"))),
    };
    Ok(json!(got))
}

/// Holds nothing in memory, so that what grows is the engine's stack and not the guest's own.
fn deeper(levels: u64) -> u64 {
    if levels == 0 { 1 } else { deeper(levels - 1).wrapping_mul(black_box(1)) }
}

/// Waits until so many calls are in the room, and tells whether they were.
fn meet(room: &str, all: u64) -> Result<Value, CallError> {
    let bucket = store::open("rooms")?;
    let left = format!("{room}, left");
    bucket.increment(room, 1)?;
    let started = Instant::now();
    while started.elapsed() < Duration::from_millis(1_500) {
        if bucket.increment(room, 0)? - bucket.increment(&left, 0)? >= all {
            // It stays counted, so that the others see it as well.
            return Ok(json!("met"));
        }
        thread::sleep(Duration::from_millis(5));
    }
    // Who comes later meets nobody who has left.
    bucket.increment(&left, 1)?;
    Ok(json!("alone"))
}

plugin!(edge);
