//! Rules about the project itself that no compiler holds.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tests::root;

fn files(below: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(below).unwrap().map(|entry| entry.unwrap().path()) {
        let name = entry.file_name().unwrap().to_str().unwrap().to_owned();
        if entry.is_dir() && name != "target" && !name.starts_with('.') {
            found.extend(files(&entry, ending));
        } else if name.ends_with(ending) {
            found.push(entry);
        }
    }
    found
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().display().to_string()
}

#[test]
fn every_file_says_what_it_is() {
    for file in files(&root(), ".rs") {
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.starts_with("//! "), "{} does not begin with what it is", shown(&file));
    }
}

#[test]
fn arrows_between_crates_point_one_way() {
    let allowed: &[(&str, &[&str])] = &[
        ("muster-core", &[]),
        ("muster-audit", &["muster-core"]),
        ("muster-issuer", &["muster-core"]),
        ("muster-storage", &["muster-core"]),
        ("muster-component", &["muster-core"]),
        ("muster-cli", &["muster-audit", "muster-component", "muster-core"]),
        ("muster-wasm", &["muster-component", "muster-core"]),
        ("muster-builtin", &["muster-core"]),
        ("muster-frontend", &["muster-core"]),
        (
            "muster",
            &[
                "muster-audit",
                "muster-builtin",
                "muster-cli",
                "muster-component",
                "muster-core",
                "muster-frontend",
                "muster-issuer",
                "muster-storage",
                "muster-wasm",
            ],
        ),
        ("tests", &[]),
        ("xtask", &[]),
    ];
    let output = Command::new("cargo")
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root())
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        let Some((_, allowed)) = allowed.iter().find(|(own, _)| *own == name) else { continue };
        for dependency in package["dependencies"].as_array().unwrap() {
            let dependency = dependency["name"].as_str().unwrap();
            let ours = dependency == "muster" || dependency.starts_with("muster-");
            assert!(!ours || allowed.contains(&dependency), "{name} may not depend on {dependency}");
            let engine = dependency.starts_with("wasmtime");
            assert!(!engine || name == "muster-wasm", "only muster-wasm names {dependency}, not {name}");
            let reader = dependency == "wasmparser";
            assert!(!reader || name == "muster-component", "only muster-component names {dependency}, not {name}");
            let wire = ["axum", "hyper", "tokio", "redb", "saphyr", "clap"].contains(&dependency);
            assert!(!wire || name != "muster-core", "core names no wire, runtime or store: {dependency}");
        }
    }
}

/// The files and folders right below a folder, by name, with the siblings that each imports.
fn imports_of_siblings(folder: &str) -> BTreeMap<String, BTreeSet<String>> {
    let entries = std::fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path());
    let entries: Vec<PathBuf> =
        entries.filter(|path| !["lib.rs", "mod.rs", "main.rs"].contains(&name_of(path).as_str())).collect();
    let names: Vec<String> = entries.iter().map(|path| stem_of(path)).collect();
    let module = folder.split_once("/src").unwrap().1.replace('/', "::");
    let mut found: BTreeMap<String, BTreeSet<String>> =
        names.iter().map(|name| (name.clone(), BTreeSet::new())).collect();
    for entry in &entries {
        let own = stem_of(entry);
        let within = if entry.is_dir() { files(entry, ".rs") } else { vec![entry.clone()] };
        for file in within {
            let text = std::fs::read_to_string(&file).unwrap();
            // A file right here says `super::`; deeper ones, and all of them, `crate::`.
            for sibling in names.iter().filter(|sibling| **sibling != own) {
                let near = file.parent() == entry.parent()
                    && ["::", ";"].iter().any(|end| text.contains(&format!("super::{sibling}{end}")));
                let paths = ["::", ";"].map(|end| format!("crate{module}::{sibling}{end}"));
                if near || paths.iter().any(|path| text.contains(path)) {
                    found.get_mut(&own).unwrap().insert(sibling.clone());
                }
            }
        }
    }
    found
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

fn stem_of(path: &Path) -> String {
    path.file_stem().unwrap().to_str().unwrap().to_owned()
}

/// The frontends: what is in their folder, but for what they share.
fn frontends() -> Vec<String> {
    let imports = imports_of_siblings("host/frontend/src");
    let shared: BTreeSet<String> = imports.values().flatten().cloned().collect();
    imports.into_keys().filter(|name| !shared.contains(name) && name != "fuzzing").collect()
}

/// Core decides for all frontends alike, so it knows none. (OAuth is how it knows callers, whoever serves the pages.)
#[test]
fn core_names_no_frontend() {
    let frontends: Vec<String> = frontends().into_iter().filter(|name| name != "oauth").collect();
    assert!(frontends.len() >= 5, "{frontends:?}");
    let is_test =
        |file: &Path| file.components().any(|part| part.as_os_str() == "tests" || part.as_os_str() == "tests.rs");
    for file in files(&root().join("host/core/src"), ".rs").into_iter().filter(|file| !is_test(file)) {
        let text = std::fs::read_to_string(&file).unwrap();
        let own = text.split("#[cfg(test)]").next().unwrap();
        for (number, line) in own.lines().enumerate() {
            // `rest` is a word too: it is the name only where it is quoted.
            let quoted = line.split('"').skip(1).step_by(2).any(|text| frontends.iter().any(|name| name == text));
            let words = line.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
            let said = words
                .map(|word| word.replace('-', "").to_lowercase())
                .any(|word| word != "rest" && frontends.contains(&word));
            assert!(!quoted && !said, "{}:{} names a frontend: {line}", shown(&file), number + 1);
        }
    }
}

/// No sibling imports another one. What they share stands beside them, and the folder says which is which: no list does.
#[test]
fn siblings_do_not_import_siblings() {
    let check = |folder: &str, is_sibling: &dyn Fn(&str, &BTreeSet<String>) -> bool| {
        let imports = imports_of_siblings(folder);
        let siblings: BTreeSet<&String> =
            imports.iter().filter(|(name, imported)| is_sibling(name, imported)).map(|(name, _)| name).collect();
        assert!(siblings.len() > 1, "{folder} has siblings");
        for own in &siblings {
            let others: Vec<&String> = imports[*own].iter().filter(|name| siblings.contains(name)).collect();
            assert!(others.is_empty(), "{folder}: {own} imports its siblings {others:?}");
        }
    };
    // What frontends share imports nothing that stands beside it.
    check("host/frontend/src", &|_, imported| !imported.is_empty());
    // Built-in commands are in folders, and what they share is in files.
    let is_noun = |name: &str| root().join("host/builtin/src").join(name).is_dir();
    check("host/builtin/src", &|name, _| is_noun(name));
    for noun in imports_of_siblings("host/builtin/src").into_keys().filter(|name| is_noun(name)) {
        let folder = format!("host/builtin/src/{noun}");
        let list = std::fs::read_to_string(root().join(&folder).join("mod.rs")).unwrap();
        let listed: Vec<&str> =
            list.split([' ', '[', ',']).filter_map(|word| word.split_once("::")).map(|(name, _)| name).collect();
        check(&folder, &|name, _| listed.contains(&name));
    }
    // A capability implements interfaces for guests.
    let is_capability = |name: &str| {
        let file = root().join("host/wasm/src/capability").join(name).with_extension("rs");
        std::fs::read_to_string(file).is_ok_and(|text| text.contains("bindings::"))
    };
    check("host/wasm/src/capability", &|name, _| is_capability(name));
}

#[test]
fn the_top_level_is_the_customers() {
    let allowed = [
        "Cargo.lock",
        "Cargo.toml",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "LICENSE",
        "README.md",
        "rust-toolchain.toml",
        "host",
        "plugins",
        "tests",
        "wit",
        "xtask",
        "target",
        "muster-data",
    ];
    for entry in std::fs::read_dir(root()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(name.starts_with('.') || allowed.contains(&name.as_str()), "{name} does not belong at the top level");
    }
}

#[test]
fn guests_and_components_are_the_same() {
    for example in files(&root().join("tests/guests/examples"), ".rs") {
        let name = example.file_stem().unwrap().to_str().unwrap().to_owned();
        let used = files(&root().join("tests/e2e"), ".rs")
            .iter()
            .any(|file| std::fs::read_to_string(file).unwrap().contains(&format!("\"{name}\"")));
        assert!(used, "no test uses the guest {name}");
        tests::component(&name);
    }
}

#[test]
fn wit_items_are_documented() {
    for file in files(&root().join("wit"), ".wit") {
        let text = std::fs::read_to_string(&file).unwrap();
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        for (number, line) in lines.iter().enumerate() {
            let item = ["interface ", "record ", "variant ", "enum ", "flags ", "resource ", "world "];
            let starts = item.iter().any(|word| line.starts_with(word)) || line.contains(": func(");
            let documented = number > 0 && lines[number - 1].starts_with("///");
            assert!(!starts || documented, "{}:{} is not documented: {line}", shown(&file), number + 1);
        }
    }
}

/// Words that hide who acts, and riddles: `docs/contributing` asks for the subject and the term of the field instead.
const BANNED: &[&str] = &[
    "anybody",
    "bite",
    "bites",
    "came about",
    "cannot be had",
    "in force",
    "lie ready",
    "lies ready",
    "nobody",
    "odd",
    "somebody",
    "whoever",
    "whose turn",
];

/// The banned words in a text.
fn banned(text: &str) -> Vec<&'static str> {
    let words = |text: &str| {
        let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        format!(" {} ", words.collect::<Vec<_>>().join(" ").to_lowercase())
    };
    let text = words(text);
    BANNED.iter().filter(|word| text.contains(&format!(" {word} "))).copied().collect()
}

/// String literals of a source file, before its tests and without the reasons of lints, each with its line.
fn literals(source: &str) -> Vec<(usize, String)> {
    let source = source.split("#[cfg(test)]\nmod ").next().unwrap();
    let mut found = Vec::new();
    let (mut rest, mut line) = (source, 1);
    while let Some(character) = rest.chars().next() {
        let quoted = |opening: &str, closing: &str| {
            rest.strip_prefix(opening)
                .and_then(|rest| rest.find(closing))
                .map(|end| opening.len() + end + closing.len())
        };
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if let Some(length) = quoted("r#\"", "\"#").or_else(|| quoted("r\"", "\"")) {
            found.push((line, rest[..length].to_owned()));
            length
        } else if rest.starts_with("'\"'") {
            3
        } else if rest.starts_with("'\\\"'") {
            4
        } else if let Some(reason) = rest.strip_prefix("reason = \"") {
            "reason = \"".len() + end_of_literal(reason)
        } else if character == '"' {
            let length = 1 + end_of_literal(&rest[1..]);
            found.push((line, rest[..length].replace("\\\n", " ")));
            length
        } else {
            character.len_utf8()
        };
        line += rest[..length].matches('\n').count();
        rest = &rest[length..];
    }
    found
}

/// Bytes up to and with the quote that ends a literal.
fn end_of_literal(inside: &str) -> usize {
    let mut escaped = false;
    for (at, character) in inside.char_indices() {
        match character {
            '"' if !escaped => return at + 1,
            _ => escaped = character == '\\' && !escaped,
        }
    }
    inside.len()
}

#[test]
fn literals_are_found_in_sources() {
    let source = "// \"no\"\nlet a = '\"';\nf(\"b \\\" \\\n c\", r#\"d \"e\"\"#);\n#[expect(x, reason = \"f\")]\n#[cfg(test)]\nmod tests { \"g\" }";
    let found: Vec<_> =
        literals(source).into_iter().map(|(line, text)| (line, text.trim_matches('"').to_owned())).collect();
    assert_eq!(found, [(3, "b \\\"   c".to_owned()), (4, "r#\"d \"e\"\"#".to_owned())]);
    assert_eq!(banned("Nobody: the rules in\nforce are odd, oddly"), ["in force", "nobody", "odd"]);
}

/// Texts of the program, its help and its documents are plain English.
#[test]
fn texts_say_who_acts() {
    let mut found = Vec::new();
    let is_test =
        |file: &Path| file.components().any(|part| ["tests", "tests.rs"].iter().any(|name| part.as_os_str() == *name));
    for file in files(&root().join("host"), ".rs").into_iter().filter(|file| !is_test(file)) {
        let source = std::fs::read_to_string(&file).unwrap();
        let mut texts = literals(&source);
        // Comments on arguments and results of commands are descriptions that callers read.
        if file.starts_with(root().join("host/builtin")) {
            let comments = source.lines().zip(1..).filter(|(line, _)| line.trim_start().starts_with("///"));
            texts.extend(comments.map(|(line, number)| (number, line.to_owned())));
        }
        for (number, text) in texts {
            found.extend(banned(&text).into_iter().map(|word| format!("{}:{number}: {word}: {text}", shown(&file))));
        }
    }
    let pages =
        files(&root().join("host/docs"), ".md").into_iter().chain(files(&root().join("host/frontend"), ".html"));
    let pages = pages.chain(["README.md", "host/README.md", "plugins/README.md"].map(|page| root().join(page)));
    for page in pages {
        for (line, number) in std::fs::read_to_string(&page).unwrap().lines().zip(1..) {
            found.extend(banned(line).into_iter().map(|word| format!("{}:{number}: {word}: {line}", shown(&page))));
        }
    }
    let mut subcommands = vec![Vec::new()];
    let mut seen = 0;
    while let Some(words) = subcommands.pop() {
        let output = Command::new(tests::binary()).args(&words).arg("--help").output().unwrap();
        assert!(output.status.success(), "muster {} --help", words.join(" "));
        let help = String::from_utf8(output.stdout).unwrap();
        found.extend(banned(&help).into_iter().map(|word| format!("muster {} --help: {word}", words.join(" "))));
        let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
        let names = listed.filter_map(|line| line.strip_prefix("  ").filter(|line| !line.starts_with(' ')));
        let names = names.filter_map(|line| line.split(' ').next());
        subcommands.extend(names.map(|name| words.iter().cloned().chain([name.to_owned()]).collect::<Vec<String>>()));
        seen += 1;
    }
    assert!(seen > 40, "{seen} subcommands have a help");
    assert!(found.is_empty(), "name the one who acts, and use the term of the field:\n{}", found.join("\n"));
}
