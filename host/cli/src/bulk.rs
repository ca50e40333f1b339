//! `muster call --bulk COMMAND`: one call for each line of standard input, some at a time, answers in the order of the
//! lines. What was answered can be noted in a file, so that an interrupted run goes on where it stopped.
//!
//! Standard input is read by a thread of its own, and every call has one: answers are printed as soon as those before them
//! are there, also while nothing comes in. What is no answer to a line (the host is gone, the caller may not) ends the run
//! and is never noted.

mod note;

use std::collections::BTreeMap;
use std::io::{BufRead, Read, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use clap::Args;
use muster_core::schema::{DEPTH_MAX, parse_json};
use serde_json::{Value, json};

use super::CliError;
use super::client::{Client, ClientError};
use super::output;
use note::Note;

/// Longest line that is read, in bytes.
const LINE_BYTES_MAX: u64 = 8 << 20;
/// How long a line waits in all for a host that has no time for it.
const PATIENCE: Duration = Duration::from_mins(5);
/// First and longest time before a line is tried again, where the host does not say how long.
const PAUSE: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// How often a waiting line looks whether the run is over.
const GLANCE: Duration = Duration::from_millis(50);

#[derive(Args, Debug)]
pub(crate) struct Bulk {
    /// Call the command once for each line of standard input, which must be a JSON object; print one line of JSON per
    /// call, in the same order
    #[arg(long = "bulk")]
    pub(crate) wanted: bool,
    /// Number of concurrent calls with --bulk
    #[arg(short, long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u8).range(1..=64), requires = "wanted")]
    jobs: u8,
    /// Store the number of answered lines in this file, and skip them in the next run
    #[arg(long, value_name = "FILE", requires = "wanted")]
    resume: Option<PathBuf>,
}

type Answer = Result<Value, ClientError>;

/// What the thread that makes the calls hears.
enum Event {
    /// The first line of the input.
    First(Vec<u8>),
    /// A line to call with, and its number.
    Line(u64, Vec<u8>),
    /// There are no more lines.
    End(Result<(), CliError>),
    /// The call with the line of this number is done.
    Done(u64, Answer),
}

/// Makes all calls.
///
/// # Errors
/// When a call failed, once all were made; at once when the host is gone, or the caller may not call.
pub(crate) fn run(client: Client, command: &str, version: Option<u32>, bulk: &Bulk) -> Result<(), CliError> {
    let started = Instant::now();
    let at = version.map_or_else(String::new, |version| format!("/v{version}"));
    let note = bulk.resume.as_deref().map(|path| Note::open(path, &format!("{command}{at}"))).transpose()?;
    let done_before = note.as_ref().map_or(0, Note::lines);
    let (heard, events) = mpsc::channel();
    // The reader gets leave for each line, so that it is never far ahead of the answers.
    let (leave, left) = mpsc::channel();
    let reader = heard.clone();
    std::thread::spawn(move || read(done_before, &left, &reader));
    let calls = Calls {
        client,
        command: command.to_owned(),
        version,
        is_over: AtomicBool::new(false),
        pause_until: RwLock::new(started),
    };
    let mut run = Run {
        calls: Arc::new(calls),
        heard,
        leave,
        note,
        bar: output::spinner("calling"),
        waiting: BTreeMap::new(),
        counts: Counts::default(),
        done_before,
    };
    let result = run.go(&events, bulk.jobs);
    run.bar.finish_and_clear();
    let counts = run.counts;
    let before = if done_before == 0 { String::new() } else { format!(", {done_before} before") };
    let (seconds, again) = (started.elapsed().as_secs_f64(), bulk.resume.is_some() && result.is_err());
    let again = if again { "; run it again to continue" } else { "" };
    output::note(&format!("{} done, {} failed{before}, in {seconds:.1} s{again}", counts.done, counts.failed));
    match result {
        Ok(()) if counts.failed > 0 => {
            Err(CliError::Failed(format!("{} of {} calls failed", counts.failed, counts.all())))
        }
        other => other,
    }
}

/// A run, as the thread sees it that prints.
struct Run {
    calls: Arc<Calls>,
    heard: Sender<Event>,
    leave: Sender<()>,
    note: Option<Note>,
    bar: indicatif::ProgressBar,
    /// Lines that were begun and not printed, with their answers once they have one.
    waiting: BTreeMap<u64, Option<Answer>>,
    counts: Counts,
    done_before: u64,
}

impl Run {
    fn go(&mut self, events: &Receiver<Event>, jobs: u8) -> Result<(), CliError> {
        for _ in 0..jobs {
            let _ = self.leave.send(());
        }
        let mut end = None;
        while end.is_none() || !self.waiting.is_empty() {
            let Ok(event) = events.recv() else { break };
            match event {
                Event::First(line) => self.note.as_mut().map_or(Ok(()), |note| note.begin(&line))?,
                Event::Line(number, line) => self.begin(number, line),
                Event::End(result) => end = Some(result),
                Event::Done(number, answer) => {
                    if answer.as_ref().is_err_and(ends_all) {
                        return self.stop(number, answer, events);
                    }
                    self.waiting.insert(number, Some(answer));
                    self.print()?;
                }
            }
        }
        end.unwrap_or(Ok(()))
    }

    /// Calls with a line.
    fn begin(&mut self, number: u64, line: Vec<u8>) {
        self.waiting.insert(number, None);
        let (calls, heard) = (Arc::clone(&self.calls), self.heard.clone());
        std::thread::spawn(move || {
            let answer = calls.call(&line);
            // The receiver is gone once the run is over.
            let _ = heard.send(Event::Done(number, answer));
        });
    }

    /// Prints and notes what is answered, up to the first line that is not.
    fn print(&mut self) -> Result<(), CliError> {
        while let Some(first) = self.waiting.first_entry()
            && first.get().is_some()
        {
            let (number, answer) = first.remove_entry();
            let Some(answer) = answer else { break };
            self.counts.add(answer.is_ok());
            self.bar.set_message(format!("{} lines answered", self.done_before + self.counts.all()));
            print(number, &answer)?;
            if let Some(note) = &mut self.note {
                note.set(number)?;
            }
            let _ = self.leave.send(());
        }
        Ok(())
    }

    /// Ends the run at a line that has no answer. Those before it that are under way end first: what they did is printed.
    fn stop(&mut self, number: u64, answer: Answer, events: &Receiver<Event>) -> Result<(), CliError> {
        self.calls.is_over.store(true, Ordering::Relaxed);
        let mut first = (number, answer);
        while self.waiting.iter().any(|(number, answer)| *number < first.0 && answer.is_none()) {
            let Ok(event) = events.recv() else { break };
            let Event::Done(number, answer) = event else { continue };
            if number < first.0 && answer.as_ref().is_err_and(ends_all) {
                first = (number, answer);
            } else {
                self.waiting.insert(number, Some(answer));
            }
        }
        let (number, answer) = first;
        self.waiting.split_off(&number);
        self.print()?;
        answer.map_or_else(|error| Err(error.into()), |_| Ok(()))
    }
}

/// Whether an error is about the run, not about its line. A command that denies something says so of this line; the rules
/// and a credential say it of all.
fn ends_all(error: &ClientError) -> bool {
    match error {
        ClientError::Unreachable(_) | ClientError::Unusable(_) | ClientError::LoggedOut(_) => true,
        ClientError::Refused(problem) => match problem.status() {
            Some(401 | 429) => true,
            Some(403) => problem.code() != "denied",
            Some(503) => is_passing(error),
            _ => false,
        },
    }
}

/// Whether it makes sense to try again.
fn is_passing(error: &ClientError) -> bool {
    match error {
        ClientError::Refused(problem) => matches!(problem.status(), Some(429 | 503)),
        ClientError::Unreachable(_) | ClientError::Unusable(_) | ClientError::LoggedOut(_) => false,
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    done: u64,
    failed: u64,
}

impl Counts {
    fn add(&mut self, done: bool) {
        *(if done { &mut self.done } else { &mut self.failed }) += 1;
    }

    fn all(self) -> u64 {
        self.done + self.failed
    }
}

/// Reads lines and hands on those that have no answer, each with its number, as long as there is leave.
fn read(done_before: u64, leave: &Receiver<()>, heard: &Sender<Event>) {
    let mut input = std::io::stdin().lock();
    let mut number = 0;
    let mut has_leave = false;
    let result = loop {
        if !has_leave && leave.recv().is_err() {
            return;
        }
        has_leave = true;
        let line = match next(&mut input) {
            Ok(Some(line)) => line,
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        };
        number += 1;
        if number == 1 && heard.send(Event::First(line.clone())).is_err() {
            return;
        }
        if number <= done_before || line.trim_ascii().is_empty() {
            continue;
        }
        has_leave = false;
        if heard.send(Event::Line(number, line)).is_err() {
            return;
        }
    };
    let _ = heard.send(Event::End(result));
}

/// The next line; nothing at the end.
fn next(input: &mut impl BufRead) -> Result<Option<Vec<u8>>, CliError> {
    let mut line = Vec::new();
    let read = input.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line);
    match read {
        Err(error) => Err(CliError::Usage(format!("standard input cannot be read: {error}"))),
        Ok(0) => Ok(None),
        Ok(read) if read as u64 >= LINE_BYTES_MAX => {
            Err(CliError::Usage(format!("a line has more than {LINE_BYTES_MAX} bytes")))
        }
        Ok(_) => Ok(Some(line)),
    }
}

/// What all calls of a run share.
struct Calls {
    client: Client,
    command: String,
    version: Option<u32>,
    /// Whether the run is over, so that no answer is needed any more.
    is_over: AtomicBool,
    /// Until when the host wants to be left alone: what it said to one call is true for all.
    pause_until: RwLock<Instant>,
}

impl Calls {
    /// Calls with a line, and again where the host has no time for it, within bounds.
    fn call(&self, line: &[u8]) -> Answer {
        let malformed = |detail: String| {
            ClientError::refused(
                json!({ "title": "The line is not valid", "detail": detail, "status": 400, "code": "malformed" }),
            )
        };
        match parse_json(line, DEPTH_MAX) {
            Ok(Value::Object(_)) => {}
            Ok(_) => return Err(malformed("a line must be a JSON object".to_owned())),
            Err(error) => return Err(malformed(format!("it is not valid JSON: {error}"))),
        }
        // The line itself: its numbers keep their digits.
        let arguments = String::from_utf8_lossy(line.trim_ascii());
        let give_up = Instant::now() + PATIENCE;
        let mut pause = PAUSE;
        loop {
            self.wait();
            let answer = self.client.call_with(&self.command, self.version, arguments.clone().into_owned());
            let Err(error) = &answer else { return answer };
            if !is_passing(error) || self.is_over.load(Ordering::Relaxed) {
                return answer;
            }
            let said = match error {
                ClientError::Refused(problem) => problem.retry_after_s.map(Duration::from_secs),
                ClientError::Unreachable(_) | ClientError::Unusable(_) | ClientError::LoggedOut(_) => None,
            };
            let until = Instant::now() + said.map_or(pause, |said| said.max(GLANCE));
            if until > give_up {
                return answer;
            }
            pause = (pause * 2).min(PAUSE_MAX);
            let mut common = self.pause_until.write().unwrap_or_else(PoisonError::into_inner);
            *common = until.max(*common);
        }
    }

    /// Waits as long as the host wants to be left alone, unless the run is over.
    fn wait(&self) {
        let until = || *self.pause_until.read().unwrap_or_else(PoisonError::into_inner);
        while Instant::now() < until() && !self.is_over.load(Ordering::Relaxed) {
            std::thread::sleep(GLANCE);
        }
    }
}

fn print(line: u64, answer: &Answer) -> Result<(), CliError> {
    let printed = match answer {
        Ok(result) => json!({ "line": line, "result": result }),
        Err(ClientError::Refused(problem)) => json!({ "line": line, "error": problem.value }),
        Err(other) => json!({ "line": line, "error": { "title": "Error", "detail": other.to_string() } }),
    };
    let mut output = std::io::stdout().lock();
    // A line is noted only once it is out.
    writeln!(output, "{printed}")
        .and_then(|()| output.flush())
        .map_err(|error| CliError::Failed(format!("the results cannot be written: {error}")))
}
