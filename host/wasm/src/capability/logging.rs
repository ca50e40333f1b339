//! `wasi:logging`: a guest's lines, with plugin and request id, bounded per call and over time.
//!
//! A line with level `critical` and context `panic` is how a guest reports its own panic before it traps; it is kept, so
//! that the trap can be told from others.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use muster_core::caller::RequestId;
use muster_core::rate::Bucket;
use muster_core::schema::MASK;

use super::used::Interface;
use crate::bindings::wasi::logging::logging::{Host, Level};
use crate::limits::Limits;
use crate::run::store::{PluginContext, PluginState};

/// Bytes of an unfinished line of a standard stream that are kept.
const PARTIAL_BYTES_MAX: usize = 4096;

/// Bytes of what a guest wrote last that are kept while it describes itself, for those who want to load it.
const LAST_WORDS_BYTES_MAX: usize = 2000;

/// Seconds over which a plugin's lines are counted together.
const RATE_S: u32 = 10;

/// How much one plugin logs, over all its calls.
#[derive(Debug)]
pub(crate) struct LogRate {
    bucket: Bucket,
    lines_per_s: u32,
    /// Lines that were not written since the last that was.
    dropped: AtomicU64,
}

impl LogRate {
    pub(crate) fn new(limits: &Limits) -> Self {
        let lines_per_s = limits.log_lines_per_s_max.max(1);
        Self { bucket: Bucket::full(Instant::now()), lines_per_s, dropped: AtomicU64::new(0) }
    }

    /// Whether one more line may be written; says first how many were not.
    pub(crate) fn draw(&self, plugin: &str) -> bool {
        let interval = Duration::from_secs(1) / self.lines_per_s;
        let burst = self.lines_per_s.saturating_mul(RATE_S);
        if self.bucket.draw(Instant::now(), interval, burst).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            tracing::warn!(target: "guest", plugin, dropped, "the plugin exceeds its limit of log lines per second");
        }
        true
    }
}

/// Where one call's lines go.
#[derive(Clone, Debug)]
pub(crate) struct GuestLog {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug)]
struct Shared {
    plugin: String,
    rate: Arc<LogRate>,
    request_id: Option<RequestId>,
    lines_left: u32,
    line_bytes_max: usize,
    dropped: u64,
    /// Whether lines were dropped because the plugin logs too much over time.
    too_fast: bool,
    partial: Vec<u8>,
    panic: Option<String>,
    /// What it wrote last, where no caller is told anything of it: while it describes itself.
    last_words: String,
    /// What is written nowhere.
    secrets: Arc<[String]>,
}

impl GuestLog {
    pub(crate) fn new(plugin: &PluginContext, request_id: Option<RequestId>) -> Self {
        let limits = &plugin.limits;
        let shared = Shared {
            plugin: plugin.name.clone(),
            rate: Arc::clone(&plugin.log_rate),
            request_id,
            lines_left: limits.log_lines_max,
            line_bytes_max: limits.log_line_bytes_max,
            dropped: 0,
            too_fast: false,
            partial: Vec::new(),
            panic: None,
            last_words: String::new(),
            secrets: Arc::clone(&plugin.secret_values),
        };
        Self { shared: Arc::new(Mutex::new(shared)) }
    }

    /// Begins the log of another call; what is left of the last one is written.
    pub(crate) fn begin(&self, request_id: RequestId, limits: &Limits) {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.end();
        shared.request_id = Some(request_id);
        shared.lines_left = limits.log_lines_max;
        shared.too_fast = false;
        shared.panic = None;
    }

    /// The limits for which lines of the call were dropped.
    pub(crate) fn limited(&self) -> impl Iterator<Item = &'static str> + use<> {
        let shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let too_many = (shared.dropped > 0).then_some("log_lines_max");
        too_many.into_iter().chain(shared.too_fast.then_some("log_lines_per_s_max"))
    }

    /// Writes what is left of a call's lines.
    pub(crate) fn end(&self) {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).end();
    }

    /// The message of the guest's panic, if it reported one.
    pub(crate) fn panic(&self) -> Option<String> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).panic.clone()
    }

    /// What the guest wrote last, if it is not called for a caller.
    pub(crate) fn last_words(&self) -> String {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.end();
        shared.last_words.trim_end().to_owned()
    }

    /// Takes bytes of a standard stream and logs the lines they finish.
    pub(super) fn write_stream(&self, stream: &str, bytes: &[u8]) {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, behind) = rest.split_at(end);
            shared.keep_partial(line);
            let whole = std::mem::take(&mut shared.partial);
            shared.line(Level::Info, stream, &String::from_utf8_lossy(&whole));
            rest = behind.get(1..).unwrap_or_default();
        }
        shared.keep_partial(rest);
    }

    pub(super) fn log(&self, level: Level, context: &str, message: &str) {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if level == Level::Critical && context == "panic" {
            shared.panic = Some(shared.cut(message));
        }
        shared.line(level, context, message);
    }
}

impl Shared {
    fn keep_partial(&mut self, bytes: &[u8]) {
        let room = PARTIAL_BYTES_MAX.saturating_sub(self.partial.len());
        self.partial.extend_from_slice(bytes.get(..room.min(bytes.len())).unwrap_or_default());
    }

    /// As much of a guest's text as is written, without the plugin's secrets: guests say in lines and panics what they
    /// have at hand.
    fn cut(&self, message: &str) -> String {
        // A secret that goes beyond the end is one as well.
        let behind = self.secrets.iter().map(String::len).max().unwrap_or_default();
        let end = message.floor_char_boundary(self.line_bytes_max.saturating_add(behind));
        let mut text = message.get(..end).unwrap_or_default().to_owned();
        for secret in self.secrets.iter() {
            if text.contains(secret) {
                text = text.replace(secret, MASK);
            }
        }
        text.truncate(text.floor_char_boundary(self.line_bytes_max));
        text
    }

    /// Keeps the end of what a guest writes.
    fn keep_last_words(&mut self, message: &str) {
        let message = self.cut(message);
        self.last_words.push_str(&message);
        self.last_words.push('\n');
        let too_many = self.last_words.len().saturating_sub(LAST_WORDS_BYTES_MAX);
        self.last_words.drain(..self.last_words.ceil_char_boundary(too_many));
    }

    fn line(&mut self, level: Level, context: &str, message: &str) {
        if self.request_id.is_none() {
            self.keep_last_words(message);
        }
        if !is_written(level) {
            return;
        }
        let Some(left) = self.lines_left.checked_sub(1) else {
            self.dropped += 1;
            return;
        };
        self.lines_left = left;
        if !self.rate.draw(&self.plugin) {
            self.too_fast = true;
            return;
        }
        let (message, context) = (self.cut(message), self.cut(context));
        let (plugin, context) = (self.plugin.as_str(), context.as_str());
        let request_id = self.request_id.as_ref().map_or("", RequestId::as_str);
        // A guest's text is quoted, so that it cannot look like lines of the host's own.
        match level {
            Level::Trace => tracing::trace!(target: "guest", plugin, request_id, context, ?message),
            Level::Debug => tracing::debug!(target: "guest", plugin, request_id, context, ?message),
            Level::Info => tracing::info!(target: "guest", plugin, request_id, context, ?message),
            Level::Warn => tracing::warn!(target: "guest", plugin, request_id, context, ?message),
            Level::Error | Level::Critical => {
                tracing::error!(target: "guest", plugin, request_id, context, ?message);
            }
        }
    }

    fn end(&mut self) {
        if !self.partial.is_empty() {
            let rest = std::mem::take(&mut self.partial);
            self.line(Level::Info, "stdio", &String::from_utf8_lossy(&rest));
        }
        let dropped = std::mem::take(&mut self.dropped);
        if dropped > 0 && self.rate.draw(&self.plugin) {
            let plugin = self.plugin.as_str();
            let request_id = self.request_id.as_ref().map_or("", RequestId::as_str);
            tracing::warn!(target: "guest", plugin, request_id, dropped, "the call exceeded its limit of log lines");
        }
    }
}

/// Whether lines of this level go anywhere: those that do not are not counted.
fn is_written(level: Level) -> bool {
    match level {
        Level::Trace => tracing::enabled!(target: "guest", tracing::Level::TRACE),
        Level::Debug => tracing::enabled!(target: "guest", tracing::Level::DEBUG),
        Level::Info => tracing::enabled!(target: "guest", tracing::Level::INFO),
        Level::Warn => tracing::enabled!(target: "guest", tracing::Level::WARN),
        Level::Error | Level::Critical => tracing::enabled!(target: "guest", tracing::Level::ERROR),
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.end();
    }
}

impl Host for PluginState {
    async fn log(&mut self, level: Level, context: String, message: String) -> wasmtime::Result<()> {
        self.plugin.granted.uses.interface(Interface::Logging);
        self.log.log(level, &context, &message);
        Ok(())
    }
}
