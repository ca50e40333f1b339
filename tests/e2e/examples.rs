//! Every example of every sample plugin is a promise: called, it gives what it says.

use serde_json::{Value, json};
use tests::Host;

#[test]
fn sample_plugins_keep_their_examples() {
    let host = Host::start();
    host.install("hello", &[]);
    host.install("render", &[]);
    host.install("roster", &["keyvalue"]);
    let commands = host.call("admin", "help", &json!({})).value();
    let mut run = 0;
    for command in commands.as_array().unwrap() {
        if command["origin"] == "built-in" {
            continue;
        }
        let (name, version) = (command["name"].as_str().unwrap(), &command["version"]);
        let examples = command["examples"].as_array().unwrap();
        assert!(!examples.is_empty(), "{name} has no example");
        for example in examples {
            let answer = host.call("admin", &format!("{name}/v{version}"), &example["input"]);
            assert_eq!(answer.value(), example["output"], "{name}: {}", example["title"]);
            run += 1;
        }
    }
    assert!(run >= 6, "{run}");
}

#[test]
fn every_command_says_what_it_is() {
    let host = Host::start();
    for command in host.call("admin", "help", &json!({})).value().as_array().unwrap() {
        let name = command["name"].as_str().unwrap();
        assert!(!command["tags"].as_array().unwrap().is_empty(), "{name} has no tag");
        assert!(!command["examples"].as_array().unwrap().is_empty(), "{name} has no example");
        let properties = command["input"]["properties"].as_object();
        for (argument, schema) in properties.into_iter().flatten() {
            assert!(matches!(&schema["description"], Value::String(_)), "{name}: {argument} is not described");
        }
    }
}
