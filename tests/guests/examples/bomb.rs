//! A guest that describes itself in every way that should be refused: the setting `bomb` chooses which.
//!
//! Against the contract itself, because the SDK describes only what is right.

#![expect(clippy::print_stdout, reason = "that is what it floods")]

use muster_sdk::{config, raw};

/// What the component is.
#[derive(Debug)]
pub struct Plugin;

impl raw::Guest for Plugin {
    fn describe() -> Result<Vec<raw::Command>, String> {
        let bomb = config::get("bomb").ok().flatten().unwrap_or_default();
        let mut command = harmless("bomb");
        match bomb.as_str() {
            "none" => {}
            "no_commands" => return Ok(Vec::new()),
            "many_commands" => return Ok((0..100_000).map(|number| harmless(&format!("bomb{number}"))).collect()),
            "twice" => return Ok(vec![harmless("bomb"), harmless("bomb")]),
            "no_name" => command.name = String::new(),
            "loud_name" => command.name = "BOMB".into(),
            "long_name" => command.name = "b".repeat(1 << 20),
            "path_name" => command.name = "../bomb".into(),
            "no_summary" => command.summary = String::new(),
            "long_summary" => command.summary = "b".repeat(1 << 20),
            "two_line_summary" => command.summary = "one\ntwo".into(),
            "long_description" => command.description = "b".repeat(8 << 20),
            "many_tags" => command.tags = (0..10_000).map(|number| format!("tag{number}")).collect(),
            "bad_tag" => command.tags = vec!["]['".into()],
            "late_version" => command.version = u32::MAX,
            "many_examples" => command.examples = vec![example("{}", "0"); 10_000],
            "false_example" => command.examples = vec![example("{}", "\"text\"")],
            "broken_example" => command.examples = vec![example("{", "0")],
            "text_schema" => command.input = "schema".into(),
            "empty_schema" => command.input = String::new(),
            "array_schema" => command.input = "[]".into(),
            "deep_schema" => command.output = nested(5_000),
            "long_schema" => command.output = format!("{{\"description\": \"{}\"}}", "b".repeat(4 << 20)),
            "wide_schema" => command.output = format!("{{\"enum\": [{}0]}}", "0,".repeat(1 << 20)),
            "remote_schema" => command.output = r#"{"$ref": "https://example.org/schema"}"#.into(),
            "file_schema" => command.output = r#"{"$ref": "file:///etc/passwd"}"#.into(),
            "endless_schema" => {
                command.output = r##"{"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}"##.into();
            }
            "doubling_schema" => {
                // Each part says the next one twice: a trillion steps for any value.
                let part = |number: u32| {
                    let next = format!(r##"{{"$ref": "#/$defs/d{}"}}"##, number + 1);
                    format!(r#""d{number}": {{"allOf": [{next}, {next}]}}"#)
                };
                let parts: Vec<String> = (0..40).map(part).collect();
                command.output =
                    format!(r##"{{"$ref": "#/$defs/d0", "$defs": {{{}, "d40": {{}}}}}}"##, parts.join(", "));
            }
            "chain_schema" => {
                let part = |number: u32| format!(r##""d{number}": {{"$ref": "#/$defs/d{}"}}"##, number + 1);
                let parts: Vec<String> = (0..1_500).map(part).collect();
                command.output =
                    format!(r##"{{"$ref": "#/$defs/d0", "$defs": {{{}, "d1500": {{}}}}}}"##, parts.join(", "));
            }
            "pattern_schema" => command.output = format!(r#"{{"pattern": "{}"}}"#, "(a{1000}){1000}".repeat(10)),
            "duplicate_schema" => command.output = r#"{"type": "integer", "type": "string"}"#.into(),
            "spin" => loop {
                std::hint::black_box(0);
            },
            "hoard" => {
                let mut hoard: Vec<Vec<u8>> = Vec::new();
                loop {
                    hoard.push(std::hint::black_box(vec![1; 1 << 20]));
                }
            }
            "trap" => trap(),
            "complain" => {
                let words = b"reading the licence file\nno licence file in \x1b[31m/etc\x1b[0m\n";
                let _ = std::io::Write::write_all(&mut std::io::stderr(), words);
                trap();
            }
            "long_title" => command.examples = vec![raw::Example { title: "t".repeat(501), ..example("{}", "0") }],
            "long_note" => command.deprecated = Some("n".repeat(501)),
            "long_example" => command.examples = vec![example(&format!("[{}]", "0,".repeat(32 << 10) + "0"), "0")],
            "any_object" => command.input = r#"{"type": "object"}"#.into(),
            "exit" => std::process::exit(0),
            "refuse" => return Err("b".repeat(1 << 20)),
            "log" => (0..1_000_000).for_each(|number| println!("line {number}")),
            other => return Err(format!("no bomb `{other}`")),
        }
        Ok(vec![command])
    }

    fn call(_name: String, _version: u32, _input: String, _caller: raw::Caller) -> Result<String, raw::CallError> {
        Ok("0".into())
    }
}

fn harmless(name: &str) -> raw::Command {
    raw::Command {
        name: name.into(),
        summary: "Does nothing".into(),
        description: String::new(),
        tags: vec!["hostile".into()],
        input: r#"{"type": "object", "additionalProperties": false}"#.into(),
        output: r#"{"type": "integer"}"#.into(),
        examples: Vec::new(),
        effects: raw::Effects::empty(),
        version: 0,
        audience: raw::Audience::Restricted,
        deprecated: None,
    }
}

fn example(input: &str, output: &str) -> raw::Example {
    raw::Example { title: "An example".into(), input: input.into(), output: output.into() }
}

fn nested(depth: usize) -> String {
    format!("{}{{}}{}", r#"{"items": "#.repeat(depth), "}".repeat(depth))
}

fn trap() {
    #[cfg(target_family = "wasm")]
    core::arch::wasm32::unreachable();
}

#[cfg(target_family = "wasm")]
raw::export!(Plugin with_types_in muster_sdk::raw);
