//! `backup`: writes everything the server must not lose to a file.

use std::sync::Arc;
use std::time::Duration;

use muster_core::command::Audience;
use muster_core::error::CallError;
use muster_core::registry::Registered;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::Services;
use crate::definition::{Call, Definition};

/// How long a backup may take: a store of some gigabytes on a slow disk.
const TIME: Duration = Duration::from_hours(1);

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// Name of the file in the folder `backups` of the data directory. The file must not exist.
    #[schemars(regex(pattern = r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$"))]
    file: String,
}

#[derive(Serialize, JsonSchema)]
struct Written {
    /// Its path on the server.
    file: String,
    /// Its length.
    bytes: u64,
    /// Number of entries of the store in the backup.
    entries: u64,
}

pub(crate) fn command(services: &Arc<Services>) -> Result<Registered, String> {
    Definition::new("backup", "Writes a backup of the server to a file")
        .description(
            "Contains the store, the audit log and the configuration of the data directory, as they were at one \
             moment. The server keeps running, and the file is verified before this returns. The file contains all \
             secrets of the server. `muster restore` creates a data directory from it.",
        )
        .tags(&["server"])
        .audience(Audience::Admin)
        .deadline_least(TIME)
        .example(
            "Write a backup",
            json!({"file": "sunday.tar"}),
            json!({"file": "/var/lib/muster/backups/sunday.tar", "bytes": 245_760, "entries": 1200}),
        )
        .run(services, |Call { services, arguments, .. }: Call<Arguments>| async move {
            let written = services.control.backup(arguments.file).await.map_err(CallError::Failed)?;
            Ok(Written { file: written.file, bytes: written.bytes, entries: written.entries })
        })
}
