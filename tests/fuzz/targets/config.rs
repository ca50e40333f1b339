//! A configuration file: whatever the text, it is read or refused, and what it means can be printed and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use muster::config::Config;

fuzz_target!(|text: &str| {
    let Ok(config) = Config::parse("muster.yaml", text) else { return };
    let mut rules = config.permissions.to_json();
    rules.insert("hosts".to_owned(), config.hosts.into());
    let printed = serde_json::Value::Object(rules).to_string();
    let again = Config::parse("muster.yaml", &printed).map(|config| config.permissions);
    assert_eq!(again.as_ref(), Ok(&config.permissions), "{printed}");
});
