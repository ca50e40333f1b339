//! `cargo xtask test`: every check there is, the cheap ones first.

use std::process::{Command, Stdio};

use anyhow::Result;

use crate::run::{build_binary, cargo, step};
use crate::{demo, dependencies, guests, interfaces, polyglot};

/// What the host is made of and tested with. One build with the binary: the same packages choose the same features.
const HOST: &[&str] = &[
    "--package=muster",
    "--package=muster-core",
    "--package=muster-audit",
    "--package=muster-issuer",
    "--package=muster-storage",
    "--package=muster-wasm",
    "--package=muster-builtin",
    "--package=muster-frontend",
    "--package=tests",
];
/// What is around it. Guests run in the host, not here; what can be tested of them natively is in the SDK.
const AROUND: &[&str] = &[
    "--package=muster-sdk",
    "--package=muster-sdk-macros",
    "--package=hostile-guests",
    "--package=xtask",
    "--lib",
    "--bins",
];

/// Runs every check; the first that fails ends it.
pub(crate) fn run() -> Result<()> {
    step("formatting", &mut cargo(&["fmt", "--all", "--check"]))?;
    dependencies::run()?;
    let components = guests::build(guests::Which::All)?;
    polyglot::all()?;
    interfaces::install()?;
    build_binary()?;
    guests::pack(&components)?;
    let lints = ["clippy", "--release", "--workspace", "--all-targets", "--", "--deny", "warnings"];
    step("lints", &mut cargo(&lints))?;
    tests("tests of the host", HOST)?;
    tests("tests of the SDK and the chores", AROUND)?;
    step("examples in documents", &mut cargo(&["test", "--release", "--doc", "--package", "muster-sdk"]))?;
    demo::run(&demo::Demo { tour: true })
}

fn tests(what: &str, packages: &[&str]) -> Result<()> {
    let runner: &[&str] =
        if has_nextest() { &["nextest", "run", "--cargo-profile", "release"] } else { &["test", "--release"] };
    step(what, &mut cargo(&[runner, packages].concat()))
}

fn has_nextest() -> bool {
    let mut probe = Command::new("cargo-nextest");
    let probe = probe.args(["nextest", "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
    probe.status().is_ok_and(|status| status.success())
}
