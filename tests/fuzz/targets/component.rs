//! Loading a component: inspected, and loaded as an installation does.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(inspection) = muster_component::inspect(bytes) {
        let _ = (inspection.notes(), inspection.requests(), inspection.plugin_name(None));
    }
    muster_wasm::fuzzing::load(bytes);
});
