//! Builds the guests: the plugins and, for tests, the hostile ones, as components in `target/components`.
//!
//! `toolchain` finds or installs what compiles to Wasm, `package` gives each component its name, version, description and
//! licence. What makes a guest small and quick is not here but in the workspace's `Cargo.toml` (profile `guest`) and
//! `.cargo/config.toml`, where a plain `cargo build --target wasm32-wasip2` finds it as well.

mod package;
pub(crate) mod toolchain;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use self::package::Package;
use self::toolchain::{OLDER_TARGET, TARGET, Toolchain};
use crate::run::{root, step};

/// The plugins, which are packages.
const PLUGINS: [&str; 3] = ["hello", "render", "roster"];
/// The package whose examples are the hostile guests.
const HOSTILE: &str = "hostile-guests";
/// The guest that is also built for the older target, as it comes from the compiler.
const OLDER: &str = "polyglot";
/// The guest that is the next version of the plugin `hello`.
const NEXT_HELLO: &str = "v2_hello";

/// Which guests to build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    /// The plugins.
    Plugins,
    /// The plugins, and the next version of `hello`, which a demo upgrades to.
    Demo,
    /// The plugins and the hostile guests.
    All,
}

/// Builds the guests and gives their files, `target/components/NAME.wasm`.
///
/// Installs the Wasm target first where it is missing. Progress goes to the terminal; a file that did not change keeps
/// its time.
///
/// # Errors
///
/// When no toolchain can be had, with the command that would help; when a guest does not compile.
pub(crate) fn build(which: Which) -> Result<Vec<PathBuf>> {
    let root = root();
    let targets: &[&str] = if which == Which::All { &[TARGET, OLDER_TARGET] } else { &[TARGET] };
    let toolchain = Toolchain::find_or_install(&root, targets)?;
    let packages = package::read_all(&toolchain, &root)?;
    let components = root.join("target/components");
    fs::create_dir_all(&components).with_context(|| format!("cannot create {}", components.display()))?;

    let plugins: Vec<String> = PLUGINS.iter().flat_map(|plugin| ["--package", plugin]).map(Into::into).collect();
    compile("building the plugins", &toolchain, TARGET, &plugins)?;
    let mut files = Vec::new();
    for plugin in PLUGINS {
        let artifact = artifacts(&root, TARGET).join(format!("{plugin}.wasm"));
        files.push(finish(&artifact, &components, plugin, &package::of_plugin(&packages, plugin)?)?);
    }

    let examples = match which {
        Which::Plugins => None,
        Which::Demo => Some(vec!["--example".to_owned(), NEXT_HELLO.to_owned()]),
        Which::All => Some(vec!["--examples".to_owned()]),
    };
    if let Some(examples) = examples {
        let what = [vec!["--package".into(), HOSTILE.into()], examples].concat();
        compile("building the guests of the tests", &toolchain, TARGET, &what)?;
        let wanted = |file: &str| which == Which::All || file == NEXT_HELLO;
        for guest in package::hostile_guests(&packages, HOSTILE)?.into_iter().filter(|guest| wanted(&guest.file)) {
            let artifact = artifacts(&root, TARGET).join("examples").join(format!("{}.wasm", guest.file));
            files.push(finish(&artifact, &components, &guest.file, &guest.package)?);
        }
    }
    if which == Which::All {
        let what = ["--package", HOSTILE, "--example", OLDER].map(ToOwned::to_owned);
        compile("building a guest for the older target", &toolchain, OLDER_TARGET, &what)?;
        let module = artifacts(&root, OLDER_TARGET).join("examples").join(format!("{OLDER}.wasm"));
        let module = fs::read(&module).with_context(|| format!("cannot read {}", module.display()))?;
        files.push(write(&components.join(format!("{OLDER}_wasip1.wasm")), &module)?);
    }
    eprintln!("{} components in {}", files.len(), components.display());
    Ok(files)
}

/// Puts a manifest into each plugin among these components, with the host's own command: what is installed can then be
/// looked at first.
///
/// # Errors
/// When the host cannot be started, or refuses one.
pub(crate) fn pack(components: &[PathBuf], binary: &Path) -> Result<()> {
    for component in components {
        let Some(plugin) = component.file_stem().and_then(|stem| stem.to_str()).filter(|stem| PLUGINS.contains(stem))
        else {
            continue;
        };
        let mut muster = Command::new(binary);
        muster.args(["plugin", "pack"]).arg(component);
        let manifest = root().join("plugins").join(plugin).join("muster.toml");
        if manifest.exists() {
            muster.arg("--manifest").arg(manifest);
        }
        let status = muster.status().context("the host cannot be started")?;
        ensure!(status.success(), "{} cannot be packed", component.display());
    }
    Ok(())
}

fn artifacts(root: &Path, target: &str) -> PathBuf {
    root.join("target/guests").join(target).join("guest")
}

fn compile(step_name: &str, toolchain: &Toolchain, target: &str, what: &[String]) -> Result<()> {
    let mut cargo = toolchain.cargo(&root());
    cargo.args(["build", "--profile", "guest", "--target", target]);
    // A target directory of their own: another compiler, if need be, and never a wait for a build of the host.
    cargo.arg("--target-dir").arg(root().join("target/guests")).args(what);
    step(step_name, &mut cargo)
}

/// Writes the component with its metadata.
fn finish(artifact: &Path, components: &Path, file: &str, package: &Package) -> Result<PathBuf> {
    let component = fs::read(artifact).with_context(|| format!("cannot read {}", artifact.display()))?;
    let component = package.add_to(&component).with_context(|| format!("{} is no component", artifact.display()))?;
    write(&components.join(format!("{file}.wasm")), &component)
}

/// Writes a component if it is new.
fn write(path: &Path, component: &[u8]) -> Result<PathBuf> {
    if fs::read(path).ok().as_deref() != Some(component) {
        fs::write(path, component).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(path.to_owned())
}
