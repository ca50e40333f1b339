//! The host's log: lines on standard error, at a level that can change while it runs.

use std::sync::{Mutex, PoisonError};

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, reload};

/// A level nobody configures: what plugins log, and nothing of the host.
pub(crate) const GUESTS_ONLY: &str = "guests only";
/// What the lines of plugins are marked with.
const GUESTS: &str = "guest";
/// What the lines of every crate of the host begin with.
const HOST: &str = "muster";
/// The library that reads messages of MCP, and logs each it does not understand.
const MESSAGES_LIBRARY: &str = "rmcp";

/// Sets the level of the running log.
#[derive(Debug)]
pub(crate) struct LogLevel {
    handle: reload::Handle<Targets, Registry>,
    name: Mutex<String>,
}

impl LogLevel {
    /// Starts the log at a level. Once for each process.
    pub(crate) fn start(level: &str, json: bool) -> Self {
        let (filter, handle) = reload::Layer::new(filter(level));
        let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false);
        let registry = tracing_subscriber::registry().with(filter);
        let started = if json { registry.with(lines.json()).try_init() } else { registry.with(lines).try_init() };
        // A second start in one process keeps the first log; only tests do that.
        drop(started);
        Self { handle, name: Mutex::new(level.to_owned()) }
    }

    pub(crate) fn set(&self, level: &str) {
        if self.handle.reload(filter(level)).is_ok() {
            level.clone_into(&mut self.name.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }

    pub(crate) fn name(&self) -> String {
        self.name.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn filter(level: &str) -> Targets {
    let level = match level {
        GUESTS_ONLY => return Targets::new().with_target(GUESTS, LevelFilter::INFO),
        "none" => LevelFilter::OFF,
        "error" => LevelFilter::ERROR,
        "warning" => LevelFilter::WARN,
        "debug" => LevelFilter::DEBUG,
        _ => LevelFilter::INFO,
    };
    // Libraries say what they were sent, as long as it may be: theirs are only the lines of their own failures, and none of
    // the one that reads what assistants send.
    Targets::new()
        .with_default(level.min(LevelFilter::ERROR))
        .with_target(HOST, level)
        .with_target(GUESTS, level)
        .with_target(MESSAGES_LIBRARY, LevelFilter::OFF)
}
