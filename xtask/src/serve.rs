//! `cargo xtask run`: a host with the sample plugins, in the foreground, without the tour of the demo.

use anyhow::Result;

use crate::run::Profile;
use crate::samples::SampleHost;

/// How to run the host.
#[derive(Debug, clap::Args)]
pub(crate) struct Serve {
    /// Build the host as it ships, instead of with the profile of the unit tests
    #[arg(long)]
    release: bool,
}

/// Runs a host until Ctrl-C.
///
/// # Errors
/// When something does not build, or the host does not start.
pub(crate) fn run(serve: &Serve) -> Result<()> {
    let profile = if serve.release { Profile::Release } else { Profile::Dev };
    SampleHost::start(profile, "run")?.serve_on()
}
