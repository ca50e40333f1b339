//! Puts a manifest into a component: the author's requests and settings, and the commands the plugin describes.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use muster_component::LoadError;
use muster_component::core_module::to_component;
use muster_component::functions::Docs;
use muster_component::inspect::inspect;
use muster_component::manifest::Manifest;
use muster_core::name::PluginName;

use crate::limits::Limits;
use crate::load::describe;
use crate::load::loader::{LoadRequest, Loader, PluginSettings};
use crate::null_storage::NullStorage;

/// The component with a manifest, whose commands the plugin is asked for here, in the sandbox and under the limits of any
/// call. `manifest` has what its author wrote; its commands are not looked at. Of a core module that says which component it
/// is, that component is packed.
///
/// # Errors
/// When the component could not be loaded by a host that grants what it asks for.
pub async fn pack(component: Bytes, manifest: Manifest, limits: Limits) -> Result<Vec<u8>, LoadError> {
    let manifest = Manifest { commands: None, ..manifest };
    // A manifest is read in components only.
    inspect(&component)?;
    let component = to_component(&component)?;
    // Loaded as it will be, so that what is asked for and what is read is checked too.
    let packed = Bytes::from(manifest.without_required().add_to(&component)?);
    let loader =
        Loader::new(limits, None, Arc::new(NullStorage)).map_err(|error| LoadError::Compile(error.to_string()))?;
    let inspection = inspect(&packed)?;
    // Directories of the host they will run on are not here, and commands are described without them.
    let directory = |request: &String| request.starts_with("directory");
    let grants = inspection.requests().into_iter().filter(|request| !directory(request)).collect();
    let terms = PluginSettings { grants, settings: BTreeMap::new(), ..PluginSettings::default() };
    let name = inspection
        .plugin_name(None)
        .or_else(|_| PluginName::parse("unnamed").map_err(|error| LoadError::NoName(error.to_string())))?;
    let wish = LoadRequest { component: packed, name: Some(name), terms, docs: Docs::default(), encoded: None };
    let commands = match Arc::new(loader).load(wish, Weak::new()).await {
        Ok(plugin) => Some(plugin.commands.iter().map(|one| describe::encode(&one.command)).collect()),
        // Which commands it has is known once it has its settings.
        Err(LoadError::Refuses(_)) if manifest.commands_depend_on_settings => None,
        Err(error) => return Err(error),
    };
    Manifest { commands, ..manifest }.add_to(&component)
}
