//! `cargo xtask bench`: builds what is measured and starts the bench, which lies with the tests.

use anyhow::Result;

use crate::guests;
use crate::run::{Profile, cargo, step};

/// How to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Bench {
    /// Short rounds: enough to see a large change
    #[arg(long)]
    quick: bool,
    /// One JSON object per line and result
    #[arg(long)]
    json: bool,
    /// Only the good command beside bad neighbours
    #[arg(long, conflicts_with = "only")]
    neighbours: bool,
    /// Only this candidate, for as long, beside nothing: for a profiler, which is told the process of each host
    #[arg(long, value_name = "CANDIDATE")]
    only: Option<String>,
}

/// Runs the bench.
pub(crate) fn run(bench: &Bench) -> Result<()> {
    guests::build(guests::Which::Plugins)?;
    Profile::Release.build()?;
    let mut arguments = vec!["run", "--quiet", "--release", "--package", "tests", "--bin", "bench", "--"];
    arguments.extend(bench.quick.then_some("--quick"));
    arguments.extend(bench.json.then_some("--json"));
    arguments.extend(bench.neighbours.then_some("--neighbours"));
    arguments.extend(bench.only.as_deref().into_iter().flat_map(|only| ["--only", only]));
    step("measuring", &mut cargo(&arguments))
}
