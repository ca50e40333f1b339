//! `muster config check`: reads a configuration file as `serve` would.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::json;

use super::CliError;
use super::output::{self, Format};
use crate::config::Config;
use crate::serve::CONFIG;

#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// Report the first mistake, or that there is none
    Check {
        /// The file; without, muster.yaml in the data directory
        file: Option<PathBuf>,
    },
}

pub(super) fn run(data: &Path, action: &Action, format: Format) -> Result<(), CliError> {
    let Action::Check { file } = action;
    let file = file.clone().unwrap_or_else(|| data.join(CONFIG));
    let config = Config::read(&file).map_err(CliError::Failed)?;
    let groups: Vec<_> = config.permissions.groups().iter().map(|group| group.name.clone()).collect();
    let line = format!("{}: no mistakes; rule groups: {}", file.display(), groups.join(", "));
    output::line(&line, &json!({ "file": file.display().to_string(), "groups": groups }), format);
    Ok(())
}
