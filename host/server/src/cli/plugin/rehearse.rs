//! `muster plugin test`: runs the examples of a plugin's commands, and finds out whether anything leaks from call to call.
//!
//! The examples run three times in hosts that are thrown away: twice with a fresh instance for each call, once with one
//! instance for all of them. Where the first two differ, the command is not deterministic and nothing can be told; where
//! they agree and the third differs, something stays in the instance that another caller could meet.

use clap::Args;
use muster_core::plugins::{Candidate, Isolation};
use serde_json::{Value, json};

use crate::cli::output::{self, Format};
use crate::cli::{CliError, block_on};
use crate::config::Config;
use crate::testbed::Testbed;

#[derive(Args, Debug)]
pub(in crate::cli) struct Rehearsal {
    #[command(flatten)]
    candidate: super::Candidate,
    /// Run this command instead of the examples
    #[arg(long, value_name = "COMMAND")]
    command: Option<String>,
    /// Its arguments, a JSON object
    #[arg(long, value_name = "JSON", requires = "command", default_value = "{}")]
    input: String,
}

/// One call of the rehearsal.
struct Scene {
    command: String,
    version: u32,
    title: String,
    input: Value,
    expected: Option<Value>,
}

pub(super) fn run(rehearsal: &Rehearsal, format: Format) -> Result<(), CliError> {
    let candidate = rehearsal.candidate.read()?;
    let spinner = output::spinner("running the plugin's examples");
    let rows = block_on(rehearse(rehearsal, &candidate))?;
    spinner.finish_and_clear();
    let rows = rows?;
    if rows.is_empty() {
        let text = "no command of this plugin has an example; name one with --command and --input";
        return Err(CliError::Failed(text.to_owned()));
    }
    output::value(&json!(rows), format);
    let bad = |row: &&Value| row.get("outcome").and_then(Value::as_str).is_some_and(|outcome| outcome != "well");
    match rows.iter().filter(bad).count() {
        0 => Ok(()),
        count => Err(CliError::Failed(format!("{count} of {} calls are not as they should be", rows.len()))),
    }
}

async fn rehearse(rehearsal: &Rehearsal, candidate: &Candidate) -> Result<Vec<Value>, CliError> {
    let (scenes, fresh) = perform(rehearsal, candidate, Isolation::Call).await?;
    let (_, again) = perform(rehearsal, candidate, Isolation::Call).await?;
    let (_, shared) = perform(rehearsal, candidate, Isolation::Plugin).await?;
    let results = fresh.iter().zip(&again).zip(&shared);
    Ok(scenes.iter().zip(results).map(|(scene, ((fresh, again), shared))| row(scene, fresh, again, shared)).collect())
}

fn row(scene: &Scene, fresh: &str, again: &str, shared: &str) -> Value {
    let expected = scene.expected.as_ref().map(Value::to_string);
    // Texts of a guest may have other blanks and another order than ours.
    let plain =
        |text: &str| serde_json::from_str::<Value>(text).map_or_else(|_| text.to_owned(), |value| value.to_string());
    let (outcome, detail) = if fresh != again {
        ("unknown", format!("it answers {fresh} and then {again}: whether anything leaks cannot be told"))
    } else if fresh != shared {
        ("leak", format!("a fresh instance answers {fresh}, one that served other calls {shared}"))
    } else if expected.as_ref().is_some_and(|expected| *expected != plain(fresh)) {
        ("other", format!("it answers {fresh}, and its example says {}", expected.unwrap_or_default()))
    } else {
        ("well", String::new())
    };
    json!({ "command": scene.command, "example": scene.title, "outcome": outcome, "detail": detail })
}

/// Runs every scene twice in a host of its own, and gives what each answered.
async fn perform(
    rehearsal: &Rehearsal,
    candidate: &Candidate,
    isolation: Isolation,
) -> Result<(Vec<Scene>, Vec<String>), CliError> {
    let mut config = Config::default();
    // One instance for everything, as long as it lives.
    config.limits.reuse_max = u32::MAX;
    config.limits.faults_max = 0;
    let testbed = Testbed::start(&config).await.map_err(CliError::Failed)?;
    let mut candidate = candidate.clone();
    candidate.change.isolation = Some(isolation);
    testbed.install(candidate).await.map_err(CliError::Failed)?;
    let scenes = scenes(rehearsal, &testbed)?;
    let mut answers = Vec::new();
    for scene in &scenes {
        let mut both = Vec::new();
        for _ in 0..2 {
            let answer = testbed.call(&scene.command, scene.version, &scene.input).await;
            both.push(answer.map_or_else(|error| format!("{}: {error}", error.code()), |outcome| outcome.text));
        }
        // The second answer is where a leak shows; the first is what an example is about.
        let second = both.pop().unwrap_or_default();
        let first = both.pop().unwrap_or_default();
        answers.push(if first == second { first } else { format!("{first}, then {second}") });
    }
    Ok((scenes, answers))
}

fn scenes(rehearsal: &Rehearsal, testbed: &Testbed) -> Result<Vec<Scene>, CliError> {
    if let Some(command) = &rehearsal.command {
        let input = serde_json::from_str(&rehearsal.input)
            .map_err(|error| CliError::Usage(format!("--input is not JSON: {error}")))?;
        let (command, title) = (command.clone(), "given".to_owned());
        return Ok(vec![Scene { command, version: u32::MAX, title, input, expected: None }]);
    }
    let mut scenes = Vec::new();
    for registered in testbed.commands().map_err(CliError::Failed)? {
        let command = &registered.command;
        scenes.extend(command.examples.iter().map(|example| Scene {
            command: command.name.as_str().to_owned(),
            version: command.version,
            title: example.title.clone(),
            input: example.input.clone(),
            expected: Some(example.output.clone()),
        }));
    }
    Ok(scenes)
}
