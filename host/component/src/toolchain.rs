//! Which tools made a component, and what their users should do when it does not fit: the same refusal has another remedy
//! for each of them.

use crate::error::LoadError;

/// Part of a tool's name, part of a refusal → what its users do about it. The first line that fits is told.
const REMEDIES: [(&str, &str, &str); 7] = [
    ("componentize-qjs", "async", "build it with `--sync`"),
    ("jco", "async", "build it with `--backend-qjs-disable-async`"),
    ("componentize-js", "wasi:http", "build it with `--disable http fetch-event`, if it makes no requests"),
    ("jco", "wasi:http", "build it with `--disable http fetch-event`, if it makes no requests"),
    ("componentize-py", "wasi:", "build it with `--stub-wasi`, if it does not use that"),
    ("Go", "wasi:", "let the plugin import only the interfaces of its world"),
    ("", "async", "build it for WASI 0.2, whose functions are not asynchronous"),
];
/// Tools that are named.
const NAMED_MAX: usize = 6;
/// Longest name of a tool with its version, in characters.
const NAME_CHARS_MAX: usize = 60;

/// A refusal, with the tools that made the component and what their users do about it. What its operator wrote is no
/// matter of tools.
pub fn explain(error: LoadError, producers: &[String]) -> LoadError {
    if matches!(
        error,
        LoadError::BadGrant { .. }
            | LoadError::Settings(_)
            | LoadError::NoName(_)
            | LoadError::Store(_)
            | LoadError::Register(_)
    ) {
        return error;
    }
    let text = error.to_string();
    let remedy = REMEDIES.iter().find(|(tool, part, _)| {
        text.contains(part) && (tool.is_empty() || producers.iter().any(|producer| producer.starts_with(tool)))
    });
    let made_by = named(producers);
    if remedy.is_none() && made_by.is_empty() {
        return error;
    }
    let remedy = remedy.map(|(_, _, remedy)| format!("; {remedy}")).unwrap_or_default();
    let made_by = if made_by.is_empty() { String::new() } else { format!(" (made by {})", made_by.join(", ")) };
    LoadError::Explained { error: Box::new(error), more: format!("{remedy}{made_by}") }
}

/// Tools as a sentence names them: each once, with the version that is named first, and without what stands in brackets.
fn named(producers: &[String]) -> Vec<String> {
    let mut named: Vec<(&str, String)> = Vec::new();
    for producer in producers {
        let tool = producer.split_whitespace().next().unwrap_or_default();
        if named.len() < NAMED_MAX && !tool.is_empty() && !named.iter().any(|(other, _)| *other == tool) {
            let text = producer.split_once('(').map_or(producer.as_str(), |(text, _)| text);
            named.push((tool, text.trim().chars().take(NAME_CHARS_MAX).collect()));
        }
    }
    named.into_iter().map(|(_, text)| text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_are_named_once_and_whole() {
        let long = "x".repeat(100);
        let (clang, rustc) =
            ("clang 21.1.4-wasi-sdk (https://github.com/llvm/llvm-project 222fc)", "rustc 1.95.0 (5980)");
        for (producers, expected) in [
            (&[clang, "wit-component 0.244.0"][..], &["clang 21.1.4-wasi-sdk", "wit-component 0.244.0"][..]),
            (
                &["wit-component 0.245.1", "Rust", rustc, "wit-component 0.244.0"],
                &["wit-component 0.245.1", "Rust", "rustc 1.95.0"],
            ),
            (&["a 1", "b 1", "c 1", "d 1", "e 1", "f 1", "g 1"], &["a 1", "b 1", "c 1", "d 1", "e 1", "f 1"]),
            (&["", " ", &long], &[&long[..NAME_CHARS_MAX]]),
        ] {
            let producers: Vec<String> = producers.iter().map(|tool| (*tool).to_owned()).collect();
            assert_eq!(named(&producers), expected);
        }
    }

    #[test]
    fn each_tool_has_its_remedy() {
        let import = |import: &str| LoadError::UnknownImport { import: import.to_owned(), hint: String::new() };
        let engine = "`task.cancel` requires the component model async feature (at offset 0x1f3a)";
        let compile = || LoadError::not_compiled(engine);
        assert!(!compile().to_string().contains("offset"), "the engine's own text is not shown");
        for (error, producers, expected) in [
            (compile(), &["componentize-qjs 0.4.5"][..], "; build it with `--sync` (made by componentize-qjs 0.4.5)"),
            (compile(), &[], "; build it for WASI 0.2, whose functions are not asynchronous"),
            (import("wasi:http/types@0.2.0"), &["componentize-js 0.22"], "--disable http fetch-event"),
            (import("acme:x/y"), &["rustc 1.95", "wit-component 0.254"], "(made by rustc 1.95, wit-component 0.254)"),
        ] {
            let producers: Vec<String> = producers.iter().map(|tool| (*tool).to_owned()).collect();
            let (code, plain) = (error.code(), error.to_string());
            let explained = explain(error, &producers);
            let text = explained.to_string();
            assert!(text.starts_with(&plain) && text.contains(expected), "{text}");
            assert_eq!(explained.code(), code);
        }
        assert_eq!(explain(LoadError::NotWasm, &[]).to_string(), LoadError::NotWasm.to_string());
    }
}
