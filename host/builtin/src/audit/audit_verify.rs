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
    /// Whether every record is unchanged.
    intact: bool,
    /// Number of checked records.
    records: u64,
    /// Number of files.
    files: u64,
    /// The oldest record kept.
    first_seq: Option<u64>,
    /// The newest record kept.
    last_seq: Option<u64>,
    /// Number and hash of the newest record, for `muster audit verify --head`. A copy on another machine proves later
    /// that no record was removed.
    head: String,
    /// The first mismatch.
    problem: Option<Problem>,
    /// Backups the server was restored from, oldest first.
    restored: Vec<Restored>,
}

#[derive(Serialize, JsonSchema)]
struct Restored {
    /// The record of the restore; the record before it is the last one of the backup.
    seq: u64,
    /// When the backup was written (RFC 3339).
    backup_time: String,
}

#[derive(Serialize, JsonSchema)]
struct Problem {
    /// The file.
    file: String,
    /// The number of the expected record.
    seq: u64,
    /// The mismatch.
    reason: String,
}

pub(crate) fn command(services: &Arc<Services>) -> Result<Registered, String> {
    Definition::new("audit_verify", "Checks whether a record of the audit log was changed, removed or added")
        .description("Reads every record. Each contains the hash of the record before it, and the server stores the \
                      hash of the newest.")
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
