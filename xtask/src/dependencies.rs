//! `cargo xtask dependencies`: licences, sources and bans by `.cargo/deny.toml`, and known vulnerabilities where their
//! database can be had.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::Result;

use crate::run::{cargo, root, step};

/// What is installed where it is missing.
const VERSION: &str = "0.20.2";

/// Holds every dependency against the rules.
///
/// # Errors
/// When one breaks them, or has a known vulnerability.
pub(crate) fn run() -> Result<()> {
    let tool = tool()?;
    let deny = |words: &[&str]| {
        let mut deny = Command::new(&tool);
        // The words of `check` come after its own options, and the level of its own log before.
        deny.args(["--log-level", "error", "--all-features"]).args(words).current_dir(root());
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

/// cargo-deny: the one that is installed, or one below `target/tools`.
fn tool() -> Result<PathBuf> {
    let installed = Command::new("cargo-deny").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if installed.is_ok_and(|status| status.success()) {
        return Ok("cargo-deny".into());
    }
    let tools = root().join("target/tools");
    let tool = tools.join("bin/cargo-deny");
    if !tool.exists() {
        let install = ["install", "--locked", "--version", VERSION, "cargo-deny", "--root"];
        step("installing cargo-deny (minutes, once)", cargo(&install).arg(&tools))?;
    }
    Ok(tool)
}
