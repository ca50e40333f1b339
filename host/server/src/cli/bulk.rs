//! `muster call --bulk COMMAND`: one call for each line of standard input, some at a time, answers in the order of the
//! lines. What was answered can be noted in a file, so that an interrupted run goes on where it stopped.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use clap::Args;
use muster_core::schema::{DEPTH_MAX, parse_json};
use serde_json::{Value, json};

use super::CliError;
use super::client::{Client, ClientError};
use super::output;

/// Longest line that is read, in bytes.
const LINE_BYTES_MAX: u64 = 8 << 20;

#[derive(Args, Debug)]
pub(super) struct Bulk {
    /// Call the command once for each line of standard input, a JSON object each; answers are lines of JSON in that order
    #[arg(long = "bulk")]
    pub(super) wanted: bool,
    /// How many calls of a bulk run at a time
    #[arg(short, long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u8).range(1..=64), requires = "wanted")]
    jobs: u8,
    /// Note in this file how many lines of a bulk were answered, and leave out those it already says
    #[arg(long, value_name = "FILE", requires = "wanted")]
    resume: Option<PathBuf>,
}

type Answer = Result<Value, ClientError>;

/// A call that runs, and the number of its line.
type Running = (u64, JoinHandle<Answer>);

/// Makes all calls.
///
/// # Errors
/// When a call failed, once all were made; at once when the host is gone.
pub(super) fn run(client: Client, command: &str, version: Option<u32>, bulk: &Bulk) -> Result<(), CliError> {
    let started = Instant::now();
    let mut note = bulk.resume.as_deref().map(Note::open).transpose()?;
    let done_before = note.as_ref().map_or(0, |note| note.lines);
    let client = Arc::new(client);
    let bar = output::spinner("calling");
    let (mut running, mut counts) = (VecDeque::<Running>::new(), Counts::default());
    let mut input = std::io::stdin().lock();
    let mut number = 0;
    let mut finish = |(number, call): Running| {
        let answer = call.join().unwrap_or_else(|_| Err(ClientError::Unusable("the call broke".to_owned())));
        let stopped = matches!(answer, Err(ClientError::Unreachable(_)));
        if stopped {
            return Err(answer.err().map_or_else(|| CliError::Failed(String::new()), CliError::Client));
        }
        counts.add(answer.is_ok());
        bar.set_message(format!("{} lines answered", done_before + counts.all()));
        print(number, &answer)?;
        note.as_mut().map_or(Ok(()), |note| note.set(number))
    };
    let result = loop {
        let line = match next(&mut input) {
            Ok(Some(line)) => line,
            Ok(None) => break running.drain(..).try_for_each(&mut finish),
            Err(error) => break running.drain(..).try_for_each(&mut finish).and(Err(error)),
        };
        number += 1;
        if number <= done_before || line.trim_ascii().is_empty() {
            continue;
        }
        let (client, command) = (Arc::clone(&client), command.to_owned());
        running.push_back((number, std::thread::spawn(move || call(&client, &command, version, &line))));
        if running.len() >= usize::from(bulk.jobs)
            && let Some(first) = running.pop_front()
            && let Err(error) = finish(first)
        {
            break Err(error);
        }
    };
    bar.finish_and_clear();
    let (seconds, again) =
        (started.elapsed().as_secs_f64(), if bulk.resume.is_some() { "; run it again to go on" } else { "" });
    let before = if done_before == 0 { String::new() } else { format!(", {done_before} before") };
    output::note(&format!("{} done, {} failed{before}, in {seconds:.1} s", counts.done, counts.failed));
    match result {
        Ok(()) if counts.failed == 0 => Ok(()),
        Ok(()) => Err(CliError::Failed(format!("{} of {} calls failed", counts.failed, counts.all()))),
        Err(CliError::Client(ClientError::Unreachable(text))) => {
            Err(CliError::Client(ClientError::Unreachable(format!("{text}{again}"))))
        }
        Err(error) => Err(error),
    }
}

#[derive(Debug, Default)]
struct Counts {
    done: u64,
    failed: u64,
}

impl Counts {
    fn add(&mut self, done: bool) {
        *(if done { &mut self.done } else { &mut self.failed }) += 1;
    }

    fn all(&self) -> u64 {
        self.done + self.failed
    }
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

fn call(client: &Client, command: &str, version: Option<u32>, line: &[u8]) -> Answer {
    let malformed = |detail: String| {
        ClientError::refused(
            json!({ "title": "The line is unusable", "detail": detail, "status": 400, "code": "malformed" }),
        )
    };
    match parse_json(line, DEPTH_MAX) {
        Ok(arguments @ Value::Object(_)) => client.call(command, version, &arguments),
        Ok(_) => Err(malformed("a line must be a JSON object".to_owned())),
        Err(error) => Err(malformed(format!("it is not usable JSON: {error}"))),
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
        .map_err(|error| CliError::Failed(format!("the answers cannot be written: {error}")))
}

/// The file that says how many lines were answered: one number, as wide as it can get, written over itself.
struct Note {
    file: File,
    lines: u64,
}

impl Note {
    fn open(path: &Path) -> Result<Self, CliError> {
        let failed = |reason: String| CliError::Usage(format!("{}: {reason}", path.display()));
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path);
        let mut file = file.map_err(|error| failed(error.to_string()))?;
        let mut text = String::new();
        let read = Read::by_ref(&mut file).take(64).read_to_string(&mut text);
        read.map_err(|error| failed(error.to_string()))?;
        let lines = match text.trim() {
            "" => 0,
            number => number.parse().map_err(|_| failed("it is no note of answered lines".to_owned()))?,
        };
        Ok(Self { file, lines })
    }

    fn set(&mut self, lines: u64) -> Result<(), CliError> {
        let written = self.file.write_all_at(format!("{lines:020}\n").as_bytes(), 0);
        written.map_err(|error| CliError::Failed(format!("the note of answered lines cannot be written: {error}")))
    }
}
