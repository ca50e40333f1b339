//! Looks into a component without running, or even compiling, any of it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use muster_core::name::PluginName;
use muster_core::plugins::{COMPONENT_BYTES_MAX, Health, Isolation, PluginInfo};
use muster_core::printable;
use sha2::{Digest, Sha256};
use wasm_metadata::{Payload, Producers};
use wasmparser::{ComponentExternalKind, Parser, Payload as Section, Validator, WasmFeatures};

use crate::core_module;
use crate::error::LoadError;
use crate::functions::{Docs, Functions};
use crate::grants::satisfies;
use crate::imports::{self, Offer};
use crate::manifest::Manifest;

/// The interface every plugin exports.
pub const COMMANDS: &str = "muster:plugin/commands@0.1.0";

/// Deepest nesting of components and modules.
const NESTING_MAX: u32 = 64;
/// Most imports of a component, and most exports; no toolchain comes near.
const IMPORTS_MAX: usize = 1_000;
const EXPORTS_MAX: usize = 4_000;
/// Longest name of an import or an export, in bytes.
const NAME_BYTES_MAX: usize = 512;
/// Longest texts of the metadata that are kept, in characters; the rest is cut off. A component may carry megabytes.
const VERSION_CHARS_MAX: usize = 64;
const PLUGIN_NAME_CHARS_MAX: usize = 128;
const DESCRIPTION_CHARS_MAX: usize = 4_000;
const SUMMARY_CHARS_MAX: usize = 200;
const PRODUCER_CHARS_MAX: usize = 200;
/// Most tools that are named.
const PRODUCERS_MAX: usize = 32;
/// Most notes about exports that are no commands.
const NOTES_MAX: usize = 100;
const NOTE_CHARS_MAX: usize = 1_000;

/// What a component says of itself. Every text is bounded, and shows as what it is: nothing in it moves a cursor or ends a
/// line that is not its own.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// The name in its metadata.
    pub name: Option<String>,
    /// The version in its metadata.
    pub version: Option<String>,
    /// The description in its metadata.
    pub description: Option<String>,
    /// `sha256:` and 64 hexadecimal digits.
    pub digest: String,
    /// Its length.
    pub size_bytes: usize,
    /// The functions that are its commands, when it does not speak the contract.
    pub functions: Option<Functions>,
    /// Whether it is a core module; everything else here is said of the component made of it.
    pub made_of_core_module: bool,
    /// Interfaces it imports, in order.
    pub imports: Vec<String>,
    /// Interfaces and functions it exports, in order.
    pub exports: Vec<String>,
    /// The tools that made it.
    pub producers: Vec<String>,
    /// What its author put into it.
    pub manifest: Option<Manifest>,
}

/// Looks into a component.
///
/// # Errors
/// When it is no component, is damaged, or is too large.
#[expect(clippy::wildcard_enum_match_arm, reason = "a foreign enum that grows")]
pub fn inspect(bytes: &[u8]) -> Result<Inspection, LoadError> {
    if bytes.len() > COMPONENT_BYTES_MAX {
        return Err(LoadError::TooLarge { bytes: bytes.len(), bytes_max: COMPONENT_BYTES_MAX });
    }
    if !bytes.starts_with(b"\0asm") {
        return Err(LoadError::NotWasm);
    }
    let (given, component) = (bytes, core_module::to_component(bytes)?);
    let bytes = &*component;
    let invalid = |error: &dyn std::fmt::Display| LoadError::Invalid(error.to_string());
    let (mut imports, mut exports, mut manifest) = (Vec::new(), Vec::new(), None);
    each_section(bytes, |section| {
        match section {
            Section::ComponentImportSection(section) => {
                for import in section {
                    let import = import.map_err(|error| invalid(&error))?.name.name;
                    push_name(&mut imports, import, "imports", IMPORTS_MAX)?;
                }
            }
            Section::ComponentExportSection(section) => {
                for export in section {
                    let export = export.map_err(|error| invalid(&error))?;
                    if export.kind != ComponentExternalKind::Type {
                        push_name(&mut exports, export.name.name, "exports", EXPORTS_MAX)?;
                    }
                }
            }
            Section::CustomSection(section) => Manifest::take(&mut manifest, section.name(), section.data())?,
            _ => {}
        }
        Ok(())
    })?;
    Validator::new_with_features(WasmFeatures::all()).validate_all(bytes).map_err(|error| invalid(&error))?;
    let payload = Payload::from_binary(bytes).map_err(|error| invalid(&error))?;
    let metadata = payload.metadata();
    let mut producers = Vec::new();
    add_producers(&payload, &mut producers);
    Ok(Inspection {
        name: metadata.name.as_deref().map(|name| printable::title(name, PLUGIN_NAME_CHARS_MAX)),
        version: metadata.version.as_ref().map(|version| printable::title(&version.to_string(), VERSION_CHARS_MAX)),
        description: metadata
            .description
            .as_ref()
            .map(|text| printable::lines(&printable::cut(&text.to_string(), DESCRIPTION_CHARS_MAX))),
        digest: digest(given),
        size_bytes: given.len(),
        made_of_core_module: matches!(component, Cow::Owned(_)),
        functions: functions(bytes, &exports)?,
        imports,
        exports,
        producers: printable::titles(producers.iter().map(String::as_str), PRODUCERS_MAX, PRODUCER_CHARS_MAX),
        manifest,
    })
}

/// Takes the name of an import or export.
///
/// # Errors
/// When it is too long, or one too many.
fn push_name(names: &mut Vec<String>, name: &str, what: &'static str, most: usize) -> Result<(), LoadError> {
    if names.len() >= most {
        return Err(LoadError::Invalid(format!("more than {most} {what}")));
    }
    if name.len() > NAME_BYTES_MAX {
        let (shown, bytes) = (printable::title(name, 40), name.len());
        return Err(LoadError::Invalid(format!(
            "the name `{shown}` among its {what} has {bytes} bytes; at most {NAME_BYTES_MAX} are allowed"
        )));
    }
    names.push(name.to_owned());
    Ok(())
}

/// Shows `visit` each section of the outermost component; those of what is nested in it are parsed in place, and passed
/// over.
///
/// # Errors
/// When a section cannot be read, when there are too many in one another, and what `visit` answers.
pub fn each_section<'a>(
    bytes: &'a [u8],
    mut visit: impl FnMut(Section<'a>) -> Result<(), LoadError>,
) -> Result<(), LoadError> {
    let mut depth = 0_u32;
    for section in Parser::new(0).parse_all(bytes) {
        let section = section.map_err(|error| LoadError::Invalid(error.to_string()))?;
        if matches!(section, Section::Version { .. }) {
            // What reads components further down does so by recursion.
            if depth >= NESTING_MAX {
                return Err(LoadError::Invalid(format!("components are nested more than {NESTING_MAX} deep")));
            }
            depth += 1;
        } else if matches!(section, Section::End(_)) {
            depth = depth.saturating_sub(1);
        } else if depth == 1 {
            visit(section)?;
        }
    }
    Ok(())
}

/// The tools that made a component or any module in it, each once, outermost first.
fn add_producers(payload: &Payload, tools: &mut Vec<String>) {
    for (_, made) in payload.metadata().producers.iter().flat_map(Producers::iter) {
        for (tool, version) in made.iter() {
            let tool = format!("{tool} {version}").trim_end().to_owned();
            if !tools.contains(&tool) {
                tools.push(tool);
            }
        }
    }
    if let Payload::Component { children, .. } = payload {
        for child in children {
            add_producers(child, tools);
        }
    }
}

impl Inspection {
    /// What to call the plugin: what the operator said, else what the metadata says.
    ///
    /// # Errors
    /// When neither is a usable name.
    pub fn plugin_name(&self, wanted: Option<&PluginName>) -> Result<PluginName, LoadError> {
        match (wanted, &self.name) {
            (Some(name), _) => Ok(name.clone()),
            (None, Some(name)) => PluginName::parse(name).map_err(|error| LoadError::NoName(format!(" ({error})"))),
            (None, None) => Err(LoadError::NoName(String::new())),
        }
    }

    /// What is worth knowing on the way from the file to the commands: exports that are no commands, and why.
    pub fn notes(&self) -> Vec<String> {
        let made = self.made_of_core_module.then(|| "this core module was converted to a component".to_owned());
        let skipped = self.functions.iter().flat_map(|functions| &functions.skipped);
        let skipped =
            skipped.map(|skipped| format!("`{}` is not exported as a command: {}", skipped.export, skipped.reason));
        let notes: Vec<String> = made.into_iter().chain(skipped).collect();
        printable::titles(notes.iter().map(String::as_str), NOTES_MAX, NOTE_CHARS_MAX)
    }

    /// The grants it asks for: what its manifest says, and what its imports need beside that.
    pub fn requests(&self) -> Vec<String> {
        let mut requests = self.manifest.as_ref().map(|manifest| manifest.requests.clone()).unwrap_or_default();
        for import in &self.imports {
            if let Offer::Granted(grant) = imports::offer(import)
                && !requests.iter().any(|request| satisfies(request, grant))
            {
                requests.push(grant.to_owned());
            }
        }
        requests
    }

    /// What it asks for and is not among these grants.
    pub fn missing(&self, grants: &[String]) -> Vec<String> {
        let mut requests = self.requests();
        requests.retain(|request| !grants.iter().any(|grant| satisfies(grant, request)));
        requests
    }

    /// The same in the words of the lifecycle; `grants` and `commands` as known so far.
    ///
    /// # Errors
    /// As [`Inspection::plugin_name`].
    pub fn info(
        &self,
        name: Option<&PluginName>,
        grants: Vec<String>,
        commands: Vec<String>,
    ) -> Result<PluginInfo, LoadError> {
        Ok(PluginInfo {
            name: self.plugin_name(name)?,
            version: self.version.clone().unwrap_or_else(|| "0.0.0".to_owned()),
            summary: self
                .description
                .as_deref()
                .and_then(|text| text.lines().next())
                .map(|line| printable::title(line, SUMMARY_CHARS_MAX))
                .unwrap_or_default(),
            digest: self.digest.clone(),
            size_bytes: self.size_bytes,
            imports: self.imports.clone(),
            requests: self.requests(),
            grants,
            commands,
            settings: BTreeMap::new(),
            notes: self.notes(),
            isolation: Isolation::default(),
            health: Health::default(),
            not_loaded: None,
        })
    }
}

/// What its functions are to a host, unless it speaks the contract.
fn functions(component: &[u8], exports: &[String]) -> Result<Option<Functions>, LoadError> {
    let has_contract = exports.iter().any(|export| export == COMMANDS);
    // Another version of it is no set of functions for callers: they would say themselves who they are.
    let (contract, _) = COMMANDS.split_once('@').unwrap_or((COMMANDS, ""));
    let other = exports.iter().find(|export| export.split('@').next() == Some(contract));
    if let Some(exported) = other.filter(|_| !has_contract) {
        return Err(LoadError::OtherContract { wanted: COMMANDS, exported: exported.clone() });
    }
    if has_contract { Ok(None) } else { Functions::read(component, &Docs::default()).map(Some) }
}

/// `sha256:` and the digest in hexadecimal, as registries write it.
pub fn digest(bytes: &[u8]) -> String {
    digest_text(&Sha256::digest(bytes))
}

/// A digest that was made elsewhere, as [`digest`] writes it.
pub fn digest_text(digest: &[u8]) -> String {
    format!("sha256:{}", const_hex::encode(digest))
}
