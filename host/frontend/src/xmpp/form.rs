//! Forms (XEP-0004, with XEP-0122 for what fields take): made from a command's schema, and read back into arguments.
//!
//! | the schema wants | the field is |
//! |---|---|
//! | one of some values | `list-single` |
//! | true or false | `boolean` |
//! | a text | `text-single`; `text-multi` where its default or the schema's media type says that it has lines; `text-private` where it is secret; `jid-single` where its format is `jid` |
//! | a number | `text-single` with its range |
//! | several of some values | `list-multi` |
//! | several texts or numbers | `text-multi`, one per line; `jid-multi` where their format is `jid` |
//! | anything else | `text-multi` that takes JSON, and says so |
//!
//! A field that is left empty is no argument, unless a text is required.

use muster_core::command::Command;
use muster_core::error::ArgumentError;
use muster_core::schema::{DEPTH_MAX, Schema, parse_json};
use serde_json::{Map, Value};

use super::names::{FORMS, VALIDATION};
use super::stanza::StanzaError;
use crate::xml::Element;

/// Most fields of a form, shown or submitted.
pub(super) const FIELDS_MAX: usize = 200;
/// The field for members of a schema that does not name them all.
const MORE: &str = "#json";

/// What was submitted: names of fields with their values, in the order given.
pub(super) type Submitted = Vec<(String, Vec<String>)>;

/// How an argument is asked for.
#[derive(Debug)]
enum Kind {
    Boolean,
    /// One of these, each with its text.
    One(Vec<(String, Value)>),
    /// Some of these.
    Some(Vec<(String, Value)>),
    Jid,
    Jids,
    Private,
    /// One line.
    Text,
    /// A text with lines.
    Lines,
    /// One item in each line.
    Items,
    Json,
}

/// An argument, as a form has it.
struct Field<'a> {
    whole: &'a Schema,
    name: &'a str,
    /// Its schema.
    node: &'a Value,
    kind: Kind,
    is_required: bool,
}

/// Whether a command takes anything.
pub(super) fn takes_arguments(schema: &Schema) -> bool {
    schema.properties().next().is_some() || takes_more(schema)
}

/// Whether the schema allows members it does not name in one list.
fn takes_more(schema: &Schema) -> bool {
    const MORE_KEYS: [&str; 6] = ["$ref", "allOf", "anyOf", "oneOf", "patternProperties", "if"];
    let json = schema.json();
    let open = json.get("additionalProperties").is_some_and(|more| *more != Value::Bool(false));
    open || MORE_KEYS.iter().any(|key| json.get(*key).is_some())
}

/// The form that asks for a command's arguments. `given` is what was submitted before, and `errors` what is wrong with it.
pub(super) fn ask(command: &Command, only_where: &[String], given: &Submitted, errors: &[ArgumentError]) -> Element {
    let schema = &command.input;
    let mut instructions: Vec<String> = command.description.split("\n\n").map(|text| text.replace('\n', " ")).collect();
    instructions.retain(|text| !text.trim().is_empty());
    if !only_where.is_empty() {
        instructions.push(format!("The rules of this host require: {}.", only_where.join(", or ")));
    }
    if command.effects.destructive {
        instructions.push("The effect of this command cannot be undone.".to_owned());
    }
    if let Some(deprecated) = &command.deprecated {
        instructions.push(format!("Deprecated: {deprecated}"));
    }
    if !takes_arguments(schema) {
        instructions.push("The command has no arguments. Complete the form to run it.".to_owned());
    }
    let texts = instructions.into_iter().map(|text| Element::new(FORMS, "instructions").text(text));
    let fields = fields(schema).map(|field| field.show(given, errors));
    let more = takes_more(schema).then(|| {
        let desc = Element::new(FORMS, "desc").text("Further arguments, as a JSON object");
        let field = Element::new(FORMS, "field").with("var", MORE).with("type", "text-multi").with("label", "JSON");
        field.child(desc).children(values(given, MORE).iter().map(|text| value(text)))
    });
    Element::new(FORMS, "x")
        .with("type", "form")
        .child(Element::new(FORMS, "title").text(command.summary.as_str()))
        .children(texts)
        .children(fields)
        .children(more)
}

/// What was submitted in a form.
///
/// # Errors
/// When it is none that was submitted, or has a field twice.
pub(super) fn submitted(form: &Element) -> Result<Submitted, StanzaError> {
    let bad = |text: &str| StanzaError::bad_stage("bad-payload", text);
    if form.attribute("type") != Some("submit") {
        return Err(bad("the form must be of type `submit`"));
    }
    let mut submitted: Submitted = Vec::new();
    for field in form.elements().filter(|element| element.is(FORMS, "field")) {
        let (Some(name), kind) = (field.attribute("var"), field.attribute("type")) else { continue };
        if kind == Some("fixed") || name == "FORM_TYPE" {
            continue;
        }
        if submitted.len() >= FIELDS_MAX || submitted.iter().any(|(own, _)| own == name) {
            return Err(bad("the form has a duplicate field or too many fields"));
        }
        let values = field.elements().filter(|element| element.is(FORMS, "value"));
        submitted.push((name.to_owned(), values.map(|value| value.own_text().into_owned()).collect()));
    }
    Ok(submitted)
}

/// The arguments that were submitted. What cannot become what the schema wants stays a text, which the schema then refuses
/// at its place.
pub(super) fn arguments(schema: &Schema, submitted: &Submitted) -> Map<String, Value> {
    let mut arguments = Map::new();
    let fields: Vec<Field<'_>> = fields(schema).collect();
    for (name, values) in submitted {
        let value = match fields.iter().find(|field| field.name == name) {
            Some(field) => field.read(values),
            None if name == MORE && takes_more(schema) => match json(&values.join("\n")) {
                Some(Value::Object(more)) => {
                    arguments.extend(more);
                    None
                }
                _ if values.iter().all(String::is_empty) => None,
                _ => Some(Value::String(values.join("\n"))),
            },
            None => Some(Value::String(values.join("\n"))),
        };
        if let Some(value) = value {
            arguments.insert(name.clone(), value);
        }
    }
    arguments
}

fn fields(schema: &Schema) -> impl Iterator<Item = Field<'_>> {
    let required = schema.json().get("required").and_then(Value::as_array);
    schema.properties().take(FIELDS_MAX).map(move |(name, node)| {
        let node = one_branch(schema, node);
        let is_required = required.is_some_and(|names| names.iter().any(|own| own == name));
        Field { whole: schema, name, node, kind: kind(schema, node), is_required }
    })
}

/// The branch that is not null, where a schema has one other.
fn one_branch<'a>(whole: &'a Schema, node: &'a Value) -> &'a Value {
    let node = whole.resolve(node);
    let branches = ["anyOf", "oneOf"].iter().find_map(|key| node.get(*key)).and_then(Value::as_array);
    let mut others = branches.into_iter().flatten().filter(|branch| whole.types_of(branch) != ["null"]);
    match (others.next(), others.next()) {
        (Some(one), None) => whole.resolve(one),
        _ => node,
    }
}

fn kind(whole: &Schema, node: &Value) -> Kind {
    let is = |key: &str, word: &str| node.get(key).and_then(Value::as_str) == Some(word);
    if let Some(options) = options(node) {
        return Kind::One(options);
    }
    let mut types = whole.types_of(node);
    types.retain(|kind| *kind != "null");
    match types.as_slice() {
        ["boolean"] => Kind::Boolean,
        ["array"] => {
            let items = one_branch(whole, whole.array_items(node).unwrap_or(&Value::Null));
            match kind(whole, items) {
                Kind::One(options) => Kind::Some(options),
                Kind::Jid => Kind::Jids,
                Kind::Text | Kind::Private | Kind::Boolean => Kind::Items,
                Kind::Some(_) | Kind::Jids | Kind::Lines | Kind::Items | Kind::Json => Kind::Json,
            }
        }
        types if types.iter().any(|kind| ["array", "object"].contains(kind)) => Kind::Json,
        types if types.contains(&"string") => {
            let media_type = node.get("contentMediaType").and_then(Value::as_str).unwrap_or_default();
            let default = node.get("default").and_then(Value::as_str).unwrap_or_default();
            if is("format", "password") || node.get("writeOnly") == Some(&Value::Bool(true)) {
                Kind::Private
            } else if is("format", "jid") {
                Kind::Jid
            } else if default.contains('\n') || media_type.starts_with("text/") {
                Kind::Lines
            } else {
                Kind::Text
            }
        }
        [] => Kind::Json,
        types if types.iter().all(|kind| ["integer", "number"].contains(kind)) => Kind::Text,
        _ => Kind::Json,
    }
}

/// The values a schema lists, if it lists plain ones.
fn options(node: &Value) -> Option<Vec<(String, Value)>> {
    let values = match (node.get("enum"), node.get("const"), node.get("oneOf")) {
        (Some(Value::Array(values)), ..) => values.clone(),
        (None, Some(value), _) => vec![value.clone()],
        // As schemas of enums with documents for each value have it.
        (None, None, Some(Value::Array(branches))) => {
            branches.iter().map(|branch| branch.get("const").cloned()).collect::<Option<_>>()?
        }
        _ => return None,
    };
    let plain = |value: &Value| !value.is_array() && !value.is_object();
    let listed = values.iter().filter(|value| !value.is_null()).map(|value| (plain_text(value), value.clone()));
    values.iter().all(plain).then(|| listed.collect())
}

/// A text as it is, anything else as JSON.
pub(super) fn plain_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn json(text: &str) -> Option<Value> {
    parse_json(text.as_bytes(), DEPTH_MAX).ok()
}

fn value(text: &str) -> Element {
    Element::new(FORMS, "value").text(text)
}

fn values<'a>(given: &'a Submitted, name: &str) -> &'a [String] {
    given.iter().find(|(own, _)| own == name).map_or(&[], |(_, values)| values)
}

impl Field<'_> {
    /// The field, with what was given before or else its default, and with what is wrong about it.
    fn show(&self, given: &Submitted, errors: &[ArgumentError]) -> Element {
        let (kind, hint) = match &self.kind {
            Kind::Boolean => ("boolean", ""),
            Kind::One(_) => ("list-single", ""),
            Kind::Some(_) => ("list-multi", ""),
            Kind::Jid => ("jid-single", ""),
            Kind::Jids => ("jid-multi", ""),
            Kind::Private => ("text-private", ""),
            Kind::Text => ("text-single", ""),
            Kind::Lines => ("text-multi", ""),
            Kind::Items => ("text-multi", "one per line"),
            Kind::Json => ("text-multi", "as JSON"),
        };
        let label = if hint.is_empty() { self.name.to_owned() } else { format!("{} ({hint})", self.name) };
        let mut field = Element::new(FORMS, "field").with("var", self.name).with("type", kind).with("label", label);
        let text = |key: &str| self.node.get(key).and_then(Value::as_str).unwrap_or_default().replace('\n', " ");
        let mistakes = errors.iter().filter(|error| self.is_about(error)).map(|error| format!("{}.", error.message));
        let texts: Vec<String> = mistakes.chain([text("description")]).filter(|text| !text.is_empty()).collect();
        if !texts.is_empty() {
            field = field.child(Element::new(FORMS, "desc").text(texts.join(" ")));
        }
        if self.is_required {
            field = field.child(Element::new(FORMS, "required"));
        }
        let given = given.iter().find(|(name, _)| name == self.name).map(|(_, values)| values.clone());
        let shown = match given {
            // A secret is typed again rather than sent around.
            _ if matches!(self.kind, Kind::Private) => Vec::new(),
            Some(given) => given,
            None => self.node.get("default").map(|default| self.texts(default)).unwrap_or_default(),
        };
        if let Kind::One(options) | Kind::Some(options) = &self.kind {
            let none = (!self.is_required && matches!(self.kind, Kind::One(_))).then_some(("—", ""));
            let options = options.iter().map(|(text, _)| (text.as_str(), text.as_str()));
            let option = |(label, text)| Element::new(FORMS, "option").with("label", label).child(value(text));
            field = field.children(none.into_iter().chain(options).map(option));
        }
        field.children(shown.iter().map(|text| value(text))).children(self.validation())
    }

    /// Whether an error is about this argument or something in it.
    fn is_about(&self, error: &ArgumentError) -> bool {
        let own = self.name.replace('~', "~0").replace('/', "~1");
        error.pointer.strip_prefix('/').and_then(|rest| rest.split('/').next()) == Some(own.as_str())
    }

    /// A value as the field shows it.
    fn texts(&self, value: &Value) -> Vec<String> {
        match (&self.kind, value) {
            (_, Value::Null) => Vec::new(),
            (Kind::Some(_) | Kind::Jids | Kind::Items, Value::Array(items)) => items.iter().map(plain_text).collect(),
            (Kind::Json, value) => lines(&format!("{value:#}")),
            (_, value) => lines(&plain_text(value)),
        }
    }

    /// What the submitted values say; nothing where they say nothing.
    fn read(&self, values: &[String]) -> Option<Value> {
        let joined = || values.join("\n");
        let is_empty = values.iter().all(String::is_empty);
        let convert = |node: &Value, text: &str| {
            self.whole.convert_text(node, text).unwrap_or_else(|_| Value::String(text.to_owned()))
        };
        let chosen = |options: &[(String, Value)], text: &str| {
            let option = options.iter().find(|(own, _)| own == text);
            option.map_or_else(|| Value::String(text.to_owned()), |(_, value)| value.clone())
        };
        let filled = || values.iter().filter(|text| !text.is_empty());
        match &self.kind {
            Kind::Text | Kind::Private | Kind::Lines | Kind::Jid if is_empty => {
                let wants_text = self.whole.types_of(self.node).contains(&"string");
                (self.is_required && wants_text).then(|| Value::String(String::new()))
            }
            Kind::Some(_) | Kind::Items | Kind::Jids if is_empty => self.is_required.then(|| Value::Array(Vec::new())),
            _ if is_empty => None,
            Kind::Boolean => Some(match joined().as_str() {
                "1" | "true" => Value::Bool(true),
                "0" | "false" => Value::Bool(false),
                other => Value::String(other.to_owned()),
            }),
            Kind::One(options) => Some(chosen(options, &joined())),
            Kind::Some(options) => Some(filled().map(|text| chosen(options, text)).collect()),
            Kind::Items | Kind::Jids => {
                let items = self.whole.array_items(self.node).unwrap_or(&Value::Null);
                Some(filled().map(|text| convert(items, text)).collect())
            }
            Kind::Json => Some(json(&joined()).unwrap_or_else(|| Value::String(joined()))),
            Kind::Text | Kind::Private | Kind::Lines | Kind::Jid => Some(convert(self.node, &joined())),
        }
    }

    /// What the field takes, as far as XEP-0122 has words for it.
    fn validation(&self) -> Option<Element> {
        let validate = |datatype: &'static str| Element::new(VALIDATION, "validate").with("datatype", datatype);
        let number = |key: &str| self.node.get(key).filter(|value| value.is_number()).map(ToString::to_string);
        let ranged = |element: Element, name: &'static str, least: Option<String>, most: Option<String>| {
            let bounds = [("min", least), ("max", most)];
            if bounds.iter().all(|(_, bound)| bound.is_none()) {
                return element.child(Element::new(VALIDATION, "basic"));
            }
            let range = bounds.into_iter().filter_map(|(name, bound)| Some((name, bound?)));
            element.child(range.fold(Element::new(VALIDATION, name), |range, (name, bound)| range.with(name, bound)))
        };
        match &self.kind {
            Kind::Some(_) => {
                let (least, most) = (number("minItems"), number("maxItems"));
                (least.is_some() || most.is_some()).then(|| ranged(validate("xs:string"), "list-range", least, most))
            }
            Kind::Text => {
                let mut types = self.whole.types_of(self.node);
                types.retain(|kind| *kind != "null");
                match types.as_slice() {
                    ["integer"] => Some(ranged(validate("xs:integer"), "range", number("minimum"), number("maximum"))),
                    ["number"] | ["integer", "number"] | ["number", "integer"] => {
                        Some(ranged(validate("xs:double"), "range", number("minimum"), number("maximum")))
                    }
                    ["string"] => self.text_validation(),
                    _ => None,
                }
            }
            Kind::Boolean
            | Kind::One(_)
            | Kind::Jid
            | Kind::Jids
            | Kind::Private
            | Kind::Lines
            | Kind::Items
            | Kind::Json => None,
        }
    }

    fn text_validation(&self) -> Option<Element> {
        let text = |key: &str| self.node.get(key).and_then(Value::as_str);
        let validate = |datatype: &'static str| Element::new(VALIDATION, "validate").with("datatype", datatype);
        let basic = || Element::new(VALIDATION, "basic");
        if let Some(pattern) = text("pattern").and_then(whole_pattern) {
            return Some(validate("xs:string").child(Element::new(VALIDATION, "regex").text(pattern)));
        }
        let datatype = match text("format")? {
            "date" => "xs:date",
            "time" => "xs:time",
            "date-time" => "xs:dateTime",
            "uri" => "xs:anyURI",
            _ => return None,
        };
        Some(validate(datatype).child(basic()))
    }
}

/// A pattern of JSON Schema in the words of XEP-0122 (POSIX, for the whole text), where it means the same there.
fn whole_pattern(pattern: &str) -> Option<&str> {
    let inner = pattern.strip_prefix('^')?.strip_suffix('$')?;
    let same = !inner.contains(['\\', '^', '$']) && !inner.contains("(?") && !inner.contains("?}") && inner.is_ascii();
    let lazy = ["*?", "+?", "??", "}?"].iter().any(|lazy| inner.contains(lazy));
    (same && !lazy && !inner.contains('|')).then_some(inner)
}

/// A text as the lines of a `text-multi`.
pub(super) fn lines(text: &str) -> Vec<String> {
    text.split('\n').map(str::to_owned).collect()
}

#[cfg(test)]
mod tests;
