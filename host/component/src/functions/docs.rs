//! What the author wrote about functions, types and fields. No toolchain keeps WIT's doc comments in a component, so they
//! come from one of three places: a section `muster:wit` with the encoded WIT package, a section `package-docs` as the
//! injectors of other hosts write it, or the WIT itself at installation ([`Docs::read_directory`]).

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use thiserror::Error;
use wasmparser::{Parser, Payload};
use wit_component::DecodedWasm;
use wit_parser::{Resolve, TypeDefKind};

/// The section with an encoded WIT package, as `wasm-tools component wit --wasm` writes one.
const WIT_SECTION: &str = "muster:wit";
/// The section of WIT packages themselves: a version byte, then JSON.
pub(super) const DOCS_SECTION: &str = "package-docs";
/// Bytes of all texts about one component.
pub const DOCS_BYTES_MAX: usize = 256 * 1024;

/// Why there are no docs.
#[derive(Debug, Error)]
pub enum DocsError {
    /// The WIT cannot be read.
    #[error("the WIT cannot be read: {0}; name the directory that the component was built from")]
    Wit(String),
    /// There is too much of it.
    #[error("the documentation has {bytes} bytes; at most {bytes_max} are allowed")]
    TooLong {
        /// Their length.
        bytes: usize,
        /// The bound.
        bytes_max: usize,
    },
}

/// Texts by what they are about: `namespace:package/interface#item` without versions, `#item` for items of a world.
/// Items are functions, types, and `type.field`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Docs(BTreeMap<String, String>);

impl Docs {
    /// Docs as they were sent. Texts beyond the bound are left out.
    pub fn new(texts: BTreeMap<String, String>) -> Self {
        let mut docs = Self::default();
        let mut bytes = 0;
        for (key, text) in texts {
            bytes += key.len() + text.len();
            if bytes <= DOCS_BYTES_MAX {
                docs.0.insert(key, text);
            }
        }
        docs
    }

    /// The texts, by what they are about.
    pub fn texts(&self) -> &BTreeMap<String, String> {
        &self.0
    }

    /// Reads a directory of WIT, with its `deps`, or a file.
    ///
    /// # Errors
    /// When it is not WIT, or its texts are too long.
    pub fn read_directory(path: &Path) -> Result<Self, DocsError> {
        let mut resolve = Resolve::default();
        resolve.push_path(path).map_err(|error| DocsError::Wit(resolve.render_error(&error)))?;
        let docs = Self::of(&resolve);
        let bytes = docs.0.iter().map(|(key, text)| key.len() + text.len()).sum();
        if bytes > DOCS_BYTES_MAX {
            return Err(DocsError::TooLong { bytes, bytes_max: DOCS_BYTES_MAX });
        }
        Ok(docs)
    }

    /// The docs a component carries. A section that cannot be read is left out: it is no reason to refuse a plugin.
    pub fn of_component(component: &[u8]) -> Self {
        let mut docs = BTreeMap::new();
        for section in Parser::new(0).parse_all(component).filter_map(Result::ok) {
            let Payload::CustomSection(section) = section else { continue };
            match section.name() {
                WIT_SECTION => {
                    if let Ok(DecodedWasm::WitPackage(resolve, _)) = wit_component::decode(section.data()) {
                        docs.extend(Self::of(&resolve).0);
                    }
                }
                DOCS_SECTION => docs.extend(of_docs_section(section.data()).unwrap_or_default()),
                _ => {}
            }
        }
        Self::new(docs)
    }

    /// The text about an item. `interface` is as exported; a text whose package is not known is found by the interface's
    /// own name.
    pub fn get(&self, interface: Option<&str>, item: &str) -> Option<&str> {
        let interface = interface.unwrap_or_default();
        let interface = interface.split_once('@').map_or(interface, |(name, _)| name);
        let short = interface.rsplit_once('/').map_or(interface, |(_, name)| name);
        let found = self.0.get(&format!("{interface}#{item}")).or_else(|| self.0.get(&format!("{short}#{item}")));
        found.map(String::as_str)
    }

    /// Takes what `other` has and this has not.
    #[must_use]
    pub fn or(mut self, other: Self) -> Self {
        for (key, text) in other.0 {
            self.0.entry(key).or_insert(text);
        }
        self
    }

    fn of(resolve: &Resolve) -> Self {
        let mut texts = BTreeMap::new();
        let mut add = |interface: &str, item: &str, text: &wit_parser::Docs| {
            let interface = interface.split_once('@').map_or(interface, |(name, _)| name);
            if let Some(text) = text.contents.as_deref().map(str::trim).filter(|text| !text.is_empty()) {
                texts.insert(format!("{interface}#{item}"), text.to_owned());
            }
        };
        for (id, interface) in &resolve.interfaces {
            let Some(name) = resolve.id_of(id).or_else(|| interface.name.clone()) else { continue };
            for function in interface.functions.values() {
                add(&name, &function.name, &function.docs);
            }
            for (type_name, id) in &interface.types {
                let Some(definition) = resolve.types.get(*id) else { continue };
                add(&name, type_name, &definition.docs);
                for (part, text) in parts(&definition.kind) {
                    add(&name, &format!("{type_name}.{part}"), text);
                }
            }
        }
        for (_, world) in &resolve.worlds {
            for item in world.exports.values() {
                if let wit_parser::WorldItem::Function(function) = item {
                    add("", &function.name, &function.docs);
                }
            }
        }
        Self(texts)
    }
}

/// Fields and cases, with their docs.
#[expect(clippy::wildcard_enum_match_arm, reason = "a foreign enum; the others have no parts with docs")]
fn parts(kind: &TypeDefKind) -> Vec<(&str, &wit_parser::Docs)> {
    match kind {
        TypeDefKind::Record(record) => record.fields.iter().map(|field| (field.name.as_str(), &field.docs)).collect(),
        TypeDefKind::Variant(variant) => variant.cases.iter().map(|case| (case.name.as_str(), &case.docs)).collect(),
        _ => Vec::new(),
    }
}

/// Reads `{"interfaces": {NAME: {"funcs": {NAME: TEXT}, "types": {NAME: {"docs": TEXT, "items": {NAME: TEXT}}}}}}`, where
/// a text may also stand in an object as `docs`. Worlds have `funcs`, and
/// `func_exports` where an import has the same name.
fn of_docs_section(data: &[u8]) -> Option<BTreeMap<String, String>> {
    let (_version, text) = data.split_first()?;
    let json: Value = serde_json::from_slice(text).ok()?;
    let members = |value: &Value, key: &str| value.get(key).and_then(Value::as_object).cloned().unwrap_or_default();
    let text = |value: &Value| {
        value.as_str().or_else(|| value.get("docs").and_then(Value::as_str)).map(|text| text.trim().to_owned())
    };
    let mut texts = BTreeMap::new();
    for (interface, about) in members(&json, "interfaces") {
        for (name, function) in members(&about, "funcs") {
            texts.extend(text(&function).map(|text| (format!("{interface}#{name}"), text)));
        }
        for (name, definition) in members(&about, "types") {
            texts.extend(text(&definition).map(|text| (format!("{interface}#{name}"), text)));
            for (part, item) in members(&definition, "items") {
                texts.extend(text(&item).map(|text| (format!("{interface}#{name}.{part}"), text)));
            }
        }
    }
    for (_, about) in members(&json, "worlds") {
        for (name, function) in members(&about, "funcs").into_iter().chain(members(&about, "func_exports")) {
            texts.extend(text(&function).map(|text| (format!("#{name}"), text)));
        }
    }
    Some(texts)
}
