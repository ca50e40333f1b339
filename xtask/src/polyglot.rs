//! `cargo xtask polyglot`: the sample of `tests/polyglot` in every language, as components in `target/components`. What a
//! language needs is installed below `target/tools`, or from the system's packages for C; what is there already is used.
//! Rust is built with the other guests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};

use crate::interfaces::Needs;
use crate::run::{cargo, root, step};
use crate::tools;

const COMPONENTIZE_QJS: &str = "componentize-qjs@0.4.5";
const COMPONENTIZE_PY: &str = "componentize-py==0.25.1";
/// Debian's packages for C, each with a file that shows it is there.
const C_PACKAGES: [(&str, &str); 4] = [
    ("clang-19", "/usr/bin/clang-19"),
    ("lld-19", "/usr/bin/wasm-ld-19"),
    ("wasi-libc", "/usr/lib/wasm32-wasi/crt1-reactor.o"),
    ("libclang-rt-19-dev-wasm32", "/usr/lib/llvm-19/lib/clang/19/lib/wasi/libclang_rt.builtins-wasm32.a"),
];

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

/// Builds every language whose tools may be installed: those of C are packages of Debian.
///
/// # Errors
/// As [`run`].
pub(crate) fn all(needs: Needs) -> Result<()> {
    let languages: &[Language] = match needs {
        Needs::Debian => &[Language::C, Language::Javascript, Language::Python],
        Needs::NoDebian => &[Language::Javascript, Language::Python],
    };
    languages.iter().try_for_each(|language| run(&Polyglot { lang: Some(*language) }))
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
        None => all(Needs::Debian),
    }
}

fn c() -> Result<()> {
    let (sources, component) = (source("c"), component("polyglot_c"));
    if is_fresh(&component, &[&sources, &root().join("wit")])? {
        return Ok(());
    }
    tools::debian("C for Wasm", &C_PACKAGES)?;
    let bindings = tools::folder().join("c");
    step(
        "bindings for C",
        cargo(&["run", "--quiet", "--release", "--locked", "--manifest-path", "tests/polyglot/bindings/Cargo.toml"])
            .arg("--target-dir")
            .arg(tools::folder().join("build"))
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
    let tool = tools::npm("npm", &[COMPONENTIZE_QJS])?.join(".bin/componentize-qjs");
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
        let environment = tools::python("python", &[COMPONENTIZE_PY])?;
        let mut build = Command::new(environment.join("bin/componentize-py"));
        // It takes along what lies in the environment it is told of: this one has nothing but itself.
        build
            .env("VIRTUAL_ENV", &environment)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .current_dir(&sources)
            .arg("-d")
            .arg(wit)
            .args(["-w", world]);
        step("the sample in Python", build.args(["componentize", "app", "-o"]).arg(&component))?;
    }
    Ok(())
}

fn source(language: &str) -> PathBuf {
    root().join("tests/polyglot").join(language)
}

fn component(name: &str) -> PathBuf {
    root().join("target/components").join(format!("{name}.wasm"))
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
