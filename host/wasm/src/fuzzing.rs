//! Doors for the fuzz targets of `tests/fuzz`. They are in no other build.

use std::sync::{Arc, OnceLock, Weak};

use bytes::Bytes;
use muster_component::functions::Docs;
use muster_core::name::PluginName;
use tokio::runtime::Runtime;

use crate::limits::Limits;
use crate::load::loader::{LoadRequest, Loader, PluginSettings};
use crate::null_storage::NullStorage;

/// Converts JSON to a value of the type this number stands for, and back.
pub fn value(seed: u64, text: &[u8]) {
    crate::run::typed::fuzzing::value(seed, text);
}

/// Loads a component as `module_install` does, its `describe` included; a refusal says why.
pub fn load(component: &[u8]) {
    static LOADER: OnceLock<(Runtime, Arc<Loader>)> = OnceLock::new();
    let (runtime, loader) = LOADER.get_or_init(|| {
        let limits = Limits { describe_deadline_ms: 200, ..Limits::default() };
        let loader = Loader::new(limits, None, Arc::new(NullStorage)).expect("an engine can be made");
        (Runtime::new().expect("a runtime can be made"), Arc::new(loader))
    });
    let wish = LoadRequest {
        component: Bytes::copy_from_slice(component),
        name: PluginName::parse("fuzzed").ok(),
        terms: PluginSettings::default(),
        docs: Docs::default(),
        encoded: None,
    };
    if let Err(error) = runtime.block_on(loader.load(wish, Weak::new())) {
        assert!(!error.to_string().is_empty() && !error.code().is_empty());
    }
}
