//! A host with the sample plugins and two accounts, in a data directory of its own below `target`: what `demo` and `run`
//! start.
#![expect(clippy::print_stdout, reason = "it shows what it runs, as a person would type it")]

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::guests;
use crate::run::{Profile, root};

/// Where the host serves.
pub(crate) const ADDRESS: &str = "127.0.0.1:5280";
const CONFIG: &str = "\
# Who may do what on this host.
acl:
  admin: {user: admin@localhost}
api_permissions:
  administrators: {who: admin, what: '*'}
  accounts: {who: {server: localhost}, what: [hello, '[plugin:render]']}
";

/// A running host; it ends with this value.
#[derive(Debug)]
pub(crate) struct SampleHost {
    child: Child,
    binary: PathBuf,
    data: PathBuf,
    /// What was built for it.
    components: Vec<PathBuf>,
    /// The password of `admin@localhost`.
    pub(crate) admin: String,
    /// The password of `ann@localhost`.
    pub(crate) ann: String,
}

impl SampleHost {
    /// Builds the host with this profile and the plugins, empties `target/NAME`, and starts the host there.
    ///
    /// # Errors
    /// When something does not build, or the host does not start.
    pub(crate) fn start(profile: Profile, name: &str) -> Result<Self> {
        let components = guests::build(guests::Which::Demo)?;
        profile.build()?;
        let binary = profile.binary();
        guests::pack(&components, &binary)?;
        let data = root().join("target").join(name);
        // Each one begins with an empty host: no one keeps data here.
        if data.exists() {
            std::fs::remove_dir_all(&data).with_context(|| format!("cannot empty {}", data.display()))?;
        }
        std::fs::create_dir_all(&data)?;
        std::fs::write(data.join("muster.yaml"), CONFIG)?;
        let child = serve(&binary, &data)?;
        println!("\nThe host serves http://{ADDRESS}; its state and its log are in {}", shown(&data));
        let host = Self { child, binary, data, components, admin: random_password()?, ann: random_password()? };
        host.add_accounts_and_plugins()?;
        Ok(host)
    }

    fn add_accounts_and_plugins(&self) -> Result<()> {
        self.cli(&["account", "add", "admin@localhost", "--password-stdin"], &self.admin)?;
        self.cli(&["account", "add", "ann@localhost", "--password-stdin"], &self.ann)?;
        self.cli(&["plugin", "install", &self.component("hello")?], "")?;
        self.cli(&["plugin", "install", &self.component("render")?], "")?;
        self.cli(&["plugin", "install", &self.component("roster")?, "--grant-requested"], "")?;
        println!(
            "\nAccounts: admin@localhost with password {}, and ann@localhost with password {}",
            self.admin, self.ann
        );
        Ok(())
    }

    /// The file of a built component.
    ///
    /// # Errors
    /// When it was not built.
    pub(crate) fn component(&self, name: &str) -> Result<String> {
        let found = self.components.iter().find(|file| file.file_stem().is_some_and(|stem| stem == name));
        found.map(|file| file.display().to_string()).with_context(|| format!("{name}.wasm was not built"))
    }

    /// Runs the command line against the host, showing what is run and what it prints.
    ///
    /// # Errors
    /// When the command fails.
    pub(crate) fn cli(&self, words: &[&str], input: &str) -> Result<()> {
        let line: Vec<String> = words.iter().map(|word| shown(Path::new(word))).collect();
        println!("\n$ muster {}", line.join(" "));
        let mut command = Command::new(&self.binary);
        command.arg("--data").arg(&self.data).args(words).stdin(Stdio::piped());
        let mut child = command.spawn()?;
        child.stdin.take().context("no input")?.write_all(input.as_bytes())?;
        let status = child.wait()?;
        ensure!(status.success(), "`muster {}` ended with {status}", words.join(" "));
        Ok(())
    }

    /// Says how to speak to the host, and serves until the host ends: with Ctrl-C, most often.
    ///
    /// # Errors
    /// When the host fails.
    pub(crate) fn serve_on(mut self) -> Result<()> {
        println!("\nThe host keeps serving; end it with Ctrl-C. In another terminal:");
        println!("  {} --data {} help", shown(&self.binary), shown(&self.data));
        let status = self.child.wait()?;
        ensure!(status.success(), "the host ended with {status}");
        Ok(())
    }

    /// Stops the host by its own command, and waits for its end.
    ///
    /// # Errors
    /// When the command fails.
    pub(crate) fn stop(mut self) -> Result<()> {
        self.cli(&["call", "stop"], "")?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for SampleHost {
    fn drop(&mut self) {
        // Already ended in most cases; otherwise the chore failed, and leaves nothing running.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts the binary and waits until it is ready.
fn serve(binary: &Path, data: &Path) -> Result<Child> {
    let log = std::fs::File::create(data.join("log"))?;
    let mut serve = Command::new(binary);
    serve.arg("--data").arg(data).args(["serve", "--listen", ADDRESS]).stdout(Stdio::piped()).stderr(log);
    let mut child = serve.spawn().context("the host cannot be started")?;
    let output = child.stdout.take().context("the host has no output")?;
    let mut ready = String::new();
    BufReader::new(output).read_line(&mut ready)?;
    if ready.starts_with("ready") {
        return Ok(child);
    }
    let _ = child.kill();
    child.wait()?;
    bail!("the host did not start: {}", std::fs::read_to_string(data.join("log"))?)
}

/// A path as it is written in the repository.
fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

/// 96 random bits in letters that are easily copied.
fn random_password() -> Result<String> {
    let mut bytes = [0_u8; 12];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    let number = bytes.iter().fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
    Ok(format!("{number:024x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_long_and_never_the_same() {
        let (one, other) = (random_password().unwrap(), random_password().unwrap());
        assert!(one.len() == 24 && one != other, "{one} {other}");
    }

    #[test]
    fn a_path_is_shown_from_the_repository() {
        assert_eq!(shown(&root().join("target/demo")), "target/demo");
        assert_eq!(shown(Path::new("/elsewhere")), "/elsewhere");
    }
}
