//! One command as operations: a `POST`, and a `GET` where it changes nothing.

use muster_core::command::{Command, Example, Origin};
use muster_core::dispatch::Listed;
use muster_core::name::Tag;
use muster_core::schema::TextForm;
use serde_json::{Map, Value, json};

use super::document::header;
use super::schema::{Components, Embedded, reference};
use crate::http::problem::KINDS;

/// The tag of what is about the host's commands as a whole.
pub(super) const LISTING: &str = "commands";

/// What both addresses of a form of a command share.
#[derive(Debug)]
pub(super) struct Shared<'a> {
    input: Embedded<'a>,
    output: Embedded<'a>,
}

impl<'a> Shared<'a> {
    pub(super) fn new(components: &mut Components, command: &'a Command) -> Self {
        let name = format!("{}.v{}", command.name, command.version);
        Self {
            input: components.embed(&format!("{name}.input"), &command.input),
            output: components.embed(&format!("{name}.output"), &command.output),
        }
    }
}

/// What is at `/api`.
pub(super) fn list() -> Value {
    let result = json!({
        "description": "The commands.",
        "headers": Map::from_iter([header("X-Request-Id")]),
        "content": { "application/json": { "schema": reference("Listing") } },
    });
    json!({ "get": {
        "operationId": "list-commands",
        "summary": "Lists the commands you may call",
        "tags": [LISTING],
        "security": security(false),
        "responses": responses(result, |status| matches!(status, 400 | 401 | 429 | 500 | 503)),
    } })
}

/// What is at one address of a form of a command; `version`: whether the address names it.
pub(super) fn path(listed: &Listed, shared: &Shared<'_>, version: Option<u32>) -> Value {
    let command = &listed.registered.command;
    let mut path = Map::from_iter([("post".to_owned(), post(listed, shared, version))]);
    if command.effects.read_only
        && let Some(get) = get(listed, shared, version)
    {
        path.insert("get".to_owned(), get);
    }
    Value::Object(path)
}

fn post(listed: &Listed, shared: &Shared<'_>, version: Option<u32>) -> Value {
    let command = &listed.registered.command;
    let mut operation = common(listed, shared, "", version, |status| !matches!(status, 405 | 414));
    let needs_some = command.input.json().get("required").and_then(Value::as_array).is_some_and(|all| !all.is_empty());
    let mut media = Map::from_iter([("schema".to_owned(), shared.input.reference())]);
    media.extend(examples(command, |example| &example.input));
    operation
        .insert("requestBody".to_owned(), json!({ "required": needs_some, "content": { "application/json": media } }));
    Value::Object(operation)
}

/// Nothing where a query has no way to say an argument.
fn get(listed: &Listed, shared: &Shared<'_>, version: Option<u32>) -> Option<Value> {
    let command = &listed.registered.command;
    let required = command.input.json().get("required").and_then(Value::as_array);
    let mut parameters = Vec::new();
    for (name, property) in command.input.properties() {
        let required = required.is_some_and(|all| all.iter().any(|one| one == name));
        let (schema, form) = shared.input.parameter(property, required)?;
        let mut parameter = Map::from_iter([("name".to_owned(), json!(name)), ("in".to_owned(), json!("query"))]);
        if let Some(about) = property.get("description") {
            parameter.insert("description".to_owned(), about.clone());
        }
        parameter.insert("required".to_owned(), json!(required));
        match form {
            TextForm::Plain | TextForm::List => parameter.insert("schema".to_owned(), schema),
            TextForm::Json => {
                parameter.insert("content".to_owned(), json!({ "application/json": { "schema": schema } }))
            }
        };
        parameters.push(Value::Object(parameter));
    }
    let has_no_body = |status| !matches!(status, 405 | 408 | 413 | 415);
    let mut operation = common(listed, shared, "get-", version, has_no_body);
    operation.insert("parameters".to_owned(), parameters.into());
    Some(Value::Object(operation))
}

/// What is said of either method.
fn common(
    listed: &Listed,
    shared: &Shared<'_>,
    before: &str,
    version: Option<u32>,
    may_be: impl Fn(u16) -> bool,
) -> Map<String, Value> {
    let command = &listed.registered.command;
    // No command has `-` in its name, so these ids are unique.
    let behind = version.map_or_else(String::new, |version| format!("-v{version}"));
    let mut operation = Map::from_iter([
        ("operationId".to_owned(), json!(format!("{before}{}{behind}", command.name))),
        ("summary".to_owned(), json!(command.summary)),
    ]);
    let description = description(listed);
    if !description.is_empty() {
        operation.insert("description".to_owned(), json!(description));
    }
    operation.insert("tags".to_owned(), command.tags.iter().map(Tag::as_str).collect());
    if command.deprecated.is_some() {
        operation.insert("deprecated".to_owned(), json!(true));
    }
    operation.insert("security".to_owned(), security(listed.needs_credential));
    let is_plugin = command.origin != Origin::Builtin;
    let responses = responses(result(command, shared), |status| may_be(status) && (is_plugin || status != 502));
    operation.insert("responses".to_owned(), responses);
    operation.insert(
        "x-muster".to_owned(),
        json!({
            "command": command.name.as_str(),
            "version": command.version,
            "origin": command.origin.to_string(),
            "audience": command.audience.as_str(),
            "effects": command.effects.names(),
            "only_where": listed.only_where,
        }),
    );
    operation
}

/// The author's words, with what the operator's rules and the author's advice add.
fn description(listed: &Listed) -> String {
    let command = &listed.registered.command;
    let mut parts = vec![command.description.clone()];
    if let Some(instead) = &command.deprecated {
        parts.push(format!("**Deprecated.** {instead}"));
    }
    if !listed.only_where.is_empty() {
        parts.push(format!("**You may call it only if** {}.", listed.only_where.join(", or if ")));
    }
    parts.retain(|part| !part.is_empty());
    parts.join("\n\n")
}

/// Each way to say who calls. A command that is open to everybody can be called without.
fn security(needs_credential: bool) -> Value {
    let anonymous = (!needs_credential).then(|| json!({}));
    anonymous.into_iter().chain(["basic", "bearer", "oauth"].map(|scheme| json!({ scheme: [] }))).collect()
}

fn result(command: &Command, shared: &Shared<'_>) -> Value {
    let mut media = Map::from_iter([("schema".to_owned(), shared.output.reference())]);
    media.extend(examples(command, |example| &example.output));
    let mut content = Map::from_iter([("application/json".to_owned(), Value::Object(media))]);
    let text = |key: &str| command.output.json().get(key).and_then(Value::as_str);
    if let (Some("base64"), Some(raw)) = (text("contentEncoding"), text("contentMediaType")) {
        content.insert(raw.to_owned(), json!({}));
    }
    let headers = ["X-Request-Id", "X-Command-Version", "RateLimit-Policy", "RateLimit"].map(header);
    json!({ "description": "The result.", "headers": Map::from_iter(headers), "content": content })
}

/// The author's examples, seen from one side.
fn examples(command: &Command, side: impl Fn(&Example) -> &Value) -> Option<(String, Value)> {
    let all = command.examples.iter().enumerate().map(|(index, example)| {
        (format!("example-{}", index + 1), json!({ "summary": example.title, "value": side(example) }))
    });
    (!command.examples.is_empty()).then(|| ("examples".to_owned(), Value::Object(all.collect())))
}

fn responses(result: Value, may_be: impl Fn(u16) -> bool) -> Value {
    let failures = KINDS.iter().filter(|kind| may_be(kind.status)).map(|kind| {
        let status = kind.status.to_string();
        let at = json!({ "$ref": format!("#/components/responses/{status}") });
        (status, at)
    });
    Value::Object([("200".to_owned(), result)].into_iter().chain(failures).collect())
}
