//! Runs cargo and other programs, showing what is run and for how long.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

/// The repository.
pub(crate) fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).into()
}

/// The shipped binary, once it is built.
pub(crate) fn binary() -> PathBuf {
    root().join("target/release/muster")
}

/// Builds the shipped binary.
pub(crate) fn build_binary() -> Result<()> {
    step(
        "building the host (minutes when nothing is built yet)",
        &mut cargo(&["build", "--release", "--package", "muster"]),
    )
}

/// `cargo` in the repository.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut cargo = Command::new("cargo");
    cargo.args(arguments).current_dir(root());
    // What cargo set for the running chore is not meant for the cargo it starts.
    for variable in ["CARGO_MANIFEST_DIR", "CARGO_PKG_NAME", "CARGO_TARGET_DIR"] {
        cargo.env_remove(variable);
    }
    cargo
}

/// Runs one step to its end.
pub(crate) fn step(what: &str, command: &mut Command) -> Result<()> {
    eprintln!("\n== {what}");
    let started = Instant::now();
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command.status().with_context(|| format!("`{program}` cannot be started"))?;
    ensure!(status.success(), "failed: {what} ({status})");
    eprintln!("== done in {:.1} s", started.elapsed().as_secs_f64());
    Ok(())
}
