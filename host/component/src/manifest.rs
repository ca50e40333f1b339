//! What a plugin's author put into the component, in a custom section: the grants it asks for, the settings it reads, and
//! its commands as it will describe them. It is read without running the plugin; where it says something else than the
//! running plugin does, the plugin is not loaded.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use muster_core::schema::{Arguments, DEPTH_MAX, SCHEMA_BYTES_MAX, Schema, Unread, parse_json, says_secret};
use serde_json::{Map, Value, json};
use wasm_encoder::{ComponentSection as _, CustomSection};
use wasmparser::Payload as Section;

use crate::error::LoadError;
use crate::grants::Grants;
use crate::inspect::each_section;

/// The name of the section.
pub const SECTION: &str = "muster:manifest";
/// Longest manifest, in bytes.
pub const MANIFEST_BYTES_MAX: usize = 1 << 20;
/// The one form of manifests there is.
const FORM: u64 = 1;
const KEYS: [&str; 5] = ["manifest", "requests", "settings", "commands", "commands_depend_on_settings"];
/// A manifest has schemas in it, which may be deep themselves.
const MANIFEST_DEPTH_MAX: usize = 2 * DEPTH_MAX + 8;

/// A manifest.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Manifest {
    /// Grants it asks for, in the words of `--grant`.
    pub requests: Vec<String>,
    /// JSON Schema of its settings, an object; nothing when it reads any.
    pub settings: Option<Value>,
    /// Its commands, as they were written down when it was packed.
    pub commands: Option<Vec<Value>>,
    /// Whether it describes other commands with other settings.
    pub commands_depend_on_settings: bool,
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// [`LoadError::Manifest`] with the first mistake.
    pub fn parse(text: &[u8]) -> Result<Self, LoadError> {
        let wrong = |reason: String| LoadError::Manifest(reason);
        if text.len() > MANIFEST_BYTES_MAX {
            return Err(wrong(format!("it has {} bytes; at most {MANIFEST_BYTES_MAX} are allowed", text.len())));
        }
        let value = parse_json(text, MANIFEST_DEPTH_MAX).map_err(|error| wrong(format!("it is not JSON: {error}")))?;
        let members = value.as_object().ok_or_else(|| wrong("it is not a JSON object".to_owned()))?;
        if members.get("manifest").and_then(Value::as_u64) != Some(FORM) {
            return Err(wrong(format!("its format version is not {FORM}, the only one this host supports")));
        }
        if let Some(other) = members.keys().find(|key| !KEYS.contains(&key.as_str())) {
            return Err(wrong(format!("unknown member `{}`", other.chars().take(80).collect::<String>())));
        }
        let list = |key: &str| match members.get(key) {
            None => Ok(None),
            Some(Value::Array(items)) => Ok(Some(items)),
            Some(_) => Err(wrong(format!("its `{key}` is not a list"))),
        };
        let requests = list("requests")?.into_iter().flatten();
        let requests = requests.map(|item| item.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>();
        let requests = requests.ok_or_else(|| wrong("its `requests` are not strings".to_owned()))?;
        let requests = Grants::requests(&requests).map_err(wrong)?;
        let depends = match members.get("commands_depend_on_settings") {
            None => false,
            Some(value) => {
                value.as_bool().ok_or_else(|| wrong("`commands_depend_on_settings` is not a boolean".to_owned()))?
            }
        };
        let manifest = Self {
            requests,
            settings: members.get("settings").cloned(),
            commands: list("commands")?.cloned(),
            commands_depend_on_settings: depends,
        };
        manifest.schema()?;
        Ok(manifest)
    }

    /// Writes what [`Manifest::parse`] reads.
    pub fn to_json(&self) -> Value {
        let mut members = Map::new();
        members.insert("manifest".to_owned(), json!(FORM));
        members.insert("requests".to_owned(), json!(self.requests));
        if let Some(settings) = &self.settings {
            members.insert("settings".to_owned(), settings.clone());
        }
        if let Some(commands) = &self.commands {
            members.insert("commands".to_owned(), json!(commands));
        }
        if self.commands_depend_on_settings {
            members.insert("commands_depend_on_settings".to_owned(), json!(true));
        }
        Value::Object(members)
    }

    /// Finds the manifest of a component.
    ///
    /// # Errors
    /// [`LoadError::Manifest`] when it cannot be read, or there are two.
    pub fn find(component: &[u8]) -> Result<Option<Self>, LoadError> {
        let mut found = None;
        each_section(component, |section| {
            if let Section::CustomSection(section) = section {
                Self::take(&mut found, section.name(), section.data())?;
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// Reads a custom section of a component, if it is the manifest.
    ///
    /// # Errors
    /// When it is a manifest that cannot be read, or a second one.
    pub fn take(found: &mut Option<Self>, name: &str, data: &[u8]) -> Result<(), LoadError> {
        if name != SECTION {
            return Ok(());
        }
        if found.is_some() {
            return Err(LoadError::Manifest("there are two of them".to_owned()));
        }
        *found = Some(Self::parse(data)?);
        Ok(())
    }

    /// The component with this manifest at its end.
    ///
    /// # Errors
    /// [`LoadError::Manifest`] when it has one already, or this one is too long.
    pub fn add_to(&self, component: &[u8]) -> Result<Vec<u8>, LoadError> {
        if Self::find(component)?.is_some() {
            return Err(LoadError::Manifest(
                "the component already has a manifest; pack the file that the build wrote".to_owned(),
            ));
        }
        let text = self.to_json().to_string();
        // What is written can be read.
        Self::parse(text.as_bytes())?;
        let mut packed = component.to_vec();
        CustomSection { name: SECTION.into(), data: Cow::Borrowed(text.as_bytes()) }.append_to_component(&mut packed);
        Ok(packed)
    }

    fn schema(&self) -> Result<Option<Schema>, LoadError> {
        let Some(settings) = &self.settings else { return Ok(None) };
        if settings.to_string().len() > SCHEMA_BYTES_MAX {
            return Err(LoadError::Manifest(format!("its settings' schema has more than {SCHEMA_BYTES_MAX} bytes")));
        }
        let schema = Schema::input(settings.clone());
        schema.map(Some).map_err(|reason| LoadError::Manifest(format!("its settings' schema {reason}")))
    }

    /// The settings a plugin gets: what the operator gave, held against the schema, and defaults for the rest.
    ///
    /// # Errors
    /// [`LoadError::Settings`] with every setting that does not fit.
    pub fn settings(&self, given: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>, LoadError> {
        let Some(schema) = self.schema()? else { return Ok(given.clone()) };
        let mut settings = given.clone();
        for (name, property) in schema.properties() {
            if let Some(default) = property.get("default").filter(|_| !settings.contains_key(name)) {
                let text = default.as_str().map_or_else(|| default.to_string(), str::to_owned);
                settings.insert(name.clone(), text);
            }
        }
        let pairs = settings.iter().map(|(name, text)| (name.clone(), text.clone())).collect();
        Arguments::read(Unread::Pairs(pairs), &schema).map_err(|error| {
            let known: Vec<_> = schema.properties().map(|(name, _)| format!("`{name}`")).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            LoadError::Settings(format!("{error}; its settings are {known}"))
        })?;
        Ok(settings)
    }

    /// Whether the setting of this name is a secret. Without a schema this is unknown, so all are.
    pub fn is_secret(&self, setting: &str) -> bool {
        let Some(settings) = &self.settings else { return true };
        let property = settings.pointer("/properties").and_then(|properties| properties.get(setting));
        property.and_then(Value::as_object).is_none_or(says_secret)
    }

    /// The same, with no setting that must be given: `describe` runs before the plugin has settings.
    #[must_use]
    pub fn without_required(&self) -> Self {
        let mut manifest = self.clone();
        if let Some(settings) = manifest.settings.as_mut().and_then(Value::as_object_mut) {
            settings.remove("required");
        }
        manifest
    }

    /// Those of these settings that the plugin's author calls secret.
    pub fn secrets(&self, settings: &BTreeMap<String, String>) -> BTreeSet<String> {
        let known = self.settings.is_some();
        settings.keys().filter(|name| known && self.is_secret(name)).cloned().collect()
    }

    /// Holds what the running plugin described against what stands here.
    ///
    /// # Errors
    /// [`LoadError::DescribesOther`] with the first command that differs.
    pub fn check_described(&self, described: &[Value]) -> Result<(), LoadError> {
        let Some(written) = self.commands.as_ref().filter(|_| !self.commands_depend_on_settings) else {
            return Ok(());
        };
        let name = |command: &Value| {
            let name = command.get("name").and_then(Value::as_str).unwrap_or_default();
            name.chars().take(80).collect::<String>()
        };
        let differs = |command: &Value, how: &'static str| LoadError::DescribesOther { command: name(command), how };
        if let Some(more) = described.iter().find(|command| !written.iter().any(|other| name(other) == name(command))) {
            return Err(differs(more, "is not in the manifest"));
        }
        if let Some(missing) =
            written.iter().find(|command| !described.iter().any(|other| name(other) == name(command)))
        {
            return Err(differs(missing, "is only in the manifest"));
        }
        match described.iter().zip(written).find(|(one, other)| one != other) {
            Some((one, _)) => Err(differs(one, "differs from the manifest")),
            None if described.len() == written.len() => Ok(()),
            None => Err(LoadError::Manifest("its number of commands differs from the plugin's".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn component() -> Vec<u8> {
        wat::parse_str("(component (component) (core module))").unwrap()
    }

    #[test]
    fn a_manifest_is_found_where_it_was_put() {
        let manifest = Manifest {
            requests: vec!["keyvalue".to_owned(), "command:status".to_owned()],
            settings: Some(json!({"type": "object", "properties": {"greeting": {"type": "string", "default": "Hi"}}})),
            commands: Some(vec![json!({"name": "hello"})]),
            commands_depend_on_settings: true,
        };
        let packed = manifest.add_to(&component()).unwrap();
        assert_eq!(Manifest::find(&packed).unwrap(), Some(manifest.clone()));
        assert_eq!(Manifest::find(&component()).unwrap(), None);
        assert!(manifest.add_to(&packed).is_err(), "a second one");
    }

    #[test]
    fn mistakes_are_named() {
        for (text, part) in [
            ("", "not JSON"),
            ("[]", "not a JSON object"),
            ("{}", "its format version is not 1"),
            (r#"{"manifest": 2}"#, "its format version is not 1"),
            (r#"{"manifest": 1, "request": []}"#, "unknown member `request`"),
            (r#"{"manifest": 1, "requests": {}}"#, "`requests` is not a list"),
            (r#"{"manifest": 1, "requests": [1]}"#, "are not strings"),
            (r#"{"manifest": 1, "requests": ["root"]}"#, "`root`"),
            (r#"{"manifest": 1, "settings": {"type": "array"}}"#, "settings' schema"),
            (r#"{"manifest": 1, "commands": 1}"#, "`commands` is not a list"),
            (r#"{"manifest": 1, "commands_depend_on_settings": "yes"}"#, "not a boolean"),
        ] {
            let error = Manifest::parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
        let long = format!(r#"{{"manifest": 1, "requests": ["{}"]}}"#, "x".repeat(MANIFEST_BYTES_MAX));
        assert!(Manifest::parse(long.as_bytes()).unwrap_err().to_string().contains("at most 1048576"));
    }

    /// Settings given → settings had, or what the operator is told.
    #[test]
    fn settings_are_held_against_their_schema() {
        let settings = json!({
            "type": "object", "required": ["url"],
            "properties": {
                "url": {"type": "string"}, "retries": {"type": "integer", "maximum": 5, "default": 3},
                "key": {"type": "string", "writeOnly": true},
            },
        });
        let manifest = Manifest { settings: Some(settings), ..Manifest::default() };
        let map = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
        };
        let had = manifest.settings(&map(&[("url", "x")])).unwrap();
        assert_eq!(had, map(&[("url", "x"), ("retries", "3")]));
        for (given, part) in [
            (map(&[]), "url"),
            (map(&[("url", "x"), ("retries", "9")]), "/retries"),
            (map(&[("url", "x"), ("retries", "many")]), "/retries"),
            (map(&[("url", "x"), ("color", "red")]), "its settings are `url`, `retries`, `key`"),
        ] {
            let error = manifest.settings(&given).unwrap_err().to_string();
            assert!(error.contains(part), "{given:?}: {error}");
        }
        assert!(manifest.is_secret("key") && !manifest.is_secret("url") && manifest.is_secret("unknown"));
        assert!(Manifest::default().is_secret("anything"));
        assert_eq!(Manifest::default().settings(&map(&[("a", "b")])).unwrap(), map(&[("a", "b")]));
    }

    #[test]
    fn commands_that_differ_are_told() {
        let written = vec![json!({"name": "a", "summary": "x"}), json!({"name": "b"})];
        let manifest = Manifest { commands: Some(written.clone()), ..Manifest::default() };
        assert!(manifest.check_described(&written).is_ok());
        for (described, part) in [
            (vec![json!({"name": "a", "summary": "y"}), json!({"name": "b"})], "`a` differs from"),
            (vec![json!({"name": "a", "summary": "x"})], "`b` is only in"),
            (vec![json!({"name": "a", "summary": "x"}), json!({"name": "b"}), json!({"name": "c"})], "`c` is not in"),
        ] {
            let error = manifest.check_described(&described).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
        let depends = Manifest { commands_depend_on_settings: true, ..manifest };
        assert!(depends.check_described(&[]).is_ok());
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Manifest::parse(&bytes);
            let mut component = component();
            CustomSection { name: SECTION.into(), data: Cow::Borrowed(&bytes) }.append_to_component(&mut component);
            let _ = Manifest::find(&component);
        }
    }
}
