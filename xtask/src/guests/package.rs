//! What a component says about itself in the standard sections: taken from `Cargo.toml`, so that it is said once.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use wasm_encoder::{ComponentSection, CustomSection};
use wasm_metadata::{AddMetadata, AddMetadataField};

use super::toolchain::Toolchain;

const AUTHORS: &str = "Muster";

/// Name, version and so on of one component.
#[derive(Debug)]
pub(crate) struct Package {
    name: String,
    version: String,
    description: String,
    licence: String,
    source: Option<String>,
}

/// A hostile guest: its file's name, and what it says about itself.
#[derive(Debug)]
pub(crate) struct Guest {
    pub(crate) file: String,
    pub(crate) package: Package,
}

/// The packages of the workspace, as cargo describes them.
pub(crate) fn read_all(toolchain: &Toolchain, root: &Path) -> Result<Vec<Value>> {
    let mut cargo = toolchain.cargo(root);
    cargo.args(["metadata", "--format-version", "1", "--no-deps"]);
    let output = cargo.output().context("cannot run cargo")?;
    ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).context("cargo metadata gives no JSON")?;
    match metadata.get("packages").and_then(Value::as_array) {
        Some(packages) => Ok(packages.clone()),
        None => bail!("cargo metadata lists no packages"),
    }
}

/// What the plugin's `Cargo.toml` says.
pub(crate) fn of_plugin(packages: &[Value], name: &str) -> Result<Package> {
    Package::read(find(packages, name)?)
}

/// The examples of the package `name`. What `package.metadata.guests.FILE` says about one goes before what the package
/// says.
pub(crate) fn hostile_guests(packages: &[Value], name: &str) -> Result<Vec<Guest>> {
    let package = find(packages, name)?;
    let targets = package.get("targets").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let is_example = |target: &&Value| target.pointer("/kind/0").and_then(Value::as_str) == Some("example");
    targets.iter().filter(is_example).map(|target| guest(package, text(target, "name")?)).collect()
}

fn guest(package: &Value, file: String) -> Result<Guest> {
    let own = package.pointer("/metadata/guests").and_then(|guests| guests.get(&file));
    let say = |key: &str| own.and_then(|own| own.get(key)).and_then(Value::as_str).map(ToOwned::to_owned);
    let common = Package::read(package)?;
    let package = Package {
        name: say("name").unwrap_or_else(|| file.clone()),
        version: say("version").unwrap_or(common.version),
        description: say("description").unwrap_or(common.description),
        licence: common.licence,
        source: common.source,
    };
    Ok(Guest { file, package })
}

fn find<'a>(packages: &'a [Value], name: &str) -> Result<&'a Value> {
    let package = packages.iter().find(|package| package.get("name").and_then(Value::as_str) == Some(name));
    package.with_context(|| format!("the workspace has no package {name}"))
}

fn text(object: &Value, key: &str) -> Result<String> {
    let text = object.get(key).and_then(Value::as_str).with_context(|| format!("{key} is missing in a Cargo.toml"))?;
    Ok(text.into())
}

impl Package {
    fn read(package: &Value) -> Result<Self> {
        Ok(Self {
            name: text(package, "name")?,
            version: text(package, "version")?,
            description: text(package, "description")?,
            licence: text(package, "license")?,
            source: package.get("repository").and_then(Value::as_str).map(Into::into),
        })
    }

    /// The component with this metadata, in the sections that `wasm-tools metadata` and registries read.
    pub(crate) fn add_to(&self, component: &[u8]) -> Result<Vec<u8>> {
        let mut name = AddMetadata::default();
        name.name = AddMetadataField::Set(self.name.clone());
        let mut component = name.to_wasm(component)?;
        // Each is a custom section of plain text. The library writes them only with features that pull in 30 crates.
        let sections = [
            ("version", Some(self.version.as_str())),
            ("description", Some(self.description.as_str())),
            ("authors", Some(AUTHORS)),
            ("licenses", Some(self.licence.as_str())),
            ("source", self.source.as_deref()),
        ];
        for (name, text) in sections {
            if let Some(text) = text {
                let section = CustomSection { name: name.into(), data: text.as_bytes().into() };
                section.append_to_component(&mut component);
            }
        }
        Ok(component)
    }
}
