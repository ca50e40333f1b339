//! `cargo xtask check`: what is quick enough to run after every change. It needs no built plugin, and no network once the
//! dependencies are downloaded.

use anyhow::Result;

use crate::run::{cargo, step, with_table};
use crate::test::{AROUND, HOST, runner};

/// Checks the format, runs the lints and the unit tests, with the profile `dev`.
///
/// # Errors
/// The first check that fails.
pub(crate) fn run() -> Result<()> {
    with_table(|| {
        step("formatting", &mut cargo(&["fmt", "--all", "--check"]))?;
        step("lints", &mut cargo(&["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"]))?;
        let unit = ["--lib", "--bins"];
        step("unit tests of the host", &mut cargo(&[runner("dev"), HOST, &unit].concat()))?;
        step("unit tests of the SDK and the chores", &mut cargo(&[runner("dev"), AROUND, &unit].concat()))
    })
}
