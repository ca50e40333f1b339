//! `muster plugin inspect`: what a component is, what it asks for and what it offers, without running any of it.

use std::path::Path;

use muster_component::Inspection;
use muster_component::functions::{Docs, Function, Functions};
use serde_json::{Value, json};

use crate::CliError;
use crate::output::{self, Format};

/// Looks into a component.
pub fn run(source: &str, wit: Option<&Path>, format: Format) -> Result<(), CliError> {
    let bytes = super::source::read(source)?;
    let mut inspection = look(source, &bytes)?;
    if let (Some(wit), Some(functions)) = (wit, &mut inspection.functions) {
        *functions = Functions::read(&bytes, &read_docs(wit)?)
            .map_err(|error| CliError::Failed(format!("{source}: {error}")))?;
    }
    print(&inspection, format);
    Ok(())
}

/// Looks into the bytes that came from `source`.
pub fn look(source: &str, bytes: &[u8]) -> Result<Inspection, CliError> {
    muster_component::inspect(bytes).map_err(|error| CliError::Failed(format!("{source}: {error}")))
}

/// Reads the texts in WIT.
pub fn read_docs(wit: &Path) -> Result<Docs, CliError> {
    Docs::read_directory(wit).map_err(|error| CliError::Usage(format!("{}: {error}", wit.display())))
}

/// Prints everything about it.
pub fn print(inspection: &Inspection, format: Format) {
    let commands = commands(inspection);
    let settings = settings(inspection);
    let mut about = json!({
        "name": inspection.name, "version": inspection.version, "description": inspection.description,
        "digest": inspection.digest, "size_bytes": inspection.size_bytes, "producers": inspection.producers,
        "imports": inspection.imports, "exports": inspection.exports, "requests": inspection.requests(),
        "settings": settings, "commands": commands, "notes": inspection.notes(),
    });
    if format != Format::Table {
        output::value(&about, format);
        return;
    }
    if let Some(members) = about.as_object_mut() {
        members.insert("settings".to_owned(), settings.iter().map(in_words).collect());
        members.insert("commands".to_owned(), names(&commands));
    }
    output::value(&about, format);
    for command in commands {
        output::line("", &Value::Null, format);
        output::value(&command, format);
    }
}

/// The commands as the component has them written down, or as its types say.
fn commands(inspection: &Inspection) -> Vec<Value> {
    if let Some(functions) = &inspection.functions {
        return functions.commands.iter().map(Function::to_json).collect();
    }
    inspection.manifest.as_ref().and_then(|manifest| manifest.commands.clone()).unwrap_or_default()
}

fn names(commands: &[Value]) -> Value {
    match commands {
        [] => json!("unknown until the plugin is loaded: the component was not packed with `muster plugin pack`"),
        some => some.iter().filter_map(|command| command.get("name").cloned()).collect(),
    }
}

/// The settings, an object for each.
fn settings(inspection: &Inspection) -> Vec<Value> {
    let Some(manifest) = &inspection.manifest else { return Vec::new() };
    let part = |key: &str| manifest.settings.as_ref().and_then(|settings| settings.get(key));
    let required: Vec<&Value> = part("required").and_then(Value::as_array).into_iter().flatten().collect();
    let setting = |(name, property): (&String, &Value)| {
        let part = |key: &str| property.get(key).cloned().unwrap_or_default();
        let mut setting = json!({
            "name": name, "type": part("type"), "secret": manifest.is_secret(name),
            "required": required.iter().any(|required| *required == name), "default": part("default"),
            "description": part("description"),
        });
        if let (Some(members), Some(values)) = (setting.as_object_mut(), property.get("enum")) {
            members.insert("enum".to_owned(), values.clone());
        }
        setting
    };
    part("properties").and_then(Value::as_object).into_iter().flatten().map(setting).collect()
}

/// A setting in one line: what it is, and what its author says of it.
fn in_words(setting: &Value) -> Value {
    let part = |key: &str| setting.get(key).filter(|value| !value.is_null());
    let one_of = |values: &Value, word: &str| {
        let texts = values
            .as_array()
            .into_iter()
            .flatten()
            .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        texts.collect::<Vec<_>>().join(word)
    };
    let kind = match (part("enum"), part("type")) {
        (Some(values), _) => Some(format!("one of {}", one_of(values, ", "))),
        (None, Some(Value::String(kind))) => Some(kind.clone()),
        (None, Some(kinds)) => Some(one_of(kinds, " or ")),
        (None, None) => None,
    };
    let is = |key: &str| (part(key) == Some(&json!(true))).then(|| key.to_owned());
    let default = part("default").map(|default| format!("default {default}"));
    let what: Vec<String> = [kind, is("secret"), is("required"), default].into_iter().flatten().collect();
    let name = part("name").and_then(Value::as_str).unwrap_or_default();
    let about = part("description").and_then(Value::as_str).map(|text| format!("; {text}")).unwrap_or_default();
    json!(format!("{name}: {}{about}", what.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_told_in_words() {
        let setting = |name: &str, kind: Value, secret: bool, required: bool| {
            json!({
                "name": name, "type": kind, "secret": secret, "required": required, "default": null, "description": null,
            })
        };
        let with = |mut setting: Value, key: &str, value: Value| {
            setting[key] = value;
            setting
        };
        let integer = setting("n", json!("integer"), false, false);
        for (setting, expected) in [
            (setting("key", json!("string"), true, true), "key: string, secret, required"),
            (with(integer.clone(), "default", json!(4)), "n: integer, default 4"),
            (with(integer, "description", json!("How often")), "n: integer; How often"),
            (setting("n", json!(["integer", "null"]), false, true), "n: integer or null, required"),
            (with(setting("n", json!("string"), false, false), "enum", json!(["a", 1])), "n: one of a, 1"),
            (with(setting("n", Value::Null, false, false), "default", json!("a b")), "n: default \"a b\""),
        ] {
            assert_eq!(in_words(&setting), expected, "{setting}");
        }
    }
}
