//! Pages of documentation, run: every command on them is executed, and every answer they show is held against the real
//! one. `…` in an answer stands for any text.

use std::fmt::Write as _;
use std::process::Command;

use tests::{Host, binary, root, run};

/// A step of a page.
#[derive(Debug)]
enum Step {
    /// Put this text into that file of the data directory.
    File(String, String),
    /// Run this command; it gives these lines.
    Run(String, Vec<String>),
}

/// The steps in a page's fenced blocks: `yaml` and `python` blocks that name their file in a comment, and `console`
/// blocks.
fn steps(page: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    for block in page.split("\n```").skip(1).step_by(2) {
        let (kind, text) = block.split_once('\n').unwrap();
        if ["yaml", "python"].contains(&kind)
            && let Some(file) = text.strip_prefix("# muster-data/").and_then(|rest| rest.lines().next())
        {
            steps.push(Step::File(file.to_owned(), text.to_owned()));
        }
        if kind == "console" {
            for line in text.lines() {
                match (line.strip_prefix("$ "), steps.last_mut()) {
                    (Some(command), _) => steps.push(Step::Run(command.to_owned(), Vec::new())),
                    (None, Some(Step::Run(command, expected))) => {
                        if let Some(more) = command.strip_suffix('\\') {
                            *command = format!("{more}{}", line.trim());
                        } else {
                            expected.push(line.to_owned());
                        }
                    }
                    (None, _) => {}
                }
            }
        }
    }
    steps
}

/// Whether the line is the expected one, in which `…` stands for any text.
fn fits(expected: &str, line: &str) -> bool {
    let mut parts = expected.split('…');
    let Some(rest) = line.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut rest = rest;
    let mut ends_open = false;
    for part in parts {
        ends_open = part.is_empty();
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    ends_open || rest.is_empty()
}

/// Runs commands in one shell, so that variables last, and gives what each printed.
fn shell(host: &Host, commands: &[&str]) -> Vec<String> {
    // The harness keeps the developer's own settings away from what it runs.
    let folder = binary().parent().unwrap().to_owned();
    let mut script = format!("export MUSTER_DATA='{}' PATH=\"{}:$PATH\"\n", host.data().display(), folder.display());
    for command in commands {
        let command = command.replace("127.0.0.1:5280", host.address()).replace(" muster-data/", " $MUSTER_DATA/");
        writeln!(script, "echo '@@@'\n{command} 2>&1").unwrap();
    }
    let mut bash = Command::new("bash");
    let ran = run(bash.current_dir(root()), &script);
    ran.stdout.split("@@@\n").skip(1).map(str::to_owned).collect()
}

fn check(page: &str) {
    let text = std::fs::read_to_string(root().join(page)).unwrap();
    let steps = steps(&text);
    let config = match steps.first() {
        Some(Step::File(_, config)) => config.as_str(),
        Some(Step::Run(..)) | None => "",
    };
    assert!(!config.is_empty(), "{page} does not begin with a configuration");
    let host = Host::start_with(config);
    // A file is written by the shell too, so that it happens in its turn.
    let script: Vec<String> = steps
        .iter()
        .map(|step| match step {
            Step::File(file, text) => {
                format!("cat > \"$MUSTER_DATA/{file}\" <<'END_OF_FILE'\n{text}\nEND_OF_FILE\ntrue")
            }
            Step::Run(command, _) if command.starts_with("muster serve") => "true".to_owned(),
            Step::Run(command, _) => command.clone(),
        })
        .collect();
    let printed = shell(&host, &script.iter().map(String::as_str).collect::<Vec<_>>());
    let mut misfits = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        let Step::Run(command, expected) = step else { continue };
        let lines: Vec<&str> = printed.get(index).map(|text| text.trim_end().lines().collect()).unwrap_or_default();
        let lines: Vec<&str> = if expected.last().is_some_and(|last| last == "…") {
            lines.into_iter().take(expected.len() - 1).chain(["…"]).collect()
        } else {
            lines
        };
        let same = lines.len() == expected.len() && expected.iter().zip(&lines).all(|(one, other)| fits(one, other));
        let served = command.starts_with("muster serve");
        if !same && !served {
            misfits.push(format!("$ {command}\nexpected:\n{}\nfound:\n{}", expected.join("\n"), lines.join("\n")));
        }
    }
    assert!(misfits.is_empty(), "{page}\n{}", misfits.join("\n\n"));
}

#[test]
fn rights_from_nothing() {
    check("host/docs/rights.md");
}

#[test]
fn calls_over_xmlrpc() {
    check("host/docs/xmlrpc.md");
}

#[test]
fn plugins_on_a_running_host() {
    check("host/docs/plugins.md");
}

#[test]
fn components_that_were_not_built_for_muster() {
    check("host/docs/adapter.md");
}

#[test]
fn the_document_and_its_page() {
    check("host/docs/openapi.md");
}

#[test]
fn tools_of_assistants() {
    check("host/docs/mcp.md");
}

/// The page for those who come from elsewhere names every deliberate difference of the verdict table, and tests that are.
#[test]
fn differences_are_documented() {
    let page = std::fs::read_to_string(root().join("host/docs/coming-from-ejabberd.md")).unwrap();
    let table = std::fs::read_to_string(root().join("host/core/src/permission/tests/verdicts.rs")).unwrap();
    let list = table.split("const DIFFERENCES").nth(1).unwrap().split("];").next().unwrap();
    let named: Vec<&str> = list.lines().filter_map(|line| line.trim().strip_prefix('"')?.strip_suffix("\",")).collect();
    assert_eq!(named.len(), 3);
    for difference in named {
        assert!(page.contains(&format!("| `{difference}` |")), "{difference}");
    }
    let tests = tests();
    let rows = page.split("## What differs on purpose").nth(1).unwrap().lines().filter(|line| line.starts_with("| "));
    for row in rows.skip(1) {
        let cell = row.trim_end_matches('|').rsplit('|').next().unwrap();
        let name = cell.split('`').nth(1);
        let known = name.is_none_or(|name| is_test(&tests, name));
        assert!(known && (name.is_some() || cell.contains("row")), "no test for: {row}");
    }
}

#[test]
fn configurations_on_the_pages_are_without_mistakes() {
    let mut pages = vec![root().join("README.md")];
    pages.extend(std::fs::read_dir(root().join("host/docs")).unwrap().map(|entry| entry.unwrap().path()));
    let folder = tempfile::tempdir().unwrap();
    let mut checked = 0;
    for page in pages {
        let text = std::fs::read_to_string(&page).unwrap();
        for block in text.split("\n```yaml\n").skip(1) {
            let block = block.split("\n```").next().unwrap();
            let hosts = if block.contains("hosts:") { "" } else { "hosts: [localhost, example.org]\n" };
            let file = folder.path().join("muster.yaml");
            std::fs::write(&file, format!("{hosts}{block}\n")).unwrap();
            let ran = run(Command::new(binary()).args(["config", "check"]).arg(&file), "");
            // Files they name are not here, and names they do not repeat are not defined; mistakes have a line and a column.
            let place = format!("{}:", file.display());
            let has_place = |line: &str| {
                line.split_once(&place)
                    .is_some_and(|(_, rest)| rest.starts_with(|letter: char| letter.is_ascii_digit()))
            };
            assert!(!ran.stderr.lines().any(has_place), "{}: {block}\n{}", page.display(), ran.stderr);
            assert!(ran.code == 0 || ran.code == 1, "{}: {block}\n{}", page.display(), ran.stderr);
            checked += 1;
        }
    }
    assert!(checked > 8, "{checked}");
}

/// Every attack in the table has a test of the name it says.
#[test]
fn attacks_are_tested() {
    let page = std::fs::read_to_string(root().join("tests/README.md")).unwrap();
    let tests = tests();
    let rows = page.split("## Attacks").nth(1).unwrap().lines().filter(|line| line.starts_with("| ")).skip(1);
    let mut attacks = 0;
    for row in rows {
        attacks += 1;
        let cell = row.trim_end_matches('|').rsplit('|').next().unwrap();
        let names: Vec<&str> = cell.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty() && names.iter().all(|name| is_test(&tests, name)), "no test for: {row}");
    }
    assert!(attacks > 20);
}

/// The text of every file with tests.
fn tests() -> Vec<String> {
    [
        "tests/e2e",
        "host/core/src",
        "host/audit/src",
        "host/server/src",
        "host/frontend/src",
        "host/storage/src",
        "host/wasm/src",
    ]
    .iter()
    .flat_map(|folder| files(&root().join(folder)))
    .map(|file| std::fs::read_to_string(file).unwrap())
    .collect()
}

fn is_test(tests: &[String], name: &str) -> bool {
    tests.iter().any(|text| text.contains(&format!("fn {name}(")))
}

fn files(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            found.extend(files(&entry));
        } else if entry.extension().is_some_and(|ending| ending == "rs") {
            found.push(entry);
        }
    }
    found
}
