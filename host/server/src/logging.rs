//! The host's log: lines on standard error, at a level that can change while it runs.
//!
//! A thread of its own writes them: where standard error is a pipe that is not read, the threads that serve go on, and lines
//! that find no room are dropped and counted.

use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tracing::{Event, Level, Subscriber};
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{Format, FormatEvent, FormatFields, Full, Writer};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, reload};

/// A level that cannot be configured: logs of plugins, and nothing of the host.
pub(crate) const GUESTS_ONLY: &str = "guests only";
/// What the lines of plugins are marked with.
const GUESTS: &str = "guest";
/// What the lines of every crate of the host begin with.
const HOST: &str = "muster";
/// The library that reads messages of MCP, and logs each it does not understand.
const MESSAGES_LIBRARY: &str = "rmcp";

/// Lines that wait to be written; what comes then is dropped.
const LINES_WAITING_MAX: usize = 10_000;
/// How often it is looked whether lines were dropped.
const DROPPED_EVERY: Duration = Duration::from_secs(10);

/// What ends the thread that writes, once it wrote what waits. One for the process, as the log is.
static WRITER: Mutex<Option<WorkerGuard>> = Mutex::new(None);

/// Writes the lines that wait, and ends the log. Where they are not read, it waits for a second.
pub(crate) fn finish() {
    drop(WRITER.lock().unwrap_or_else(PoisonError::into_inner).take());
}

/// The running log.
pub(crate) struct LogLevel {
    handle: reload::Handle<Targets, Registry>,
    name: Mutex<String>,
    dropped: ErrorCounter,
}

impl fmt::Debug for LogLevel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("LogLevel").field("name", &self.name).finish_non_exhaustive()
    }
}

impl LogLevel {
    /// Starts the log at a level. Once for each process.
    pub(crate) fn start(level: &str, json: bool) -> Self {
        let (filter, handle) = reload::Layer::new(filter(level));
        let (writer, guard) =
            NonBlockingBuilder::default().lossy(true).buffered_lines_limit(LINES_WAITING_MAX).finish(std::io::stderr());
        let dropped = writer.error_counter();
        let lines = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(false);
        let registry = tracing_subscriber::registry().with(filter);
        let started = if json {
            // The innermost span has what those around it have.
            registry.with(lines.json().with_span_list(false)).try_init()
        } else {
            let format = WithPriority { format: Format::default().with_ansi(false), is_journal: is_journal() };
            registry.with(lines.event_format(format)).try_init()
        };
        // A second start in one process keeps the first log; only tests do that.
        if started.is_ok() {
            *WRITER.lock().unwrap_or_else(PoisonError::into_inner) = Some(guard);
        }
        Self { handle, name: Mutex::new(level.to_owned()), dropped }
    }

    /// Says how many lines were dropped, for as long as it is polled.
    pub(crate) async fn count_dropped(&self) {
        let mut ticks = tokio::time::interval(DROPPED_EVERY);
        let mut said = 0;
        loop {
            ticks.tick().await;
            let dropped = self.dropped.dropped_lines();
            if dropped > said {
                tracing::warn!(
                    lines = dropped - said,
                    "log lines were dropped: writing to standard error was too slow"
                );
                said = dropped;
            }
        }
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

/// Lines of text, with the priority of syslog before each where systemd's journal reads them (`sd-daemon(3)`).
#[derive(Debug)]
struct WithPriority {
    format: Format<Full>,
    is_journal: bool,
}

impl<S, N> FormatEvent<S, N> for WithPriority
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        if self.is_journal {
            let priority = match *event.metadata().level() {
                Level::ERROR => 3,
                Level::WARN => 4,
                Level::INFO => 6,
                Level::DEBUG | Level::TRACE => 7,
            };
            write!(writer, "<{priority}>")?;
        }
        self.format.format_event(context, writer, event)
    }
}

/// Whether standard error goes to systemd's journal: its device and inode are those `$JOURNAL_STREAM` names
/// (`systemd.exec(5)`).
fn is_journal() -> bool {
    #[expect(clippy::disallowed_methods, reason = "systemd says it this way alone; it is no setting")]
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else { return false };
    let Ok(error) = std::fs::metadata("/dev/stderr") else { return false };
    stream == format!("{}:{}", error.dev(), error.ino())
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
