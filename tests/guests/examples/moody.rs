//! A guest that does well or fails, as it is asked to: so that one plugin has faults of every kind, and good calls between.

#![expect(clippy::panic, reason = "that is what it is for")]

use muster_sdk::{command, plugin};

/// What it does.
#[derive(Clone, Copy, Debug)]
#[muster_sdk::data]
#[serde(rename_all = "lowercase")]
pub enum Mood {
    /// Answers.
    Answer,
    /// Traps, two functions deep.
    Trap,
    /// Ends itself.
    Exit,
    /// Panics.
    Panic,
    /// Takes more memory than anybody gives.
    Hoard,
    /// Computes for ever.
    Spin,
}

/// Does as it is asked to
#[command(tags("hostile"))]
fn moody(
    /// What to do.
    mood: Mood,
) -> &'static str {
    match mood {
        Mood::Answer => "well",
        Mood::Trap => outer_deed(),
        Mood::Exit => std::process::exit(3),
        Mood::Panic => panic!("a bad mood"),
        Mood::Hoard => {
            let mut hoard: Vec<Vec<u8>> = Vec::new();
            loop {
                hoard.push(std::hint::black_box(vec![1; 1 << 20]));
            }
        }
        Mood::Spin => loop {
            std::hint::black_box(0);
        },
    }
}

#[inline(never)]
fn outer_deed() -> &'static str {
    inner_deed();
    "not reached"
}

/// Named in the trace that an operator gets.
#[inline(never)]
fn inner_deed() {
    #[cfg(target_family = "wasm")]
    core::arch::wasm32::unreachable();
}

plugin!(moody);
