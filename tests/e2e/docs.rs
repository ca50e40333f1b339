//! The book in `host/docs`. Every command on the executed pages runs, and its output is compared with the page (`…` in an
//! output stands for any text). Reference pages are compared with the program and its source, and links are followed.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
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
        writeln!(script, "echo '@@@'\n{{ {command}\n}} 2>&1").unwrap();
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
fn permissions_tutorial() {
    check("host/docs/operators/permissions.md");
}

#[test]
fn calls_over_xmlrpc() {
    check("host/docs/callers/xmlrpc.md");
}

#[test]
fn plugins_on_a_running_host() {
    check("host/docs/operators/plugins.md");
}

#[test]
fn components_that_were_not_built_for_muster() {
    check("host/docs/authors/typed-components.md");
}

#[test]
fn the_document_and_its_page() {
    check("host/docs/callers/openapi.md");
}

#[test]
fn tools_of_assistants() {
    check("host/docs/callers/mcp.md");
}

#[test]
fn calls_over_rest() {
    check("host/docs/callers/rest.md");
}

#[test]
fn errors_of_calls() {
    check("host/docs/callers/errors.md");
}

#[test]
fn calls_from_the_command_line() {
    check("host/docs/callers/command-line.md");
}

#[test]
fn the_audit_log() {
    check("host/docs/operators/audit.md");
}

/// The page for those who come from elsewhere names every deliberate difference of the verdict table, and tests that are.
#[test]
fn differences_are_documented() {
    let page = std::fs::read_to_string(root().join("host/docs/operators/coming-from-ejabberd.md")).unwrap();
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
    let folder = tempfile::tempdir().unwrap();
    let mut checked = 0;
    for page in pages() {
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
    assert!(checked > 20, "{checked}");
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
    let folders = ["tests/e2e", "host"].into_iter();
    let files = folders.flat_map(|folder| files(&root().join(folder), "rs"));
    files.map(|file| std::fs::read_to_string(file).unwrap()).collect()
}

fn is_test(tests: &[String], name: &str) -> bool {
    tests.iter().any(|text| text.contains(&format!("fn {name}(")))
}

fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            found.extend(files(&entry, ending));
        } else if entry.extension().is_some_and(|own| own == ending) {
            found.push(entry);
        }
    }
    found
}

/// Every page for readers: the book, and the READMEs beside the code.
fn pages() -> Vec<PathBuf> {
    let mut pages = vec![root().join("README.md"), root().join("host/README.md"), root().join("tests/README.md")];
    for folder in ["host/docs", "plugins", "wit"] {
        pages.extend(files(&root().join(folder), "md"));
    }
    pages
}

/// The anchor of a heading, as renderers of Markdown make it.
fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase();
    let kept = kept.chars().filter(|character| character.is_alphanumeric() || " -_".contains(*character));
    kept.map(|character| if character == ' ' { '-' } else { character }).collect()
}

/// The text of a page without its fenced blocks.
fn prose(page: &Path) -> String {
    let text = format!("\n{}", std::fs::read_to_string(page).unwrap());
    text.split("\n```").step_by(2).map(|part| part.split_once('\n').map_or("", |(_, rest)| rest)).fold(
        String::new(),
        |mut all, part| {
            all.push('\n');
            all.push_str(part);
            all
        },
    )
}

/// The files and headings that links of a page lead to, as they are written.
fn links(page: &Path) -> Vec<String> {
    let prose = prose(page);
    let targets = prose.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.filter(|target| !target.contains("://")).map(str::to_owned).collect()
}

#[test]
fn links_lead_to_files_and_headings() {
    let mut followed = 0;
    for page in pages() {
        for link in links(&page) {
            let (file, heading) = link.split_once('#').map_or((link.as_str(), None), |(file, rest)| (file, Some(rest)));
            let target = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            assert!(target.exists(), "{}: no file for the link {link}", page.display());
            if let Some(heading) = heading {
                let known = prose(&target);
                let known =
                    known.lines().filter_map(|line| line.strip_prefix('#')).map(|line| line.trim_start_matches('#'));
                let found = known.map(|line| anchor(line.trim())).any(|own| own == heading);
                assert!(found, "{}: no heading for the link {link}", page.display());
            }
            followed += 1;
        }
    }
    assert!(followed > 100, "{followed}");
}

#[test]
fn the_summary_lists_every_page_once() {
    let book = root().join("host/docs");
    let mut listed = links(&book.join("SUMMARY.md"));
    let mut pages: Vec<String> = files(&book, "md")
        .iter()
        .map(|page| page.strip_prefix(&book).unwrap().to_str().unwrap().to_owned())
        .filter(|page| page != "SUMMARY.md")
        .collect();
    listed.sort();
    pages.sort();
    assert_eq!(listed, pages);
}

/// A page of the reference.
struct Reference {
    name: &'static str,
    text: String,
}

impl Reference {
    fn read(name: &'static str) -> Self {
        let page = root().join("host/docs/reference").join(name);
        Self { name, text: std::fs::read_to_string(page).unwrap() }
    }

    /// The text below a heading of the second level.
    fn section(&self, heading: &str) -> &str {
        let mut sections = self.text.split("\n## ");
        let found = sections.find_map(|section| section.strip_prefix(heading)?.strip_prefix('\n'));
        assert!(found.is_some(), "{} has no section {heading}", self.name);
        found.unwrap_or_default()
    }
}

/// What stands in backquotes in one column of the tables of a text.
fn cells(text: &str, column: usize) -> BTreeSet<String> {
    let rows = text.lines().filter(|line| line.starts_with("| "));
    let cells = rows.filter_map(|row| row.split(" | ").nth(column));
    cells.flat_map(|cell| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// The keys a configuration may have where `unknown-key` stands in this one: the program lists them.
fn keys(config: &str) -> BTreeSet<String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("muster.yaml");
    std::fs::write(&file, config).unwrap();
    let ran = run(Command::new(binary()).args(["config", "check"]).arg(&file), "");
    let known = ran.stderr.lines().find_map(|line| line.split_once("nown are "));
    assert!(known.is_some(), "{ran:?}");
    known.unwrap_or_default().1.split(", ").map(str::to_owned).collect()
}

#[test]
fn every_configuration_key_is_on_its_page() {
    let page = Reference::read("configuration.md");
    for (heading, configs) in [
        ("Top level", &["unknown-key: 1"][..]),
        ("`listen`", &["listen: {unknown-key: 1}", "listen: {tls: {unknown-key: 1}}"]),
        ("`cors`", &["cors: {unknown-key: 1}"]),
        ("`rate_limits`", &["rate_limits: {name: {unknown-key: 1}}"]),
        ("`audit`", &["audit: {unknown-key: 1}"]),
        ("`passwords`", &["passwords: {unknown-key: 1}"]),
        ("`oauth`", &["oauth: {unknown-key: 1}"]),
        ("`issuers`", &["issuers: {unknown-key: 1}"]),
        ("`mcp`", &["mcp: {unknown-key: 1}"]),
        ("`xmlrpc`", &["xmlrpc: {unknown-key: 1}"]),
        ("`xmpp`", &["xmpp: {unknown-key: 1}", "xmpp: {server: 'example.org:5347', tls: {unknown-key: 1}}"]),
        ("`api_permissions`", &["api_permissions: {name: {unknown-key: 1}}"]),
        ("`host_config` and `append_host_config`", &["host_config: {localhost: {unknown-key: 1}}"]),
    ] {
        let known: BTreeSet<String> = configs.iter().flat_map(|config| keys(config)).collect();
        assert_eq!(cells(page.section(heading), 0), known, "{heading}");
    }
    let section = page.section("`api_permissions`");
    for key in keys("api_permissions: {name: {who: {unknown-key: 1}}}") {
        assert!(section.contains(&format!("`{key}`")), "{key}");
    }
    let rules = Reference::read("permission-rules.md");
    for interface in keys("api_permissions: {name: {from: unknown-key}}") {
        assert!(rules.section("Parts of a group").contains(&format!("`{interface}`")), "{interface}");
    }
}

#[test]
fn every_limit_is_on_its_page() {
    let page = Reference::read("limits.md");
    assert_eq!(cells(&page.text, 0), keys("limits: {unknown-key: 1}"));
    let host = Host::start_with("");
    let limits: Value = serde_json::from_str(&host.cli(&["--json", "plugin", "limits"]).stdout).unwrap();
    for limit in limits.as_array().unwrap() {
        let (name, unit) = (limit["name"].as_str().unwrap(), limit["unit"].as_str().unwrap());
        let row = format!("| `{name}` | {} | {unit} | ", limit["default"]);
        assert!(page.text.contains(&row), "{row}");
    }
}

#[test]
fn every_built_in_command_is_on_its_page() {
    let page = Reference::read("commands.md");
    let host = Host::start_with("");
    let commands: Value = serde_json::from_str(&host.cli(&["--json", "help"]).stdout).unwrap();
    let mut names = BTreeSet::new();
    for command in commands.as_array().unwrap() {
        let name = command["name"].as_str().unwrap();
        let reads = command["effects"].as_array().unwrap().contains(&Value::from("read_only"));
        let row =
            format!("| `{name}` | {} | {} | ", command["audience"].as_str().unwrap(), if reads { "yes" } else { "no" });
        assert!(page.text.contains(&row), "{row}");
        names.insert(name.to_owned());
    }
    assert_eq!(cells(&page.text, 0), names);
}

/// The source of the host without its tests, with single blanks.
fn source() -> Vec<String> {
    let is_test = |file: &PathBuf| file.iter().any(|part| part == "tests" || part == "tests.rs" || part == "snapshots");
    let files = files(&root().join("host"), "rs").into_iter().filter(|file| !is_test(file));
    let text = |file| std::fs::read_to_string(file).unwrap().split("#[cfg(test)]\nmod ").next().unwrap().to_owned();
    files.map(|file| text(file).split_whitespace().collect::<Vec<_>>().join(" ").replace("( ", "(")).collect()
}

/// The words in quotes that follow one of the openings in the source.
fn quoted(source: &[String], openings: &[&str]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (text, opening) in source.iter().flat_map(|text| openings.iter().map(move |opening| (text, *opening))) {
        found.extend(text.split(opening).skip(1).filter_map(|rest| rest.split('"').next()).map(str::to_owned));
    }
    found
}

#[test]
fn every_error_code_is_on_its_page() {
    let page = Reference::read("error-codes.md");
    let source = source();
    let mut codes = quoted(&source, &["code: \""]);
    for text in &source {
        // Functions that give the code of an error.
        let functions = text.split("fn code(").skip(1).filter_map(|rest| rest.split_once("-> &'static str {"));
        for (_, body) in functions.filter(|(parameters, _)| !parameters.contains('{')) {
            let body = body.split(" /// ").next().unwrap().split(" fn ").next().unwrap();
            codes.extend(body.split("=> \"").skip(1).filter_map(|rest| rest.split('"').next()).map(str::to_owned));
        }
        // Refusals of requests, which have a status and a code.
        for rest in text.split("StatusCode::").skip(1) {
            let word = rest
                .split_once(", \"")
                .filter(|(status, _)| status.chars().all(|c| c.is_ascii_uppercase() || c == '_'));
            codes.extend(word.and_then(|(_, word)| word.split('"').next()).map(str::to_owned));
        }
    }
    codes.retain(|code| code.chars().all(|c| c.is_ascii_lowercase() || "-_".contains(c)));
    assert!(codes.len() > 70, "{codes:?}");
    let documented: BTreeSet<String> = cells(&page.text, 0).union(&cells(&page.text, 1)).cloned().collect();
    let missing: Vec<_> = codes.difference(&documented).collect();
    assert!(missing.is_empty(), "not on the page: {missing:?}");
    let sections = ["Requests", "Results of commands", "Load and availability", "Faults"].map(|heading| (heading, 1));
    let more = ["Rejected components and plugins", "Reasons for rejected credentials", "OAuth errors"]
        .map(|heading| (heading, 0));
    for (heading, column) in sections.into_iter().chain(more) {
        for code in cells(page.section(heading), column) {
            let known = source.iter().any(|text| text.contains(&format!("\"{code}\"")));
            assert!(known, "{code} is on the page and not in the source");
        }
    }
}

#[test]
fn every_event_is_on_its_page() {
    let page = Reference::read("events.md");
    let openings =
        [".event(\"", "event_durably(\"", "record_event(\"", "oauth.note(\"", "Event { name: \"", "events.push((\""];
    let events = quoted(&source(), &openings);
    assert!(events.len() > 15, "{events:?}");
    assert_eq!(cells(page.section("Events"), 0), events);
}

/// The subcommands and the options a help text lists.
fn listed(help: &str) -> (Vec<String>, BTreeSet<String>) {
    let own = help.split("\nHost to talk to").next().unwrap();
    let commands = own.split("Commands:\n").nth(1).unwrap_or_default().lines().take_while(|line| !line.is_empty());
    let commands = commands.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let commands = commands.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect();
    (commands, options(own))
}

fn options(text: &str) -> BTreeSet<String> {
    let lines = text.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
    let words =
        lines.flat_map(|line| line.split(['`', ' ', ',']).take_while(|word| word.is_empty() || word.starts_with('-')));
    words.filter(|word| word.starts_with("--")).map(str::to_owned).collect()
}

#[test]
fn every_subcommand_and_option_is_on_its_page() {
    let page = Reference::read("command-line.md");
    let help = |words: &[&str]| run(Command::new(binary()).args(words).arg("--help"), "").stdout;
    let main = help(&[]);
    let mut everywhere = options(&main);
    everywhere.insert("--help".to_owned());
    let general = page.section("Options of every subcommand");
    for option in &everywhere {
        assert!(general.contains(&format!("`{option}")), "{option}");
    }
    let mut known = everywhere.clone();
    for command in listed(&main).0 {
        let own = help(&[&command]);
        let below = listed(&own).0;
        let heading = format!("`muster {command}");
        let section = page.text.split("\n## ").skip(2).find(|section| section.contains(&heading));
        let section = section.unwrap_or_else(|| panic!("no section about {command}"));
        let mut texts = vec![own];
        for name in below {
            assert!(section.contains(&format!("`muster {command} {name}")), "{command} {name}");
            texts.push(help(&[&command, &name]));
        }
        for option in texts.iter().flat_map(|text| listed(text).1).filter(|option| !everywhere.contains(option)) {
            assert!(section.contains(&format!("`{option}")), "{command} {option}");
            known.insert(option);
        }
    }
    for option in page.text.split("`--").skip(1).filter_map(|rest| rest.split(['`', ' ']).next()) {
        assert!(known.contains(&format!("--{option}")), "the program has no option --{option}");
    }
}
