//! `muster plugin inspect`: what a component is, what it asks for and what it offers, without running any of it.

use std::path::Path;

use muster_wasm::{Docs, Function, Functions, Inspection};
use serde_json::{Value, json};

use crate::cli::CliError;
use crate::cli::output::{self, Format};

/// Looks into a component.
pub(super) fn run(source: &str, wit: Option<&Path>, format: Format) -> Result<(), CliError> {
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
pub(super) fn look(source: &str, bytes: &[u8]) -> Result<Inspection, CliError> {
    muster_wasm::inspect(bytes).map_err(|error| CliError::Failed(format!("{source}: {error}")))
}

/// Reads the texts in WIT.
pub(super) fn read_docs(wit: &Path) -> Result<Docs, CliError> {
    Docs::read_directory(wit).map_err(|error| CliError::Usage(format!("{}: {error}", wit.display())))
}

/// Prints everything about it.
pub(super) fn print(inspection: &Inspection, format: Format) {
    let commands = commands(inspection);
    let about = json!({
        "name": inspection.name, "version": inspection.version, "description": inspection.description,
        "digest": inspection.digest, "size_bytes": inspection.size_bytes, "producers": inspection.producers,
        "imports": inspection.imports, "exports": inspection.exports, "requests": inspection.requests(),
        "settings": settings(inspection), "commands": names(&commands), "notes": inspection.notes(),
    });
    if format != Format::Table {
        let mut about = about;
        if let Some(members) = about.as_object_mut() {
            members.insert("commands".to_owned(), json!(commands));
        }
        output::value(&about, format);
        return;
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
        [] => json!("known once it is loaded: the component was not packed with `muster plugin pack`"),
        some => some.iter().filter_map(|command| command.get("name").cloned()).collect(),
    }
}

/// The settings, a line for each.
fn settings(inspection: &Inspection) -> Value {
    let Some(manifest) = &inspection.manifest else { return json!([]) };
    let properties = manifest.settings.as_ref().and_then(|settings| settings.get("properties"));
    let line = |(name, property): (&String, &Value)| {
        let about = property.get("description").and_then(Value::as_str).unwrap_or_default();
        let secret = if manifest.is_secret(name) { " (secret)" } else { "" };
        format!("{name}{secret}: {about}")
    };
    properties.and_then(Value::as_object).into_iter().flatten().map(line).collect()
}
