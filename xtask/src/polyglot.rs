//! `cargo xtask polyglot`: the sample of `tests/polyglot` in every language, as components in `target/components`. What a
//! language needs is installed below `target/tools`, or from the system's packages for C; what is there already is used.
//! Rust is built with the other guests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};

use crate::guests::toolchain::root_prefix;
use crate::run::{cargo, root, step};

const COMPONENTIZE_QJS: &str = "componentize-qjs@0.4.5";
const COMPONENTIZE_PY: &str = "componentize-py==0.25.1";
/// Debian's packages for C, each with a file that shows it is there.
const C_PACKAGES: [(&str, &str); 4] = [
    ("clang-19", "/usr/bin/clang-19"),
    ("lld-19", "/usr/bin/wasm-ld-19"),
    ("wasi-libc", "/usr/lib/wasm32-wasi/crt1-reactor.o"),
    ("libclang-rt-19-dev-wasm32", "/usr/lib/llvm-19/lib/clang/19/lib/wasi/libclang_rt.builtins-wasm32.a"),
];
/// How often an installation is tried: registries are now and then busy.
const TRIES: u32 = 3;

/// Which languages.
#[derive(Args, Debug)]
pub(crate) struct Polyglot {
    /// Only this language
    #[arg(long)]
    lang: Option<Language>,
}

/// The languages beside Rust.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Language {
    C,
    Javascript,
    Python,
}

/// Builds every language.
pub(crate) fn all() -> Result<()> {
    run(&Polyglot { lang: None })
}

/// Builds what is out of date.
///
/// # Errors
/// When a toolchain cannot be installed, with what to do; when a sample does not build.
pub(crate) fn run(polyglot: &Polyglot) -> Result<()> {
    fs::create_dir_all(root().join("target/components"))?;
    match polyglot.lang {
        Some(Language::C) => c(),
        Some(Language::Javascript) => javascript(),
        Some(Language::Python) => python(),
        None => c().and_then(|()| javascript()).and_then(|()| python()),
    }
}

fn c() -> Result<()> {
    let (sources, component) = (source("c"), component("polyglot_c"));
    if is_fresh(&component, &[&sources, &root().join("wit")])? {
        return Ok(());
    }
    let missing: Vec<&str> =
        C_PACKAGES.iter().filter(|(_, file)| !Path::new(file).exists()).map(|(package, _)| *package).collect();
    if !missing.is_empty() {
        let prefix = root_prefix().with_context(|| {
            format!("C for Wasm is missing: run `sudo apt-get install {}`, and start again", missing.join(" "))
        })?;
        let install = [&["apt-get", "install", "--yes", "--no-install-recommends"][..], &missing].concat();
        retried("installing clang for Wasm", || system(prefix, &install), || system(prefix, &["apt-get", "update"]))?;
    }
    let bindings = tools().join("c");
    step(
        "bindings for C",
        cargo(&["run", "--quiet", "--release", "--locked", "--manifest-path", "tests/polyglot/bindings/Cargo.toml"])
            .arg("--target-dir")
            .arg(tools().join("build"))
            .args(["--", "wit", "plugin"])
            .arg(&bindings),
    )?;
    let mut clang = Command::new("clang-19");
    clang.args(["--target=wasm32-wasi", "-Os", "-Wall", "-mexec-model=reactor", "-Wl,--strip-all", "-I"]);
    clang.arg(&bindings).arg("-o").arg(&component).arg(sources.join("app.c"));
    clang.args(["plugin.c", "plugin_component_type.o"].map(|file| bindings.join(file)));
    // A core module: the host makes a component of it.
    step("the sample in C", &mut clang)
}

fn javascript() -> Result<()> {
    let (sources, component) = (source("javascript"), component("polyglot_javascript"));
    if is_fresh(&component, &[&sources, &root().join("wit")])? {
        return Ok(());
    }
    let folder = tools().join("npm");
    let tool = folder.join("node_modules/.bin/componentize-qjs");
    if !tool.exists() {
        fs::create_dir_all(&folder)?;
        let install = || {
            let mut npm = Command::new("npm");
            npm.args(["install", "--no-audit", "--no-fund", "--prefix"]).arg(&folder).arg(COMPONENTIZE_QJS);
            npm
        };
        retried("installing componentize-qjs (needs Node.js 20 or later, with npm)", install, || Command::new("true"))?;
    }
    let mut build = Command::new(tool);
    build.arg("--wit").arg(root().join("wit")).arg("--js").arg(sources.join("plugin.js"));
    build.args(["-n", "plugin", "--sync", "--opt-size", "-o"]).arg(&component);
    step("the sample in JavaScript", &mut build)
}

fn python() -> Result<()> {
    let contract = (source("python"), root().join("wit"), "plugin", component("polyglot_python"));
    let typed = source("python-typed");
    let typed = (typed.clone(), typed.join("typed.wit"), "typed", component("polyglot_python_typed"));
    for (sources, wit, world, component) in [contract, typed] {
        if is_fresh(&component, &[&sources, &wit])? {
            continue;
        }
        let environment = python_environment()?;
        let mut build = Command::new(environment.join("bin/componentize-py"));
        // It takes along what lies in the environment it is told of: this one has nothing but itself.
        build.env("VIRTUAL_ENV", &environment).current_dir(&sources).arg("-d").arg(wit).args(["-w", world]);
        step("the sample in Python", build.args(["componentize", "app", "-o"]).arg(&component))?;
    }
    Ok(())
}

fn python_environment() -> Result<PathBuf> {
    let environment = tools().join("python");
    if !environment.join("bin/componentize-py").exists() {
        let mut venv = Command::new("python3");
        let venv = venv.args(["-m", "venv"]).arg(&environment);
        step("an environment for Python (needs Python 3.10 or later, with venv)", venv)?;
        let install = || {
            let mut pip = Command::new(environment.join("bin/pip"));
            pip.args(["install", "--quiet", COMPONENTIZE_PY]);
            pip
        };
        retried("installing componentize-py", install, || Command::new("true"))?;
    }
    Ok(environment)
}

fn source(language: &str) -> PathBuf {
    root().join("tests/polyglot").join(language)
}

fn component(name: &str) -> PathBuf {
    root().join("target/components").join(format!("{name}.wasm"))
}

fn tools() -> PathBuf {
    root().join("target/tools")
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

/// Whether the component is younger than everything it is made of.
fn is_fresh(component: &Path, sources: &[&Path]) -> Result<bool> {
    let Ok(built) = component.metadata().and_then(|metadata| metadata.modified()) else { return Ok(false) };
    for source in sources {
        if youngest(source)? > built {
            return Ok(false);
        }
    }
    Ok(true)
}

fn youngest(path: &Path) -> Result<SystemTime> {
    let metadata = path.metadata().with_context(|| format!("cannot read {}", path.display()))?;
    if metadata.is_file() {
        return Ok(metadata.modified()?);
    }
    let mut youngest = SystemTime::UNIX_EPOCH;
    for entry in fs::read_dir(path)? {
        youngest = youngest.max(self::youngest(&entry?.path())?);
    }
    ensure!(youngest > SystemTime::UNIX_EPOCH, "{} is empty", path.display());
    Ok(youngest)
}
