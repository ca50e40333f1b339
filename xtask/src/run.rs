//! Runs cargo and other programs, showing what is run and for how long.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

/// Beginnings of the variables that cargo sets for the program it runs, and that are not settings of the user. Build
/// scripts read some of them: a cargo that finds them set would build `ring` and all that depends on it again.
const SET_BY_CARGO: [&str; 5] = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CFG_", "CARGO_FEATURE_"];
/// The same, as whole names.
const SET_BY_CARGO_EXACTLY: [&str; 4] = ["CARGO", "CARGO_CRATE_NAME", "CARGO_PRIMARY_PACKAGE", "OUT_DIR"];

/// The steps so far, with their time.
static STEPS: Mutex<Vec<Step>> = Mutex::new(Vec::new());

/// A step that ended.
#[derive(Debug)]
struct Step {
    what: String,
    took: Duration,
    failed: bool,
}

/// How the host is compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// As it ships.
    Release,
    /// As unit tests use it: compiled quickly.
    Dev,
}

impl Profile {
    /// The host's binary, once it is built.
    pub(crate) fn binary(self) -> PathBuf {
        let folder = match self {
            Self::Release => "release",
            Self::Dev => "debug",
        };
        root().join("target").join(folder).join("muster")
    }

    /// Builds the host's binary.
    ///
    /// # Errors
    /// When it does not compile.
    pub(crate) fn build(self) -> Result<()> {
        let build: &[&str] = match self {
            Self::Release => &["build", "--release", "--package", "muster"],
            Self::Dev => &["build", "--package", "muster"],
        };
        step("building the host (minutes when nothing is built yet)", &mut cargo(build))
    }
}

/// The repository.
pub(crate) fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).into()
}

/// `cargo` in the repository.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut cargo = Command::new("cargo");
    cargo.args(arguments).current_dir(root());
    without_variables_of_cargo(&mut cargo);
    cargo
}

/// Keeps from a program what cargo set for this one, and what would put results where no chore looks for them.
pub(crate) fn without_variables_of_cargo(command: &mut Command) {
    command.env_remove("CARGO_TARGET_DIR").env_remove("CARGO_BUILD_TARGET_DIR");
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(is_set_by_cargo) {
            command.env_remove(&name);
        }
    }
}

fn is_set_by_cargo(name: &str) -> bool {
    SET_BY_CARGO_EXACTLY.contains(&name) || SET_BY_CARGO.iter().any(|beginning| name.starts_with(beginning))
}

/// Runs one step to its end.
///
/// # Errors
/// When the program cannot be started or fails.
pub(crate) fn step(what: &str, command: &mut Command) -> Result<()> {
    eprintln!("\n== {what}");
    let started = Instant::now();
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command.status().with_context(|| format!("`{program}` cannot be started; is it installed?"));
    let took = started.elapsed();
    let failed = !status.as_ref().is_ok_and(std::process::ExitStatus::success);
    STEPS.lock().unwrap_or_else(PoisonError::into_inner).push(Step { what: what.to_owned(), took, failed });
    let status = status?;
    ensure!(status.success(), "failed: {what} ({status})");
    eprintln!("== done in {:.1} s", took.as_secs_f64());
    Ok(())
}

/// Runs a chore of several steps, and shows a table of them with their times at its end, whether it failed or not.
///
/// # Errors
/// Those of the chore.
pub(crate) fn with_table(chore: impl FnOnce() -> Result<()>) -> Result<()> {
    let started = Instant::now();
    let result = chore();
    let steps = STEPS.lock().unwrap_or_else(PoisonError::into_inner);
    eprintln!("\n{}", table(&steps, started.elapsed()));
    result
}

/// A line for each step, and one for all of them: what is between the steps counts there.
fn table(steps: &[Step], total: Duration) -> String {
    let line = |took: Duration, what: &str| format!("{:8.1} s  {what}\n", took.as_secs_f64());
    let mut lines = String::from("== time of each step\n");
    for step in steps {
        let failed = if step.failed { ": FAILED" } else { "" };
        lines.push_str(&line(step.took, &format!("{}{failed}", step.what)));
    }
    lines.push_str(&line(total, "in total"));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cargo_sets_is_told_from_what_users_set() {
        for name in ["CARGO", "CARGO_MANIFEST_DIR", "CARGO_MANIFEST_PATH", "CARGO_PKG_VERSION_MAJOR", "CARGO_PKG_NAME"]
        {
            assert!(is_set_by_cargo(name), "{name}");
        }
        for name in
            ["CARGO_HOME", "CARGO_INCREMENTAL", "CARGO_NET_OFFLINE", "CARGO_PROFILE_DEV_DEBUG", "CARGO_TERM_COLOR"]
        {
            assert!(!is_set_by_cargo(name), "{name}");
        }
    }

    /// These tests are run by cargo, so cargo's variables are there.
    #[test]
    fn no_variable_that_cargo_set_reaches_the_cargo_of_a_chore() {
        assert!(env::var_os("CARGO_PKG_NAME").is_some(), "run the tests by cargo");
        let cargo = cargo(&["--version"]);
        for name in ["CARGO", "CARGO_MANIFEST_DIR", "CARGO_PKG_NAME", "CARGO_PKG_VERSION", "CARGO_TARGET_DIR"] {
            let removed = cargo.get_envs().any(|(own, value)| own == name && value.is_none());
            assert!(removed || env::var_os(name).is_none(), "{name}");
        }
    }

    #[test]
    fn a_table_has_each_step_and_the_total() {
        let step = |what: &str, ms, failed| Step { what: what.to_owned(), took: Duration::from_millis(ms), failed };
        let steps = [step("formatting", 640, false), step("lints", 15_260, true)];
        let expected =
            "== time of each step\n     0.6 s  formatting\n    15.3 s  lints: FAILED\n    16.0 s  in total\n";
        assert_eq!(table(&steps, Duration::from_secs(16)), expected);
    }
}
