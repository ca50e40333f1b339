//! What `module_install`, `module_upgrade` and `module_check` have in common: their arguments, and their time.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use muster_core::error::CallError;
use muster_core::plugins::{COMPONENT_BYTES_MAX, InstallRequest, Isolation, PluginUpdate};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::Services;
use crate::result::plugin_name;

/// Longest arguments text: base64 takes four bytes for three.
pub(crate) const INPUT_BYTES_MAX: usize = COMPONENT_BYTES_MAX / 3 * 4 + 64 * 1024;
/// Time to send a component.
const SENDING: Duration = Duration::from_secs(30);

/// Time that sending a component and making a plugin of it may take: bounds of their own end what is too much.
pub(crate) fn time(services: &Services) -> Duration {
    let limits = services.plugins.limits();
    let work = limits.iter().filter(|limit| ["compile_ms_max", "describe_deadline_ms"].contains(&limit.name));
    SENDING + Duration::from_millis(work.map(|limit| limit.value).sum())
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Arguments {
    /// Name of the plugin. Without `component`, also of the file `NAME.wasm` in the host's directory of available
    /// components.
    module: String,
    /// The component, base64.
    #[schemars(extend("contentEncoding" = "base64", "contentMediaType" = "application/wasm"))]
    component: Option<String>,
    /// Grants, in addition to those of the running version: `keyvalue` (durable data of its own), `command:NAME` (call
    /// that command for its callers), `http:[METHODS ]SCHEME://HOST[:PORT]` and `http-private:…` (make requests to that
    /// host), `directory:GUEST_PATH=HOST_DIRECTORY` and `directory-rw:…` (access that directory).
    #[serde(default)]
    grants: Vec<String>,
    /// Grants of the running version to remove.
    #[serde(default)]
    revoke: Vec<String>,
    /// Settings, in addition to those of the running version; some may be secret. The value `null` removes a setting.
    #[serde(default)]
    #[schemars(extend("writeOnly" = true))]
    settings: BTreeMap<String, Option<String>>,
    /// Which calls share an instance: none (`call`), those of the same caller with the same permissions (`caller`), or
    /// all (`plugin`).
    #[schemars(extend("enum" = ["call", "caller", "plugin"]))]
    isolation: Option<String>,
    /// Documentation of exported functions and types, by `package/interface#item`. Only needed for a component with
    /// typed exports.
    #[serde(default)]
    docs: BTreeMap<String, String>,
}

impl Arguments {
    /// The component with what the operator wants of it, read from the arguments or the host's disk.
    pub(crate) async fn candidate(self, services: &Services) -> Result<InstallRequest, CallError> {
        let name = plugin_name(&self.module)?;
        let component = match self.component {
            Some(text) => STANDARD
                .decode(text)
                .map_err(|error| CallError::argument("/component", format!("is not base64: {error}")))?
                .into(),
            None => services.plugins.read_available(&name).await?,
        };
        Ok(InstallRequest {
            component,
            name: Some(name),
            change: PluginUpdate {
                grants: self.grants,
                revoke: self.revoke,
                settings: self.settings,
                isolation: self.isolation.as_deref().and_then(Isolation::parse),
            },
            docs: self.docs,
        })
    }
}
