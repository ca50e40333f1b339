//! `muster doctor`: checks that the sandbox limits are enforced on this machine. It needs no running host, and disturbs
//! none.

use std::path::Path;

use clap::Args;
use muster_wasm::{Finding, Outcome};
use serde_json::{Value, json};

use crate::config::Config;
use crate::serve::config_file;
use muster_cli::output::{self, Format};
use muster_cli::{CliError, block_on};

#[derive(Args, Debug)]
pub(super) struct Doctor {
    /// The configuration whose limits are checked [default: muster.yaml in the data directory, else the default limits]
    #[arg(long, value_name = "FILE")]
    config: Option<std::path::PathBuf>,
}

pub(super) fn run(data: &Path, doctor: &Doctor, format: Format) -> Result<(), CliError> {
    let file = config_file(doctor.config.as_deref(), data);
    let config = Config::read_or_default(file.as_deref()).map_err(CliError::Failed)?;
    let spinner = output::spinner("running test plugins that exceed their limits");
    let findings = block_on(muster_wasm::examine(config.limits))?;
    spinner.finish_and_clear();
    let rows: Vec<Value> = findings.iter().map(row).collect();
    output::value(&json!(rows), format);
    let failed: Vec<&str> = findings.iter().filter(|one| one.outcome == Outcome::Failed).map(|one| one.name).collect();
    if failed.is_empty() {
        return Ok(());
    }
    Err(CliError::Failed(format!(
        "sandbox checks failed: {}; do not run untrusted plugins on this machine",
        failed.join(", ")
    )))
}

fn row(finding: &Finding) -> Value {
    let outcome = match finding.outcome {
        Outcome::Well => "ok",
        Outcome::Slow => "slow",
        Outcome::NotTried => "not tried",
        Outcome::Failed => "FAILED",
    };
    json!({ "name": finding.name, "outcome": outcome, "detail": finding.detail })
}
