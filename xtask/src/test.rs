//! `cargo xtask test`: every check there is, the cheap ones first.

use std::process::{Command, Stdio};

use anyhow::Result;

use crate::run::{build_binary, cargo, step};
use crate::{demo, guests};

/// Runs every check; the first that fails ends it.
pub(crate) fn run() -> Result<()> {
    step("formatting", &mut cargo(&["fmt", "--all", "--check"]))?;
    guests::build(guests::Which::All)?;
    build_binary()?;
    let lints = ["clippy", "--release", "--workspace", "--all-targets", "--", "--deny", "warnings"];
    step("lints", &mut cargo(&lints))?;
    // Guests run in the host, not here; what can be tested of them natively is in the SDK.
    let hosted = ["--release", "--workspace", "--exclude", "hello", "--exclude", "render", "--exclude", "roster"];
    let hosted = [&hosted[..], &["--exclude", "hostile-guests"]].concat();
    let tests = if has_nextest() {
        ["nextest", "run", "--cargo-profile", "release"].as_slice()
    } else {
        &["test", "--release"]
    };
    let tests: Vec<&str> = tests.iter().chain(hosted.iter().skip(1)).copied().collect();
    step("tests", &mut cargo(&tests))?;
    step("examples in documents", &mut cargo(&["test", "--release", "--doc", "--package", "muster-sdk"]))?;
    demo::run(&demo::Demo { tour: true })
}

fn has_nextest() -> bool {
    let mut probe = Command::new("cargo-nextest");
    let probe = probe.args(["nextest", "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
    probe.status().is_ok_and(|status| status.success())
}
