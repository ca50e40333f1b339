//! Tools of others that chores and tests use, installed below `target/tools`, or from the system's packages. What is there
//! already is used.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::guests::toolchain::root_prefix;
use crate::run::{cargo, root, step};

/// How often an installation is tried: registries are now and then busy.
const TRIES: u32 = 3;
/// In each folder: what is installed in it.
const INSTALLED: &str = "installed";

/// Where they are.
pub(crate) fn folder() -> PathBuf {
    root().join("target/tools")
}

/// Installs packages of Debian, each given with a file that shows it is there.
///
/// # Errors
/// When they are missing and cannot be installed, with the command that does.
pub(crate) fn debian(what: &str, packages: &[(&str, &str)]) -> Result<()> {
    let missing: Vec<&str> =
        packages.iter().filter(|(_, file)| !Path::new(file).exists()).map(|(package, _)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let prefix = root_prefix().with_context(|| {
        format!("{what} is missing: run `sudo apt-get install {}`, and start again", missing.join(" "))
    })?;
    let install = [&["apt-get", "install", "--yes", "--no-install-recommends"][..], &missing].concat();
    retried(&format!("installing {what}"), || system(prefix, &install), || system(prefix, &["apt-get", "update"]))
}

/// As [`debian`], for packages that bring services, which are not started: tests start their own.
///
/// # Errors
/// As [`debian`].
pub(crate) fn debian_without_services(what: &str, packages: &[(&str, &str)]) -> Result<()> {
    if Path::new("/run/systemd/system").exists()
        && let Some(prefix) = root_prefix()
    {
        for (package, _) in packages.iter().filter(|(_, file)| !Path::new(file).exists()) {
            // What is masked is installed and stays stopped.
            let _ = system(prefix, &["systemctl", "mask", package]).status();
        }
    }
    debian(what, packages)
}

/// A virtual environment with packages of Python, each with its version; gives its folder.
///
/// # Errors
/// When it cannot be made, or the packages cannot be installed.
pub(crate) fn python(name: &str, packages: &[&str]) -> Result<PathBuf> {
    let environment = folder().join(name);
    if is_installed(&environment, packages) {
        return Ok(environment);
    }
    let mut venv = Command::new("python3");
    let venv = venv.args(["-m", "venv", "--clear"]).arg(&environment);
    step("an environment for Python (needs Python 3.10 or later, with venv)", venv)?;
    let install = || {
        let mut pip = Command::new(environment.join("bin/pip"));
        pip.args(["install", "--quiet"]).args(packages);
        pip
    };
    retried(&format!("installing {}", packages.join(", ")), install, || Command::new("true"))?;
    note_installed(&environment, packages)?;
    Ok(environment)
}

/// A program that extends cargo: the one that is installed, else the one of a package of Python. It is compiled, which
/// takes minutes, only where that package has none for this machine.
///
/// # Errors
/// When it cannot be installed in either way.
pub(crate) fn program(name: &str, package: &str, version: &str) -> Result<PathBuf> {
    let installed = Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if installed.is_ok_and(|status| status.success()) {
        return Ok(name.into());
    }
    let compiled = folder().join("bin").join(name);
    if compiled.exists() {
        return Ok(compiled);
    }
    match python(name, &[&format!("{package}=={version}")]) {
        Ok(environment) => Ok(environment.join("bin").join(name)),
        Err(why) => {
            eprintln!("\n== {name} is compiled, since its package cannot be installed: {why:#}");
            let install = ["install", "--locked", "--version", version, name, "--root"];
            step(&format!("compiling {name} (minutes, once)"), cargo(&install).arg(folder()))?;
            Ok(compiled)
        }
    }
}

/// A folder with packages of npm, each with its version; gives its `node_modules`.
///
/// # Errors
/// When they cannot be installed.
pub(crate) fn npm(name: &str, packages: &[&str]) -> Result<PathBuf> {
    let folder = folder().join(name);
    let modules = folder.join("node_modules");
    if is_installed(&folder, packages) {
        return Ok(modules);
    }
    fs::create_dir_all(&folder)?;
    let install = || {
        let mut npm = Command::new("npm");
        // None of them may run what it likes while it is installed.
        npm.args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"]).arg(&folder).args(packages);
        npm
    };
    let what = format!("installing {} (needs Node.js 20 or later, with npm)", packages.join(", "));
    retried(&what, install, || Command::new("true"))?;
    note_installed(&folder, packages)?;
    Ok(modules)
}

fn is_installed(folder: &Path, packages: &[&str]) -> bool {
    fs::read_to_string(folder.join(INSTALLED)).is_ok_and(|text| text.lines().eq(packages.iter().copied()))
}

fn note_installed(folder: &Path, packages: &[&str]) -> Result<()> {
    Ok(fs::write(folder.join(INSTALLED), packages.join("\n"))?)
}

fn system(prefix: &[&str], words: &[&str]) -> Command {
    let words = [prefix, words].concat();
    let (program, arguments) = words.split_first().unwrap_or((&"true", &[]));
    let mut command = Command::new(program);
    command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
    command
}

/// Tries a step some times, with `between` before the next time.
fn retried(what: &str, command: impl Fn() -> Command, between: impl Fn() -> Command) -> Result<()> {
    for attempt in 1..TRIES {
        if step(what, &mut command()).is_ok() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_secs(u64::from(5 * attempt)));
        let _ = between().status();
    }
    step(what, &mut command()).with_context(|| format!("{what} failed {TRIES} times; is the network there?"))
}
