//! `muster plugin test`: runs the examples of a plugin's commands, and finds out whether anything leaks from call to call.
//!
//! The examples run three times in hosts that are thrown away: twice with a fresh instance for each call, once with one
//! instance for all of them. Where the first two differ, the command is not deterministic and nothing can be told; where
//! they agree and the third differs, something stays in the instance that another caller could meet.

use std::process::exit;

use clap::Args;
use muster_core::plugins::{InstallRequest, Isolation};
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

use crate::config::Config;
use crate::test_host::TestHost;
use muster_cli::output::{self, Format};
use muster_cli::{CliError, block_on};

#[derive(Args, Debug)]
// The test tries every isolation, so there is no option for it.
#[command(mut_arg("isolation", |option| option.hide(true)))]
pub(in crate::commands) struct Rehearsal {
    #[command(flatten)]
    candidate: muster_cli::plugin::ComponentArguments,
    /// Run this command instead of the examples
    #[arg(long, value_name = "COMMAND")]
    command: Option<String>,
    /// Arguments of this command, a JSON object
    #[arg(long, value_name = "JSON", requires = "command", default_value = "{}")]
    input: String,
}

/// One call of the rehearsal.
struct Scene {
    command: String,
    version: u32,
    title: String,
    /// As JSON text, with the digits its numbers were written with.
    input: String,
    /// What its example says; nothing when it is no example.
    expected: Option<Value>,
}

/// What a call was answered: a result, or its error.
type Answer = Result<String, String>;

/// The answers to the same call, made twice: an example is about the first, a leak shows in the second.
type Answers = [Answer; 2];

pub(super) fn run(rehearsal: &Rehearsal, format: Format) -> Result<(), CliError> {
    if rehearsal.candidate.isolation.is_some() {
        let text = "a test shares instances in every way there is; leave out --isolation";
        return Err(CliError::Usage(text.to_owned()));
    }
    let candidate = rehearsal.candidate.read()?;
    let spinner = output::spinner("running the plugin's examples");
    let rows = block_on(unless_told_to_stop(rehearse(rehearsal, &candidate)))?;
    spinner.finish_and_clear();
    let rows = rows??;
    if rows.is_empty() {
        let text = "no command of this plugin has an example; name a command with --command and --input";
        return Err(CliError::Failed(text.to_owned()));
    }
    output::value(&json!(rows), format);
    let bad = |row: &&Value| row.get("outcome").and_then(Value::as_str).is_some_and(|outcome| outcome != "ok");
    match rows.iter().filter(bad).count() {
        0 => Ok(()),
        count => Err(CliError::Failed(format!("{count} of {} calls failed the test", rows.len()))),
    }
}

/// Does the work, and ends the process at SIGINT and SIGTERM once everything the work had is given back.
async fn unless_told_to_stop<T>(work: impl Future<Output = T>) -> Result<T, CliError> {
    let failed = |error: std::io::Error| CliError::Failed(format!("signals cannot be received: {error}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let told = tokio::select! {
        done = work => return Ok(done),
        _ = interrupt.recv() => SignalKind::interrupt(),
        _ = terminate.recv() => SignalKind::terminate(),
    };
    // The work was dropped. As shells say that a signal ended a program.
    exit(128 + told.as_raw_value())
}

async fn rehearse(rehearsal: &Rehearsal, candidate: &InstallRequest) -> Result<Vec<Value>, CliError> {
    let (scenes, fresh) = perform(rehearsal, candidate, Isolation::Call).await?;
    let (_, again) = perform(rehearsal, candidate, Isolation::Call).await?;
    let (_, shared) = perform(rehearsal, candidate, Isolation::Plugin).await?;
    let results = fresh.iter().zip(&again).zip(&shared);
    Ok(scenes.iter().zip(results).map(|(scene, ((fresh, again), shared))| row(scene, fresh, again, shared)).collect())
}

fn row(scene: &Scene, fresh: &Answers, again: &Answers, shared: &Answers) -> Value {
    let (outcome, detail) = judge(scene.expected.as_ref(), fresh, again, shared);
    json!({ "command": scene.command, "example": scene.title, "outcome": outcome, "detail": detail })
}

/// What the answers of the three hosts mean.
fn judge(expected: Option<&Value>, fresh: &Answers, again: &Answers, shared: &Answers) -> (&'static str, String) {
    let answer = match &fresh[0] {
        Ok(answer) => answer,
        Err(error) => return ("error", error.clone()),
    };
    // Texts of a guest may have other blanks and another order than ours.
    let plain =
        |text: &str| serde_json::from_str::<Value>(text).map_or_else(|_| text.to_owned(), |value| value.to_string());
    let (fresh, again, shared) = (told(fresh), told(again), told(shared));
    if fresh != again {
        return (
            "nondeterministic",
            format!("fresh instances return {fresh} and {again}, so leaked state cannot be detected"),
        );
    }
    if fresh != shared {
        return ("leaked-state", format!("a fresh instance returns {fresh}, a reused instance {shared}"));
    }
    match expected.map(Value::to_string) {
        Some(expected) if expected != plain(answer) => {
            ("mismatch", format!("the result is {answer}, but the example expects {expected}"))
        }
        Some(_) => ("ok", String::new()),
        // There is no expected result, so the result is shown.
        None => ("ok", fresh),
    }
}

/// Both answers as text, the second only where it is another one.
fn told([first, second]: &Answers) -> String {
    let text = |answer: &Answer| match answer {
        Ok(result) => result.clone(),
        Err(error) => format!("the error {error}"),
    };
    if first == second { text(first) } else { format!("{}, then {}", text(first), text(second)) }
}

/// Runs every scene twice in a host of its own, and gives what each answered.
async fn perform(
    rehearsal: &Rehearsal,
    candidate: &InstallRequest,
    isolation: Isolation,
) -> Result<(Vec<Scene>, Vec<Answers>), CliError> {
    let mut config = Config::default();
    // One instance for everything, as long as it lives.
    config.limits.reuse_max = u32::MAX;
    config.limits.faults_max = 0;
    let testbed = TestHost::start(&config).await.map_err(CliError::Failed)?;
    let mut candidate = candidate.clone();
    candidate.change.isolation = Some(isolation);
    testbed.install(candidate).await.map_err(CliError::Failed)?;
    let scenes = scenes(rehearsal, &testbed)?;
    let mut answers = Vec::new();
    for scene in &scenes {
        answers.push([answer(&testbed, scene).await, answer(&testbed, scene).await]);
    }
    Ok((scenes, answers))
}

/// Makes the call of a scene. The author of the plugin reads this instead of a host's log, so an error has the details
/// of the log.
async fn answer(testbed: &TestHost, scene: &Scene) -> Answer {
    let answer = testbed.call(&scene.command, scene.version, &scene.input).await;
    answer.map(|outcome| outcome.text).map_err(|error| match error.internal() {
        Some(internal) => format!("{}: {}", error.code(), internal.trim_end()),
        None => format!("{}: {}", error.code(), error.detail()),
    })
}

fn scenes(rehearsal: &Rehearsal, testbed: &TestHost) -> Result<Vec<Scene>, CliError> {
    if let Some(command) = &rehearsal.command {
        serde_json::from_str::<Value>(&rehearsal.input)
            .map_err(|error| CliError::Usage(format!("--input is not JSON: {error}")))?;
        let input = rehearsal.input.clone();
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
            input: example.input.to_string(),
            expected: Some(example.output.clone()),
        }));
    }
    Ok(scenes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the example says, and the answers of a fresh instance, of another, and of one that is shared → what that means.
    #[test]
    fn answers_are_held_against_one_another_and_the_example() {
        let well = |text: &str| [Ok(text.to_owned()), Ok(text.to_owned())];
        let bad = |text: &str| [Err(text.to_owned()), Err(text.to_owned())];
        let pair = |first: &str, second: &str| [Ok(first.to_owned()), Ok(second.to_owned())];
        let refused = [Ok("1".to_owned()), Err("conflict: x".to_owned())];
        let one = json!(1);
        for (expected, [fresh, again, shared], outcome, detail) in [
            (Some(&one), [well("1"), well("1"), well(" 1")], "leaked-state", "a fresh instance returns 1, a reused"),
            (Some(&one), [well(" 1"), well(" 1"), well(" 1")], "ok", ""),
            (Some(&one), [well("2"), well("2"), well("2")], "mismatch", "the result is 2, but the example expects 1"),
            (Some(&one), [pair("1", "2"), pair("1", "2"), pair("1", "2")], "ok", ""),
            (Some(&one), [refused.clone(), refused.clone(), refused.clone()], "ok", ""),
            (Some(&one), [well("1"), well("2"), well("1")], "nondeterministic", "fresh instances return 1 and 2"),
            (Some(&one), [bad("a: b"), bad("a: b"), bad("a: b")], "error", "a: b"),
            (None, [bad("a: b"), bad("a: c"), well("1")], "error", "a: b"),
            (None, [well("1"), well("1"), well("1")], "ok", "1"),
            (None, [refused.clone(), refused.clone(), refused], "ok", "1, then the error conflict: x"),
            (None, [well("1"), well("1"), pair("1", "2")], "leaked-state", "a reused instance 1, then 2"),
            (None, [well("1"), well("1"), bad("a: b")], "leaked-state", "a reused instance the error a: b"),
        ] {
            let (got, text) = judge(expected, &fresh, &again, &shared);
            assert!(got == outcome && text.contains(detail), "{fresh:?} {again:?} {shared:?}: {got} {text}");
        }
    }
}
