//! `muster doctor`: proves on this machine that the limits of plugins bite. It needs no running host, and disturbs none.

use std::path::Path;

use clap::Args;
use muster_wasm::{Finding, Outcome};
use serde_json::{Value, json};

use super::CliError;
use super::output::{self, Format};
use crate::config::Config;
use crate::serve::CONFIG;

#[derive(Args, Debug)]
pub(super) struct Doctor {
    /// The configuration whose limits are proved; without, muster.yaml in the data directory, else the defaults
    #[arg(long, value_name = "FILE")]
    config: Option<std::path::PathBuf>,
}

pub(super) fn run(data: &Path, doctor: &Doctor, format: Format) -> Result<(), CliError> {
    let file = doctor.config.clone().or_else(|| Some(data.join(CONFIG)).filter(|file| file.exists()));
    let config = file.as_deref().map_or_else(|| Ok(Config::default()), Config::read).map_err(CliError::Failed)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| CliError::Failed(format!("the runtime cannot start: {error}")))?;
    let spinner = output::spinner("running guests that want more than they may");
    let findings = runtime.block_on(muster_wasm::examine(config.limits));
    spinner.finish_and_clear();
    let rows: Vec<Value> = findings.iter().map(row).collect();
    output::value(&json!(rows), format);
    let failed: Vec<&str> = findings.iter().filter(|one| one.outcome == Outcome::Failed).map(|one| one.name).collect();
    if failed.is_empty() {
        return Ok(());
    }
    Err(CliError::Failed(format!(
        "{} not as it should be: do not run plugins you do not trust on this machine",
        failed.join(", ")
    )))
}

fn row(finding: &Finding) -> Value {
    let outcome = match finding.outcome {
        Outcome::Well => "well",
        Outcome::Slow => "slow",
        Outcome::Failed => "FAILED",
    };
    json!({ "name": finding.name, "outcome": outcome, "detail": finding.detail })
}
