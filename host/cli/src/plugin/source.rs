//! Where a component comes from: a file, or an address.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use muster_core::plugins::COMPONENT_BYTES_MAX;

use crate::CliError;

/// Time to fetch a component.
const FETCH: Duration = Duration::from_mins(2);
/// Redirects that are followed.
const REDIRECTS_MAX: u32 = 5;

/// Whether a component is to be fetched from there.
pub fn is_address(source: &str) -> bool {
    source.starts_with("https://") || source.starts_with("http://")
}

/// Reads a component, from a file or an `https://` (or `http://`) address.
pub fn read(source: &str) -> Result<Vec<u8>, CliError> {
    if is_address(source) { fetch(source) } else { file(Path::new(source), COMPONENT_BYTES_MAX) }
}

/// Reads a file of at most so many bytes. A device may have no end, and a file grow meanwhile.
pub fn file(file: &Path, bytes_max: usize) -> Result<Vec<u8>, CliError> {
    let failed = |error| CliError::Missing(format!("{} cannot be read: {error}", file.display()));
    read_bounded(File::open(file).map_err(failed)?, bytes_max)
        .map_err(failed)?
        .ok_or_else(|| too_long(&file.display(), bytes_max))
}

/// What there is to read, unless it is more than so many bytes.
fn read_bounded(reader: impl Read, bytes_max: usize) -> std::io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    reader.take(bytes_max as u64 + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() <= bytes_max).then_some(bytes))
}

fn too_long(source: &dyn std::fmt::Display, bytes_max: usize) -> CliError {
    CliError::Failed(format!("{source} has more than {bytes_max} bytes; at most that many are allowed"))
}

fn fetch(address: &str) -> Result<Vec<u8>, CliError> {
    let failed = |error: &dyn std::fmt::Display| CliError::Missing(format!("{address} cannot be fetched: {error}"));
    let agent =
        ureq::Agent::config_builder().timeout_global(Some(FETCH)).max_redirects(REDIRECTS_MAX).build().new_agent();
    let mut answer = agent.get(address).call().map_err(|error| failed(&error))?;
    let read = read_bounded(answer.body_mut().as_reader(), COMPONENT_BYTES_MAX).map_err(|error| failed(&error))?;
    read.ok_or_else(|| too_long(&address, COMPONENT_BYTES_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_read_than_allowed() {
        for (length, had) in [(0, true), (9, true), (10, true), (11, false), (u64::MAX, false)] {
            let read = read_bounded(std::io::repeat(0).take(length), 10).unwrap();
            assert_eq!(read.is_some(), had, "{length}");
        }
        let error = file(Path::new("/dev/zero"), COMPONENT_BYTES_MAX).unwrap_err().to_string();
        assert_eq!(error, "/dev/zero has more than 67108864 bytes; at most that many are allowed");
    }
}
