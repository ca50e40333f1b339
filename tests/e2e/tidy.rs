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
                let near = file.parent() == entry.parent() && text.contains(&format!("super::{sibling}::"));
                if near || text.contains(&format!("crate{module}::{sibling}::")) {
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

/// Siblings know nothing of one another: what one of them imports is shared, and imports none of those it is shared by. So
/// there are two kinds in each of these folders, and no list says which is which.
#[test]
fn siblings_do_not_import_siblings() {
    for folder in ["host/builtin/src", "host/frontend/src", "host/wasm/src/capability"] {
        let imports = imports_of_siblings(folder);
        let shared: BTreeSet<&String> = imports.values().flatten().collect();
        assert!(shared.len() < imports.len(), "{folder} has siblings");
        for (own, imported) in &imports {
            for sibling in imported {
                assert!(
                    !shared.contains(own) || shared.contains(sibling) && !imports[sibling].contains(own),
                    "{folder}: {own} is imported by siblings, and imports {sibling}"
                );
            }
        }
    }
}

#[test]
fn the_top_level_is_the_customers() {
    let allowed = [
        "Cargo.lock",
        "Cargo.toml",
        "CHANGELOG.md",
        "LICENSE",
        "README.md",
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
