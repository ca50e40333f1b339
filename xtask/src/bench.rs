//! `cargo xtask bench`: builds what is measured and starts the bench, which lies with the tests.

use anyhow::Result;

use crate::guests;
use crate::run::{build_binary, cargo, step};

/// How to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Bench {
    /// Short rounds: enough to see a large change
    #[arg(long)]
    quick: bool,
    /// One JSON object per line and result
    #[arg(long)]
    json: bool,
}

/// Runs the bench.
pub(crate) fn run(bench: &Bench) -> Result<()> {
    guests::build(guests::Which::Plugins)?;
    build_binary()?;
    let mut arguments = vec!["run", "--quiet", "--release", "--package", "tests", "--bin", "bench", "--", "run"];
    arguments.extend(bench.quick.then_some("--quick"));
    arguments.extend(bench.json.then_some("--json"));
    step("measuring", &mut cargo(&arguments))
}
