//! `audit_verify`: whether any record was changed since it was written.

use std::sync::Arc;

use muster_core::command::Audience;
use muster_core::registry::Registered;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::Services;
use crate::definition::{Call, Definition, NoArguments};

#[derive(Serialize, JsonSchema)]
struct Verified {
    /// Whether every record is there as it was written.
    intact: bool,
    /// Records looked at.
    records: u64,
    /// Files they stand in.
    files: u64,
    /// The oldest record kept.
    first_seq: Option<u64>,
    /// The newest.
    last_seq: Option<u64>,
    /// Number and hash of the newest, as `muster audit verify --head` takes it: kept elsewhere, it proves later that
    /// nothing was taken away.
    head: String,
    /// The first thing that does not fit.
    problem: Option<Problem>,
    /// Backups the server was restored from, oldest first.
    restored: Vec<Restored>,
}

#[derive(Serialize, JsonSchema)]
struct Restored {
    /// The record that tells it; the one before it is the last of the backup.
    seq: u64,
    /// When the backup was written (RFC 3339).
    backup_time: String,
}

#[derive(Serialize, JsonSchema)]
struct Problem {
    /// The file.
    file: String,
    /// The record that should stand there.
    seq: u64,
    /// What does not fit.
    reason: String,
}

pub(crate) fn command(services: &Arc<Services>) -> Result<Registered, String> {
    Definition::new("audit_verify", "Tells whether any audit record was changed, removed or put in")
        .description("Reads every record: each has the hash of the one before, and the server remembers the newest.")
        .tags(&["audit"])
        .audience(Audience::Admin)
        .read_only()
        .example(
            "Intact",
            json!({}),
            json!({"intact": true, "records": 2, "files": 1, "first_seq": 1, "last_seq": 2, "head": "2:5f…", "problem": null, "restored": []}),
        )
        .run(services, |Call { services, .. }: Call<NoArguments>| async move {
            let verified = services.audit()?.verify().await?;
            let problem =
                verified.problem.map(|problem| Problem { file: problem.file, seq: problem.seq, reason: problem.reason });
            Ok(Verified {
                intact: problem.is_none(),
                records: verified.records,
                files: verified.files,
                first_seq: verified.first_seq,
                last_seq: verified.last_seq,
                head: format!("{}:{}", verified.last_seq.unwrap_or_default(), verified.head),
                problem,
                restored: verified
                    .restored
                    .into_iter()
                    .map(|restored| Restored { seq: restored.seq, backup_time: restored.backup_time })
                    .collect(),
            })
        })
}
