//! The project's chores, as `cargo xtask CHORE`: what takes more than one command of a standard tool.

#![expect(clippy::print_stderr, reason = "a chore tells its user what it is doing")]

mod bench;
mod check;
mod demo;
mod dependencies;
mod fuzz;
mod guests;
mod interfaces;
mod peers;
mod polyglot;
mod run;
mod samples;
mod serve;
mod test;
mod tools;

use anyhow::Result;
use clap::Parser;

/// The project's chores.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", disable_help_subcommand = true)]
enum Chore {
    /// Build everything, start a host with the sample plugins, and walk through real calls
    Demo(demo::Demo),
    /// Check what is quick to check: format, lints, unit tests
    Check,
    /// Run every check there is
    Test(test::Test),
    /// Run a host with the sample plugins in the foreground
    Run(serve::Serve),
    /// Measure the host against a bare HTTP handler
    Bench(bench::Bench),
    /// Check licences and sources of every dependency, and known vulnerabilities
    Dependencies,
    /// Run the fuzz targets, each for a while
    Fuzz(fuzz::Fuzz),
    /// Build the plugins as WebAssembly components, into target/components
    Guests {
        /// Build the hostile guests of tests/guests too
        #[arg(long)]
        all: bool,
    },
    /// Build the sample of tests/polyglot in C, JavaScript and Python, installing what that takes below target/tools
    Polyglot(polyglot::Polyglot),
    /// Install the programs of others that the end-to-end tests of interfaces use, below target/tools/interfaces
    Interfaces,
}

fn main() -> Result<()> {
    match Chore::parse() {
        Chore::Demo(demo) => demo::run(&demo)?,
        Chore::Check => check::run()?,
        Chore::Test(test) => test::run(&test)?,
        Chore::Run(serve) => serve::run(&serve)?,
        Chore::Bench(bench) => bench::run(&bench)?,
        Chore::Dependencies => dependencies::run()?,
        Chore::Fuzz(fuzz) => fuzz::run(&fuzz)?,
        Chore::Interfaces => interfaces::install(interfaces::Needs::Debian)?,
        Chore::Polyglot(polyglot) => polyglot::run(&polyglot)?,
        Chore::Guests { all } => {
            let which = if all { guests::Which::All } else { guests::Which::Plugins };
            guests::build(which)?;
        }
    }
    Ok(())
}
