//! `help`: what the caller may call, with everything there is to know about it.

use std::sync::Arc;

use muster_core::command::{Audience, Command};
use muster_core::error::CallError;
use muster_core::name::Tag;
use muster_core::registry::Registered;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::Services;
use crate::definition::{Call, Definition};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// A command, a tag, or a pattern with `*` and `?`. Everything without.
    topic: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct Entry {
    /// The command's name.
    name: String,
    /// The API version in which this form starts.
    version: u32,
    /// One line about it.
    summary: String,
    /// The rest, as Markdown.
    description: String,
    /// Words that group it.
    tags: Vec<String>,
    /// Whom the author had in mind.
    audience: String,
    /// What running it may do.
    effects: Vec<String>,
    /// What to use instead, when it should no longer be used.
    deprecated: Option<String>,
    /// Who brought it.
    origin: String,
    /// JSON Schema of the arguments.
    input: Value,
    /// JSON Schema of the result.
    output: Value,
    /// Worked calls.
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
        .description(
            "Every version of a command is an entry of its own. A topic that nothing matches gives an empty list.",
        )
        .tags(&["server"])
        .audience(Audience::User)
        .read_only()
        .example("Nothing matches", json!({"topic": "no_such_thing"}), json!([]))
        .run(services, |Call { services, caller, arguments }: Call<Arguments>| async move {
            let dispatcher =
                services.dispatcher.upgrade().ok_or_else(|| CallError::internal_from("the dispatcher is gone"))?;
            let listed = dispatcher.list_for(&caller);
            let topic = arguments.topic.as_deref();
            Ok(listed.iter().map(|one| &one.command).filter(|one| matches(topic, one)).map(entry).collect::<Vec<_>>())
        })
}

fn matches(topic: Option<&str>, command: &Command) -> bool {
    topic.is_none_or(|topic| {
        command.has_tag(topic) || matches_pattern(topic.as_bytes(), command.name.as_str().as_bytes())
    })
}

/// Whether the pattern, in which `*` stands for any text and `?` for any character, is the whole text. Remembers only
/// the last `*`, so it takes at most pattern × text steps.
fn matches_pattern(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut from, mut star) = (0, 0, None);
    while from < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, from));
                at += 1;
            }
            Some(wanted) if *wanted == b'?' || text.get(from) == Some(wanted) => {
                at += 1;
                from += 1;
            }
            _ => match star {
                Some((star_at, star_from)) => {
                    star = Some((star_at, star_from + 1));
                    at = star_at + 1;
                    from = star_from + 1;
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(at).all(|rest| *rest == b'*')
}

fn entry(command: &Command) -> Entry {
    Entry {
        name: command.name.as_str().to_owned(),
        version: command.version,
        summary: command.summary.clone(),
        description: command.description.clone(),
        tags: command.tags.iter().map(Tag::as_str).map(str::to_owned).collect(),
        audience: command.audience.as_str().to_owned(),
        effects: command.effects.names().into_iter().map(str::to_owned).collect(),
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

#[cfg(test)]
mod tests {
    use super::matches_pattern;

    #[test]
    fn patterns_match_whole_names() {
        for (pattern, text, expected) in [
            ("status", "status", true),
            ("stat", "status", false),
            ("*", "status", true),
            ("s?atus", "status", true),
            ("*_roster*", "get_roster_count", true),
            ("get_*_count", "get_roster", false),
            ("****a", "bbbb", false),
            ("", "", true),
            ("?", "", false),
        ] {
            assert_eq!(matches_pattern(pattern.as_bytes(), text.as_bytes()), expected, "{pattern} {text}");
        }
    }
}
