//! A manifest: what is read is written, and read again as the same; settings are held against it.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use muster_component::Manifest;

fuzz_target!(|text: &[u8]| {
    let Ok(manifest) = Manifest::parse(text) else { return };
    let written = manifest.to_json().to_string();
    let again = Manifest::parse(written.as_bytes()).expect("what was written is read");
    assert_eq!(again.to_json().to_string(), written);
    for settings in [&[][..], &[("a", "1")], &[("", "")]] {
        let settings = settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let _ = manifest.settings(&settings.collect::<BTreeMap<_, _>>());
    }
});
