//! `muster plugin pack`: puts into a component what its author says of it, so that it can be looked at before it runs.

use std::fs::{File, Permissions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use muster_component::Manifest;
use muster_component::manifest::MANIFEST_BYTES_MAX;
use muster_wasm::Limits;
use serde_json::{Map, Value, json};

use muster_cli::output::{self, Format};
use muster_cli::plugin::source;
use muster_cli::{CliError, block_on};

#[derive(Args, Debug)]
#[command(after_help = KEYS_HELP)]
pub(in crate::commands) struct Pack {
    /// The .wasm file that the build wrote; with --to, also its address
    file: PathBuf,
    /// The manifest [default: muster.toml in the current directory, if it exists]
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// Where to write the packed component [default: replace FILE]
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

/// Keys of `muster.toml`.
const KEYS: [&str; 3] = ["requests", "commands_depend_on_settings", "settings"];

/// The same keys in the help, for the author of the file.
const KEYS_HELP: &str = "\
Keys of muster.toml (plugins/README.md, \"Pack and test\", has a complete example):
  requests = [\"GRANT\", ...]           requested grants, in the form of --grant
  [settings.NAME]                       a setting: type, default, description
                                        and the like of JSON Schema; required = true,
                                        secret = true
  commands_depend_on_settings = true    the commands depend on the settings";

pub(super) fn run(pack: &Pack, format: Format) -> Result<(), CliError> {
    let source = pack.file.display().to_string();
    if pack.to.is_none() && source::is_address(&source) {
        let text = "a component at an address cannot be replaced; name the packed file with --to, or download the \
                    component first";
        return Err(CliError::Usage(format!("{source}: {text}")));
    }
    let target = Target::of(pack.to.as_ref().unwrap_or(&pack.file))?;
    let written = pack.manifest.clone().or_else(|| Some(PathBuf::from("muster.toml")).filter(|file| file.exists()));
    let manifest = written.as_deref().map_or_else(|| Ok(Manifest::default()), read)?;
    let component = source::read(&source)?;
    if muster_cli::plugin::inspect::look(&source, &component)?.manifest.is_some() {
        let text = "the component is already packed; pack the file that the build wrote, or build it again";
        return Err(CliError::Failed(format!("{source}: {text}")));
    }
    let spinner = output::spinner("reading the commands of the plugin");
    let packed = block_on(muster_wasm::pack(component.into(), manifest, Limits::default()))?;
    spinner.finish_and_clear();
    let packed = packed.map_err(|error| CliError::Failed(format!("{source}: {error}")))?;
    target.write(&packed)?;
    let target = target.shown;
    let inspection = muster_cli::plugin::inspect::look(&target, &packed)?;
    let commands = inspection.manifest.as_ref().and_then(|manifest| manifest.commands.as_ref()).map_or(0, Vec::len);
    let line = format!("{target} packed: {commands} commands, {} bytes", packed.len());
    let json = json!({ "file": target, "commands": commands, "size_bytes": packed.len() });
    output::line(&line, &json, format);
    Ok(())
}

/// Where the packed component goes.
struct Target {
    /// As it was named.
    shown: String,
    /// The file itself, links followed.
    file: PathBuf,
    /// Who may do what with the file that is there.
    permissions: Option<Permissions>,
}

impl Target {
    fn of(named: &Path) -> Result<Self, CliError> {
        let shown = named.display().to_string();
        let Ok(file) = named.canonicalize() else {
            return Ok(Self { shown, file: named.to_path_buf(), permissions: None });
        };
        match file.metadata() {
            Ok(metadata) if metadata.is_file() => Ok(Self { shown, file, permissions: Some(metadata.permissions()) }),
            Ok(_) => Err(CliError::Usage(format!(
                "{shown} is not a regular file and cannot be replaced; name the packed file with --to"
            ))),
            Err(error) => Err(CliError::Missing(format!("{shown} cannot be examined: {error}"))),
        }
    }

    /// Puts the bytes there whole or not at all: the target may be the source.
    fn write(&self, bytes: &[u8]) -> Result<(), CliError> {
        let unfinished = self.file.with_extension("wasm.unfinished");
        // One that was left behind, or laid there.
        let _ = std::fs::remove_file(&unfinished);
        let written = File::create_new(&unfinished)
            .and_then(|mut file| file.write_all(bytes))
            .and_then(|()| match &self.permissions {
                Some(permissions) => std::fs::set_permissions(&unfinished, permissions.clone()),
                None => Ok(()),
            })
            .and_then(|()| std::fs::rename(&unfinished, &self.file));
        written.map_err(|error| {
            let _ = std::fs::remove_file(&unfinished);
            CliError::Failed(format!("{} cannot be written: {error}", self.shown))
        })
    }
}

/// Reads `muster.toml`.
fn read(file: &Path) -> Result<Manifest, CliError> {
    let wrong = |reason: String| CliError::Usage(format!("{}: {reason}", file.display()));
    let bytes = source::file(file, MANIFEST_BYTES_MAX)?;
    let text = String::from_utf8(bytes).map_err(|error| wrong(format!("it is not UTF-8 text: {error}")))?;
    parse(&text).map_err(wrong)
}

fn parse(text: &str) -> Result<Manifest, String> {
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| error.to_string())?;
    if let Some(other) = table.keys().find(|key| !KEYS.contains(&key.as_str())) {
        return Err(format!("unknown key `{other}`; known keys are {}", KEYS.join(", ")));
    }
    let requests = match table.get("requests") {
        None => Vec::new(),
        Some(toml::Value::Array(items)) => items
            .iter()
            .map(|item| item.as_str().map(str::to_owned))
            .collect::<Option<_>>()
            .ok_or("`requests` must be a list of strings, such as \"keyvalue\"")?,
        Some(_) => return Err("`requests` must be a list of strings, such as \"keyvalue\"".to_owned()),
    };
    let commands_depend_on_settings = match table.get("commands_depend_on_settings") {
        None => false,
        Some(value) => value.as_bool().ok_or("`commands_depend_on_settings` must be true or false")?,
    };
    let settings = match table.get("settings") {
        None => None,
        Some(toml::Value::Table(settings)) => Some(schema(settings)?),
        Some(_) => return Err("`settings` must contain a table for each setting: [settings.NAME]".to_owned()),
    };
    Ok(Manifest { requests, settings, commands: None, commands_depend_on_settings })
}

/// JSON Schema of the settings: each table is the schema of one, with `secret` and `required` beside it.
fn schema(settings: &toml::Table) -> Result<Value, String> {
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for (name, setting) in settings {
        let mut setting = setting.as_table().cloned().ok_or_else(|| format!("[settings.{name}] is not a table"))?;
        let mut flag = |key: &str| match setting.remove(key) {
            None => Ok(false),
            Some(value) => value.as_bool().ok_or_else(|| format!("settings.{name}: `{key}` must be true or false")),
        };
        let (secret, needed) = (flag("secret")?, flag("required")?);
        let mut property = serde_json::to_value(setting).map_err(|error| error.to_string())?;
        if let Some(members) = property.as_object_mut().filter(|_| secret) {
            members.insert("writeOnly".to_owned(), json!(true));
        }
        properties.insert(name.clone(), property);
        if needed {
            required.push(json!(name));
        }
    }
    Ok(json!({ "type": "object", "properties": properties, "required": required }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authors_file_becomes_a_manifest() {
        let manifest = parse(
            "requests = [\"keyvalue\"]\n[settings.url]\ntype = \"string\"\nrequired = true\n\
             [settings.key]\ntype = \"string\"\nsecret = true\n",
        )
        .unwrap();
        assert_eq!(manifest.requests, ["keyvalue"]);
        let expected = json!({
            "type": "object", "required": ["url"],
            "properties": {"url": {"type": "string"}, "key": {"type": "string", "writeOnly": true}},
        });
        assert_eq!(manifest.settings, Some(expected));
        assert_eq!(parse("").unwrap(), Manifest::default());
    }

    #[test]
    fn the_documented_file_is_one_and_has_every_key() {
        let page = include_str!("../../../../../plugins/README.md");
        let text = page.split("```toml\n").find(|text| text.contains("requests =")).unwrap();
        let text = text.split("```").next().unwrap();
        let manifest = parse(text).unwrap();
        assert!(manifest.is_secret("api_key") && !manifest.is_secret("retries"));
        for key in KEYS {
            assert!(text.contains(key) && KEYS_HELP.contains(key), "{key}");
        }
    }

    #[test]
    fn nothing_takes_the_place_of_a_device() {
        for (path, is_target) in [("/dev/null", false), ("/tmp", false), ("Cargo.toml", true), ("not-there.wasm", true)]
        {
            assert_eq!(Target::of(Path::new(path)).is_ok(), is_target, "{path}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (text, part) in [
            ("request = []", "unknown key `request`; known keys are requests"),
            ("requests = 1", "`requests` must be a list of strings"),
            ("requests = [1]", "`requests` must be a list of strings"),
            ("settings = 1", "[settings.NAME]"),
            ("[settings]\na = 1", "[settings.a] is not a table"),
            ("[settings.a]\nsecret = \"yes\"", "settings.a: `secret` must be true or false"),
            ("commands_depend_on_settings = 1", "must be true or false"),
            ("= 1", "TOML parse error"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
