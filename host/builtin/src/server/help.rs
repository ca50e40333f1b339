//! `help`: what the caller may call, with everything there is to know about it.

use std::sync::Arc;

use muster_core::command::{Audience, Command};
use muster_core::dispatch::Listed;
use muster_core::error::CallError;
use muster_core::name::Tag;
use muster_core::permission::Pattern;
use muster_core::registry::Registered;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::Services;
use crate::definition::{Call, Definition};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// A command, a tag, or a pattern with `*` and `?`; default: all commands.
    topic: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct Entry {
    /// The command's name.
    name: String,
    /// The API version in which this form starts.
    version: u32,
    /// A summary of one line.
    summary: String,
    /// The description, as Markdown.
    description: String,
    /// Its tags.
    tags: Vec<String>,
    /// The audience that the author recommends.
    audience: String,
    /// Its effects.
    effects: Vec<String>,
    /// Alternative conditions on its arguments that the rules require of this caller.
    only_where: Vec<String>,
    /// The replacement, if the command is deprecated.
    deprecated: Option<String>,
    /// The provider of the command: built-in, or a plugin.
    origin: String,
    /// JSON Schema of the arguments.
    input: Value,
    /// JSON Schema of the result.
    output: Value,
    /// Examples.
    examples: Vec<Worked>,
}

#[derive(Serialize, JsonSchema)]
struct Worked {
    /// What it shows.
    title: String,
    /// The arguments.
    input: Value,
    /// The result.
    output: Value,
}

pub(crate) fn command(services: &Arc<Services>) -> Result<Registered, String> {
    Definition::new("help", "Describes the commands the caller may call")
        .description("Every version of a command is a separate entry. If nothing matches the topic, the list is empty.")
        .tags(&["server"])
        .audience(Audience::User)
        .read_only()
        .example("Nothing matches", json!({"topic": "no_such_thing"}), json!([]))
        .run(services, |Call { services, caller, arguments }: Call<Arguments>| async move {
            let dispatcher =
                services.dispatcher.upgrade().ok_or_else(|| CallError::internal_from("the dispatcher is gone"))?;
            let listed = dispatcher.list_for(&caller);
            let topic = arguments.topic.as_deref();
            Ok(listed.iter().filter(|one| matches(topic, &one.registered.command)).map(entry).collect::<Vec<_>>())
        })
}

/// Whether the topic is the command's tag, or a glob for its name. A topic that is no glob matches nothing.
fn matches(topic: Option<&str>, command: &Command) -> bool {
    topic.is_none_or(|topic| {
        command.has_tag(topic) || Pattern::glob(topic).is_ok_and(|glob| glob.matches(command.name.as_str()))
    })
}

fn entry(listed: &Listed) -> Entry {
    let command = &listed.registered.command;
    Entry {
        name: command.name.as_str().to_owned(),
        version: command.version,
        summary: command.summary.clone(),
        description: command.description.clone(),
        tags: command.tags.iter().map(Tag::as_str).map(str::to_owned).collect(),
        audience: command.audience.as_str().to_owned(),
        effects: command.effects.names().into_iter().map(str::to_owned).collect(),
        only_where: listed.only_where.clone(),
        deprecated: command.deprecated.clone(),
        origin: command.origin.to_string(),
        input: command.input.json().clone(),
        output: command.output.json().clone(),
        examples: command
            .examples
            .iter()
            .map(|example| Worked {
                title: example.title.clone(),
                input: example.input.clone(),
                output: example.output.clone(),
            })
            .collect(),
    }
}
