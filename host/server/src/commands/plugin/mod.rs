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
    /// Put into a component what it asks for, reads and offers, so that it can be looked at without running it
    Pack(pack::Pack),
    /// Run a plugin's examples without a host, and find out whether anything leaks from call to call
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
