//! `cargo xtask test`: every check there is, the cheap ones first. What needs packages of Debian is in the tier `--peers`.

use std::process::{Command, Stdio};

use anyhow::Result;

use crate::interfaces::Needs;
use crate::run::{Profile, cargo, step, with_table};
use crate::{demo, dependencies, guests, interfaces, peers, polyglot};

/// What the host is made of. The end-to-end tests are added to them, never built alone: the same packages choose the same
/// features of their dependencies, so nothing is built twice.
pub(crate) const HOST: &[&str] = &[
    "--package=muster",
    "--package=muster-core",
    "--package=muster-audit",
    "--package=muster-issuer",
    "--package=muster-storage",
    "--package=muster-component",
    "--package=muster-cli",
    "--package=muster-wasm",
    "--package=muster-builtin",
    "--package=muster-frontend",
];
/// What is around it. Guests run in the host, not here; what can be tested of them natively is in the SDK.
pub(crate) const AROUND: &[&str] =
    &["--package=muster-sdk", "--package=muster-sdk-macros", "--package=hostile-guests", "--package=xtask"];

/// Which tests to run.
#[derive(Debug, clap::Args)]
pub(crate) struct Test {
    /// Also what needs packages of Debian: XMPP servers, a browser, shells, a C compiler for Wasm. Installs them
    #[arg(long)]
    peers: bool,
}

/// Runs every check; the first that fails ends it.
///
/// # Errors
/// The first check that fails.
pub(crate) fn run(test: &Test) -> Result<()> {
    with_table(|| checks(test))?;
    if !test.peers {
        eprintln!(
            "NOT run: tests that need packages of Debian. `cargo xtask test --peers` installs them and runs them."
        );
    }
    Ok(())
}

fn checks(test: &Test) -> Result<()> {
    let needs = if test.peers { Needs::Debian } else { Needs::NoDebian };
    step("formatting", &mut cargo(&["fmt", "--all", "--check"]))?;
    dependencies::run()?;
    let components = guests::build(guests::Which::All)?;
    polyglot::all(needs)?;
    interfaces::install(needs)?;
    Profile::Release.build()?;
    guests::pack(&components, &Profile::Release.binary())?;
    let lints = ["clippy", "--release", "--workspace", "--all-targets", "--", "--deny", "warnings"];
    step("lints", &mut cargo(&lints))?;
    let (with_tests, unit) = (&["--package=tests"][..], &["--lib", "--bins"][..]);
    step("unit tests of the host", &mut cargo(&[runner("release"), HOST, with_tests, unit].concat()))?;
    let skipped = if test.peers { vec![] } else { peers::skip() };
    let end_to_end = [runner("release"), HOST, with_tests, &["--test", "e2e"], &skipped].concat();
    step("end-to-end tests", &mut cargo(&end_to_end))?;
    step("unit tests of the SDK and the chores", &mut cargo(&[runner("release"), AROUND, unit].concat()))?;
    step("examples in documents", &mut cargo(&["test", "--release", "--doc", "--package", "muster-sdk"]))?;
    demo::run(&demo::Demo { tour: true })
}

/// The words that run tests with this profile: by nextest where it is installed, else by cargo.
pub(crate) fn runner(profile: &str) -> &'static [&'static str] {
    match (has_nextest(), profile) {
        (true, "release") => &["nextest", "run", "--cargo-profile", "release"],
        (true, _) => &["nextest", "run"],
        (false, "release") => &["test", "--release"],
        (false, _) => &["test"],
    }
}

fn has_nextest() -> bool {
    let mut probe = Command::new("cargo-nextest");
    let probe = probe.args(["nextest", "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
    probe.status().is_ok_and(|status| status.success())
}
