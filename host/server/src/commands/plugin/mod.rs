//! `muster plugin …`: the client's subcommands, and the two that run a component on this machine.

mod pack;
mod test;

use clap::Subcommand;
use muster_cli::output::Format;
use muster_cli::{CliError, Client, plugin};

#[derive(Debug, Subcommand)]
pub(super) enum Plugin {
    #[command(flatten)]
    Client(plugin::Plugin),
    /// Write the manifest and commands into a component
    Pack(pack::Pack),
    /// Run a plugin's examples and detect data that leaks between calls
    Test(test::Rehearsal),
}

pub(super) fn run(
    client: impl FnOnce() -> Result<Client, CliError>,
    action: Plugin,
    format: Format,
) -> Result<(), CliError> {
    match action {
        Plugin::Client(action) => plugin::run(client, action, format),
        Plugin::Pack(pack) => pack::run(&pack, format),
        Plugin::Test(rehearsal) => test::run(&rehearsal, format),
    }
}
