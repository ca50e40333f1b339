//! A guest whose results break JSON, its schema or the caller's terminal, each in the way it is asked to.
//!
//! Against the contract itself, because the SDK cannot lie.

use muster_sdk::raw;

/// What the component is.
#[derive(Debug)]
pub struct Plugin;

impl raw::Guest for Plugin {
    fn describe() -> Result<Vec<raw::Command>, String> {
        Ok(vec![raw::Command {
            name: "liar".into(),
            summary: "Answers as it is asked to".into(),
            description: String::new(),
            tags: vec!["hostile".into()],
            input: r#"{"type": "object", "properties": {"lie": {"type": "string"}}, "additionalProperties": false}"#
                .into(),
            output: r#"{"type": ["array", "string", "number", "object"]}"#.into(),
            examples: Vec::new(),
            effects: raw::Effects::empty(),
            version: 0,
            audience: raw::Audience::Restricted,
            deprecated: None,
        }])
    }

    fn call(_name: String, _version: u32, input: String, _caller: raw::Caller) -> Result<String, raw::CallError> {
        let asked = |lie: &str| input.contains(&format!("\"{lie}\""));
        let long = || "b".repeat(1 << 20);
        if asked("error_long") {
            return Err(raw::CallError::Failed(long()));
        }
        if asked("error_control") {
            return Err(raw::CallError::Failed("\u{1b}[2J\r\nset-cookie: a=b\0".into()));
        }
        if asked("error_pointer") {
            let error = raw::ArgumentError { pointer: "not a pointer".into(), message: "wrong".into() };
            return Err(raw::CallError::InvalidArgument(error));
        }
        let lies: [(&str, String); 14] = [
            ("empty", String::new()),
            ("words", "not JSON".into()),
            ("deep", "[".repeat(100_000) + &"]".repeat(100_000)),
            ("unclosed", "[1, 2".into()),
            ("trailing", "1 2".into()),
            ("two", "1\n2".into()),
            ("nan", "NaN".into()),
            ("infinite", "1e999".into()),
            ("surrogate", r#""\ud800""#.into()),
            ("duplicate", r#"{"a": 1, "a": 2}"#.into()),
            ("mark", "\u{feff}1".into()),
            ("null", "null".into()),
            ("boolean", "true".into()),
            ("wide", format!("[{}0]", "0,".repeat(5 << 20))),
        ];
        let lie = lies.into_iter().find(|(lie, _)| asked(lie));
        Ok(lie.map_or_else(|| "\"the truth\"".into(), |(_, text)| text))
    }
}

#[cfg(target_family = "wasm")]
raw::export!(Plugin with_types_in muster_sdk::raw);
