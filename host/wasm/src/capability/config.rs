//! `wasi:config/store`: the settings the operator gave to this plugin, and no others. A secret is given to who names it,
//! and never listed.

use super::used::Interface;
use crate::bindings::wasi::config::store::{Error, Host};
use crate::run::store::PluginState;

impl Host for PluginState {
    async fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<String>, Error>> {
        self.plugin.granted.uses.interface(Interface::Config);
        Ok(Ok(self.plugin.settings.get(&key).cloned()))
    }

    async fn get_all(&mut self) -> wasmtime::Result<Result<Vec<(String, String)>, Error>> {
        self.plugin.granted.uses.interface(Interface::Config);
        let listed = self.plugin.settings.iter().filter(|(key, _)| !self.plugin.secrets.contains(*key));
        Ok(Ok(listed.map(|(key, value)| (key.clone(), value.clone())).collect()))
    }
}
