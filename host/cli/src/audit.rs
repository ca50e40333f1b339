//! `muster audit …`: what was recorded. The host is asked; `verify --dir` reads files where no host runs.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use muster_audit::Head;
use serde_json::{Map, Value, json};

use super::CliError;
use super::client::Client;
use super::output::{self, Format};

/// How often `tail -f` asks for more.
const FOLLOW_EVERY: Duration = Duration::from_millis(500);

#[derive(Debug, Subcommand)]
pub enum Action {
    /// Print the newest records
    Tail {
        /// Print new records as they arrive
        #[arg(short, long)]
        follow: bool,
        /// How many
        #[arg(short = 'n', long, default_value_t = 20, value_name = "N")]
        lines: u16,
    },
    /// Print records that match all conditions, newest first
    Search(Search),
    /// Check whether a record was changed, removed or added
    Verify {
        /// Check the files in this directory, without a host
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
        /// A known head that the files must contain: NUMBER:HASH
        #[arg(long, value_name = "HEAD", requires = "dir")]
        head: Option<String>,
    },
}

#[derive(Args, Debug)]
pub struct Search {
    /// The call with this request id
    #[arg(long, value_name = "ID")]
    request_id: Option<String>,
    /// Calls by this account or client, or by console, anonymous
    #[arg(long, value_name = "WHO")]
    caller: Option<String>,
    /// Calls of this command
    #[arg(long, value_name = "COMMAND")]
    command: Option<String>,
    /// Calls with this outcome: ok, abandoned, or an error code such as forbidden
    #[arg(long, value_name = "OUTCOME")]
    outcome: Option<String>,
    /// Not before this time, such as 2026-11-23T20:00:00Z
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Not after this moment
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// How many
    #[arg(short = 'n', long, default_value_t = 100, value_name = "N")]
    lines: u16,
}

pub fn run(client: impl Fn() -> Result<Client, CliError>, action: Action, format: Format) -> Result<(), CliError> {
    match action {
        Action::Tail { follow, lines } => tail(&client()?, lines, follow, format),
        Action::Search(search) => self::search(&client()?, search, format),
        Action::Verify { dir: Some(dir), head } => verify_files(&dir, head.as_deref(), format),
        Action::Verify { dir: None, .. } => {
            let verified = client()?.call("audit_verify", None, &json!({}))?;
            report(&verified, format)
        }
    }
}

fn records(client: &Client, arguments: &Map<String, Value>) -> Result<Vec<Value>, CliError> {
    let mut found = client.call("audit_search", None, &Value::Object(arguments.clone()))?;
    Ok(found.get_mut("records").and_then(Value::as_array_mut).map(std::mem::take).unwrap_or_default())
}

fn tail(client: &Client, lines: u16, follow: bool, format: Format) -> Result<(), CliError> {
    let mut arguments = Map::from_iter([("limit".to_owned(), lines.clamp(1, 1000).into())]);
    let mut newest = records(client, &arguments)?;
    newest.reverse();
    let mut last = 0;
    loop {
        for record in &newest {
            last = record.get("seq").and_then(Value::as_u64).unwrap_or(last);
            print(record, format);
        }
        if !follow {
            return Ok(());
        }
        std::thread::sleep(FOLLOW_EVERY);
        // Who reads may go while there is nothing to write.
        if !output::is_read() {
            return Ok(());
        }
        arguments.insert("limit".to_owned(), 1000.into());
        arguments.insert("after_seq".to_owned(), last.into());
        newest = records(client, &arguments)?;
        // Each poll leaves an audit record itself; `tail` does not print it.
        let is_own = |record: &Value| record.get("command").and_then(Value::as_str) == Some("audit_search");
        if newest.iter().all(is_own) {
            last = newest.last().and_then(|record| record.get("seq")?.as_u64()).unwrap_or(last);
            newest.clear();
        }
        newest.retain(|record| !is_own(record));
    }
}

fn search(client: &Client, search: Search, format: Format) -> Result<(), CliError> {
    let mut arguments = Map::from_iter([("limit".to_owned(), search.lines.clamp(1, 1000).into())]);
    let conditions = [
        ("request_id", search.request_id),
        ("caller", search.caller),
        ("command", search.command),
        ("outcome", search.outcome),
        ("since", search.since),
        ("until", search.until),
    ];
    for (name, text) in conditions {
        if let Some(text) = text {
            arguments.insert(name.to_owned(), text.into());
        }
    }
    for record in records(client, &arguments)? {
        print(&record, format);
    }
    Ok(())
}

/// One line: when, who, from where, what, what came of it.
fn print(record: &Value, format: Format) {
    let text = |key: &str| record.get(key).and_then(Value::as_str).unwrap_or_default();
    let number = |key: &str| record.get(key).and_then(Value::as_u64).unwrap_or_default();
    let (seq, time) = (number("seq"), text("time"));
    let line = if text("kind") == "event" {
        let detail = record.get("detail").map(Value::to_string).unwrap_or_default();
        format!("{seq} {time} {} {detail}", text("event"))
    } else {
        let who = match (text("caller"), text("claimed")) {
            ("", "") => "?".to_owned(),
            ("", claimed) => format!("?{claimed}"),
            (caller, _) => caller.to_owned(),
        };
        let address = match text("address") {
            "" => String::new(),
            address => format!(" from {address}"),
        };
        let arguments = record.get("arguments").map(|value| format!(" {value}")).unwrap_or_default();
        let group = match text("group") {
            "" => String::new(),
            group => format!(" by «{group}»"),
        };
        let command = if text("command").is_empty() { "(list)" } else { text("command") };
        format!(
            "{seq} {time} {who} via {}{address}: {command}{arguments} {}{group}, {} ({} µs)",
            text("via"),
            text("verdict"),
            text("outcome"),
            number("duration_us"),
        )
    };
    output::line(&line, record, format);
}

fn verify_files(dir: &Path, head: Option<&str>, format: Format) -> Result<(), CliError> {
    let misfit = || CliError::Usage("a head has the form NUMBER:HASH, as `muster audit verify` prints it".to_owned());
    let head = head.map(|text| Head::parse(text).ok_or_else(misfit)).transpose()?;
    let verified = muster_audit::verify(dir, head)
        .map_err(|error| CliError::Missing(format!("{} cannot be read: {error}", dir.display())))?;
    let problem =
        verified.problem.map(|problem| json!({ "file": problem.file, "seq": problem.seq, "reason": problem.reason }));
    let restored: Vec<Value> =
        verified.restored.iter().map(|one| json!({ "seq": one.seq, "backup_time": one.backup_time })).collect();
    let value = json!({
        "intact": problem.is_none(),
        "records": verified.records,
        "files": verified.files,
        "first_seq": verified.first_seq,
        "last_seq": verified.last_seq,
        "head": format!("{}:{}", verified.last_seq.unwrap_or_default(), verified.head),
        "problem": problem,
        "restored": restored,
    });
    report(&value, format)
}

fn report(verified: &Value, format: Format) -> Result<(), CliError> {
    let number = |key: &str| verified.get(key).and_then(Value::as_u64).unwrap_or_default();
    let head = verified.get("head").and_then(Value::as_str).unwrap_or_default();
    if verified.get("intact") == Some(&Value::Bool(true)) {
        let mut line = format!("intact: {} records in {} files; head {head}", number("records"), number("files"));
        for restored in verified.get("restored").and_then(Value::as_array).into_iter().flatten() {
            let seq = restored.get("seq").and_then(Value::as_u64).unwrap_or_default();
            let time = restored.get("backup_time").and_then(Value::as_str).unwrap_or_default();
            let _ = write!(line, "\nrestored at record {seq} from a backup of {time}");
        }
        output::line(&line, verified, format);
        return Ok(());
    }
    if format != Format::Table {
        output::value(verified, format);
    }
    let problem = verified.get("problem").unwrap_or(&Value::Null);
    let text = |key: &str| problem.get(key).and_then(Value::as_str).unwrap_or_default();
    let seq = problem.get("seq").and_then(Value::as_u64).unwrap_or_default();
    Err(CliError::Failed(format!("not intact: record {seq} in {}: {}", text("file"), text("reason"))))
}
