//! Finds what compiles Rust to Wasm, or installs it.
//!
//! The usual way is rustup's prebuilt standard library. Where rustup has none, Debian's and Ubuntu's packages have
//! everything needed to build one: a compiler with its library's sources, the C library and the linker.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::run::without_variables_of_cargo;

/// What the guests are compiled for. Its allocator serves from the memory a guest starts with before it asks for more.
pub(crate) const TARGET: &str = "wasm32-wasip2";
/// What older toolchains compile for: the host makes components of its core modules.
pub(crate) const OLDER_TARGET: &str = "wasm32-wasip1";

/// Debian's names; each has a file that shows it is there.
const PACKAGES: [(&str, &str); 5] = [
    ("rustc-web", "/usr/bin/rustc"),
    ("rust-web-src", "/usr/lib/rustlib/src/rust/library"),
    ("cargo-web", "/usr/bin/cargo"),
    ("lld-19", WASM_LD),
    ("wasi-libc", "/usr/lib/wasm32-wasi/crt1-reactor.o"),
];
const WASI_LIBC: &str = "/usr/lib/wasm32-wasi";
const LINKER: &str = "wasm-component-ld";
const WASM_LD: &str = "/usr/bin/wasm-ld-19";

/// A cargo that can build for [`TARGET`] and [`OLDER_TARGET`].
#[derive(Debug)]
pub(crate) enum Toolchain {
    /// The user's own.
    Installed,
    /// Debian's, with this linker.
    System { linker: PathBuf },
}

impl Toolchain {
    /// The user's toolchain if it has or gets the targets, else the system's.
    ///
    /// # Errors
    ///
    /// With the command to run, where nothing could be installed.
    pub(crate) fn find_or_install(root: &Path, targets: &[&str]) -> Result<Self> {
        let is_there = |target: &&str| has_target(target) || (rustup_adds_target(target) && has_target(target));
        if targets.iter().all(is_there) {
            return Ok(Self::Installed);
        }
        install_packages()?;
        Ok(Self::System { linker: install_linker(root)? })
    }

    /// `cargo`, to be run in the repository.
    pub(crate) fn cargo(&self, root: &Path) -> Command {
        let mut cargo = match self {
            Self::Installed => Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into())),
            Self::System { linker } => system_cargo(linker),
        };
        // Flags meant for the host would replace those the guests need, which are in .cargo/config.toml.
        without_variables_of_cargo(&mut cargo);
        cargo.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS").current_dir(root);
        cargo
    }
}

fn system_cargo(linker: &Path) -> Command {
    let mut cargo = Command::new("/usr/bin/cargo");
    let mut path = std::ffi::OsString::from("/usr/bin");
    if let Some(rest) = env::var_os("PATH") {
        path.push(":");
        path.push(rest);
    }
    cargo.env("PATH", path);
    // What the cargo that runs this program says about itself is not true of the other one.
    for name in ["CARGO", "LD_LIBRARY_PATH", "RUSTC", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "RUSTUP_TOOLCHAIN"] {
        cargo.env_remove(name);
    }
    // The standard library is not stable to build, but it is the compiler's own.
    cargo.env("RUSTC_BOOTSTRAP", "1").env("CARGO_UNSTABLE_BUILD_STD", "std,panic_abort");
    let common = [
        "-Clink-self-contained=no".to_owned(),
        format!("-Lnative={WASI_LIBC}"),
        // The start file that runs constructors.
        format!("-Clink-arg={WASI_LIBC}/crt1-reactor.o"),
    ];
    let component = [&common[..], &[format!("-Clink-arg=--wasm-ld-path={WASM_LD}")]].concat();
    let linker = linker.display().to_string();
    for (target, flags, linker) in [(TARGET, &component[..], linker.as_str()), (OLDER_TARGET, &common[..], WASM_LD)] {
        // Given this way, flags are added to those of .cargo/config.toml; in the environment they would replace them.
        cargo.arg("--config").arg(format!("target.{target}.rustflags={flags:?}"));
        cargo.arg("--config").arg(format!("target.{target}.linker={linker:?}"));
    }
    cargo
}

/// Whether the compiler has a standard library for the target.
fn has_target(target: &str) -> bool {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).args(["--print", "target-libdir", "--target", target]).output();
    let Ok(output) = output else { return false };
    let folder = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    fs::read_dir(folder).is_ok_and(|entries| {
        entries.filter_map(Result::ok).any(|entry| entry.file_name().to_string_lossy().starts_with("libstd-"))
    })
}

fn rustup_adds_target(target: &str) -> bool {
    let found = Command::new("rustup").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !found.is_ok_and(|status| status.success()) {
        return false;
    }
    eprintln!("installing the standard library for {target} with rustup");
    Command::new("rustup").args(["target", "add", target]).status().is_ok_and(|status| status.success())
}

fn install_packages() -> Result<()> {
    let missing: Vec<&str> =
        PACKAGES.iter().filter(|(_, file)| !Path::new(file).exists()).map(|(package, _)| *package).collect();
    if missing.is_empty() {
        eprintln!("building the standard library for {TARGET} from the system's sources");
        return Ok(());
    }
    let install = format!("apt-get install --yes --no-install-recommends {}", missing.join(" "));
    if !Path::new("/usr/bin/apt-get").exists() {
        bail!("the Rust target {TARGET} is missing: run `rustup target add {TARGET}`");
    }
    let Some(prefix) = root_prefix() else {
        bail!(
            "the Rust target {TARGET} is missing: run `rustup target add {TARGET}`, or `sudo {install}`, and start again"
        );
    };
    eprintln!("installing {} with apt-get", missing.join(", "));
    let run = |line: &str| {
        let words = prefix.iter().copied().chain(line.split(' '));
        let words: Vec<&str> = words.collect();
        let [program, arguments @ ..] = words.as_slice() else { return false };
        let status = Command::new(program).args(arguments).env("DEBIAN_FRONTEND", "noninteractive").status();
        status.is_ok_and(|status| status.success())
    };
    // A fresh machine knows no packages until it is told to look.
    let done = run(&install) || (run("apt-get update") && run(&install));
    ensure!(done, "the Rust target {TARGET} is missing, and `{install}` failed");
    Ok(())
}

/// What goes before a command that needs root: nothing, or sudo where it asks no password.
pub(crate) fn root_prefix() -> Option<&'static [&'static str]> {
    let output = Command::new("id").arg("-u").output().ok()?;
    if String::from_utf8_lossy(&output.stdout).trim() == "0" {
        return Some(&[]);
    }
    let sudo = Command::new("sudo").args(["-n", "true"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    sudo.is_ok_and(|status| status.success()).then_some(&["sudo", "-n", "--preserve-env=DEBIAN_FRONTEND"])
}

/// The linker that makes components; rustup's toolchains bring their own.
fn install_linker(root: &Path) -> Result<PathBuf> {
    let tools = root.join("target/tools");
    let linker = tools.join("bin").join(LINKER);
    if linker.exists() {
        return Ok(linker);
    }
    eprintln!("building {LINKER} (once, about two minutes)");
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut install = Command::new(cargo);
    install.args(["install", LINKER, "--locked", "--root"]).arg(&tools);
    without_variables_of_cargo(&mut install);
    let status = install.status().context("cannot run cargo")?;
    ensure!(status.success(), "{LINKER} cannot be built: `cargo install {LINKER} --locked` says why");
    Ok(linker)
}
