//! `muster backup` and `muster restore`.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::backup::{self, Verified};
use muster_cli::Client;
use muster_cli::output::{self, Format};
use muster_cli::{CliError, Connection, Host};

#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct Backup {
    /// File to write; it must not exist
    #[arg(required = true)]
    file: Option<PathBuf>,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Check a backup: read it completely and verify the digest of each part
    Verify {
        /// The backup
        file: PathBuf,
    },
}

#[derive(Args, Debug)]
pub(super) struct Restore {
    /// The backup
    file: PathBuf,
}

pub(super) fn run(
    client: impl FnOnce() -> Result<Client, CliError>,
    connection: &Connection,
    backup: Backup,
    format: Format,
) -> Result<(), CliError> {
    match (backup.action, backup.file) {
        (Some(Action::Verify { file }), _) => {
            let verified = backup::verify(&file).map_err(CliError::Failed)?;
            let line = format!(
                "valid: {} entries and {} audit files, written by Muster {} at {}",
                verified.entries,
                verified.audit_files,
                verified.version(),
                verified.time(),
            );
            output::line(&line, &described(&file, &verified), format);
            Ok(())
        }
        (None, Some(file)) => {
            if !matches!(connection.host()?, Host::Data(_)) {
                return Err(CliError::Usage(
                    "a backup is written on the machine of the host: run this subcommand there, or call the command \
                     `backup`, which writes to the folder `backups` of the data directory"
                        .to_owned(),
                ));
            }
            write(&client()?, &file, format)
        }
        (None, None) => Err(CliError::Usage("name the file to write".to_owned())),
    }
}

fn write(client: &Client, file: &Path, format: Format) -> Result<(), CliError> {
    let told = |error: io::Error| CliError::Failed(format!("{} cannot be written: {error}", file.display()));
    if fs::symlink_metadata(file).is_ok() {
        return Err(CliError::Failed(format!("{} exists already; name another file", file.display())));
    }
    let unique = getrandom::u64().map_err(|error| CliError::Failed(error.to_string()))?;
    let spinner = output::spinner("writing the backup");
    let answer = client.call("backup", None, &json!({ "file": format!("cli-{unique:016x}.tar") }));
    spinner.finish_and_clear();
    let mut answer = answer?;
    let made = PathBuf::from(answer.get("file").and_then(Value::as_str).unwrap_or_default());
    let moved = place(&made, file);
    let _ = fs::remove_file(&made);
    moved.map_err(told)?;
    // What is there now is what counts.
    let verified = backup::verify(file).map_err(CliError::Failed)?;
    if let Some(members) = answer.as_object_mut() {
        members.insert("file".to_owned(), json!(file.display().to_string()));
    }
    output::line(&format!("{}: {} entries, verified", file.display(), verified.entries), &answer, format);
    Ok(())
}

/// Gives a file another name, on another file system too. It is there whole or not at all, and never over another one.
fn place(from: &Path, to: &Path) -> io::Result<()> {
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if fs::hard_link(from, to).is_err() {
        let mut unfinished = to.as_os_str().to_owned();
        unfinished.push(".tmp");
        let mut target = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
        let placed = io::copy(&mut File::open(from)?, &mut target)
            .and_then(|_| target.sync_all())
            .and_then(|()| fs::hard_link(&unfinished, to));
        let _ = fs::remove_file(&unfinished);
        placed?;
    }
    File::open(folder)?.sync_all()
}

pub(super) fn restore(data: &Path, restore: &Restore, format: Format) -> Result<(), CliError> {
    let verified = backup::restore(&restore.file, data).map_err(CliError::Failed)?;
    let line = format!(
        "{}: restored {} entries and {} audit files, as they were at {}; start the host with `muster serve \
         --data {}`",
        data.display(),
        verified.entries,
        verified.audit_files,
        verified.time(),
        data.display(),
    );
    output::line(&line, &described(&restore.file, &verified), format);
    Ok(())
}

fn described(file: &Path, verified: &Verified) -> Value {
    json!({
        "file": file.display().to_string(), "entries": verified.entries, "audit_files": verified.audit_files,
        "muster": verified.version(), "time": verified.time(),
    })
}
