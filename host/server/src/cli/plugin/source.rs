//! Where a component comes from: a file, or an address.

use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use muster_core::plugins::COMPONENT_BYTES_MAX;

use crate::cli::CliError;

/// Time to fetch a component.
const FETCH: Duration = Duration::from_mins(2);
/// Redirects that are followed.
const REDIRECTS_MAX: u32 = 5;

/// Reads a component, from a file or an `https://` (or `http://`) address.
pub(super) fn read(source: &str) -> Result<Vec<u8>, CliError> {
    if source.starts_with("https://") || source.starts_with("http://") {
        fetch(source)
    } else {
        file(Path::new(source))
    }
}

fn file(file: &Path) -> Result<Vec<u8>, CliError> {
    std::fs::read(file).map_err(|error| CliError::Missing(format!("{} cannot be read: {error}", file.display())))
}

fn fetch(address: &str) -> Result<Vec<u8>, CliError> {
    let failed = |error: &dyn std::fmt::Display| CliError::Missing(format!("{address} cannot be fetched: {error}"));
    let agent =
        ureq::Agent::config_builder().timeout_global(Some(FETCH)).max_redirects(REDIRECTS_MAX).build().new_agent();
    let mut answer = agent.get(address).call().map_err(|error| failed(&error))?;
    let mut bytes = Vec::new();
    // One byte more than allowed tells a component that is too long.
    let most = COMPONENT_BYTES_MAX as u64 + 1;
    answer.body_mut().as_reader().take(most).read_to_end(&mut bytes).map_err(|error| failed(&error))?;
    Ok(bytes)
}
