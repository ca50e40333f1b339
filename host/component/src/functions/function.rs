//! The functions a component exports, read out of its type: which are commands, and why the others are not.

use std::collections::HashSet;

use muster_core::command::{Audience, Command, DESCRIPTION_BYTES_MAX, Effects, Origin, SUMMARY_CHARS_MAX};
use muster_core::name::{CommandName, Tag};
use muster_core::printable;
use muster_core::schema::{DEPTH_MAX as JSON_DEPTH_MAX, SCHEMA_BYTES_MAX, Schema};
use serde_json::{Value, json};
use wasmparser::{Parser, Payload};
use wit_component::DecodedWasm;
use wit_parser::{Function as WitFunction, Interface, Resolve, Type, TypeDefKind, WorldId, WorldItem};

use super::COMMANDS_MAX;
use super::docs::{DOCS_SECTION, Docs};
use super::names::{Place, call_all};
use super::schema;
use super::shape::{Field, Name, Reader, Shape};
use crate::core_module;
use crate::error::LoadError;

/// Functions of the world that toolchains add for themselves.
const TOOLCHAIN_FUNCTIONS: &[&str] = &["init", "memory", "_initialize", "_start"];
/// Interfaces that toolchains add for themselves.
const TOOLCHAIN_INTERFACES: &[&str] = &["exports"];
/// The tag every command made by the adapter has.
const TAG: &str = "typed";
/// Longest signature shown, in characters; the rest is cut off.
const SIGNATURE_CHARS_MAX: usize = 400;
/// Functions of a component that are looked at.
const FUNCTIONS_MAX: usize = 4 * COMMANDS_MAX;

/// What the functions of a component are to a host.
#[derive(Clone, Debug, Default)]
pub struct Functions {
    /// Those that are commands, in the order of the component.
    pub commands: Vec<Function>,
    /// Those that are not.
    pub skipped: Vec<Skipped>,
}

/// An export that is no command.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Skipped {
    /// The export, as `interface#function`, `function` or `interface`.
    pub export: String,
    /// Why.
    pub reason: String,
}

/// A function that is a command.
#[derive(Clone, Debug)]
pub struct Function {
    place: Place,
    name: CommandName,
    version: u32,
    typed: Typed,
}

/// What a function gives.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// Nothing.
    Nothing,
    /// Always a value.
    Value(Shape),
    /// A value or an error.
    Result(Option<Shape>, Option<Shape>),
}

impl Functions {
    /// Reads the type of a component. `docs` go before what the component says of itself.
    ///
    /// # Errors
    /// When its type cannot be read.
    pub fn read(component: &[u8], docs: &Docs) -> Result<Self, LoadError> {
        let unreadable = |reason: String| LoadError::Invalid(format!("its type cannot be read ({reason})"));
        let component = &*core_module::to_component(component)?;
        let docs = docs.clone().or(Docs::of_component(component));
        let hidden = hide_docs_section(component);
        let decoded = wit_component::decode(hidden.as_deref().unwrap_or(component));
        match decoded.map_err(|error| unreadable(format!("{error:#}")))? {
            DecodedWasm::Component(resolve, world) => Ok(Self::of_world(&resolve, world, &docs)),
            DecodedWasm::WitPackage(..) => Err(unreadable("it is a WIT package, not a component".to_owned())),
        }
    }

    fn of_world(resolve: &Resolve, world: WorldId, docs: &Docs) -> Self {
        let mut skipped = Vec::new();
        let mut found: Vec<(Place, &WitFunction)> = Vec::new();
        for (key, item) in resolve.worlds.get(world).into_iter().flat_map(|world| &world.exports) {
            let export = resolve.name_world_key(key);
            match item {
                WorldItem::Function(function) => match toolchain_function(&export) {
                    Some(reason) => skipped.push(Skipped { export, reason }),
                    None => found.push((Place { interface: None, package: None, function: export }, function)),
                },
                WorldItem::Interface { id, .. } => {
                    let Some(interface) = resolve.interfaces.get(*id) else { continue };
                    if let Some(reason) = foreign_interface(&export, interface) {
                        skipped.push(Skipped { export, reason });
                        continue;
                    }
                    let package = interface.package.and_then(|id| resolve.packages.get(id));
                    let package = package.map(|package| package.name.clone()).filter(|_| export.contains('/'));
                    found.extend(interface.functions.iter().map(|(name, function)| {
                        let interface = Some(export.clone());
                        (Place { interface, package: package.clone(), function: name.clone() }, function)
                    }));
                }
                WorldItem::Type { .. } => {}
            }
        }
        for (place, _) in found.split_off(found.len().min(FUNCTIONS_MAX)) {
            let reason = format!("only the first {FUNCTIONS_MAX} functions of a component are looked at");
            skipped.push(Skipped { export: place.to_string(), reason });
        }
        // Only what can be a command takes part in naming.
        let mut usable = Vec::new();
        for (place, function) in found {
            match Typed::read(resolve, docs, &place, function) {
                Ok(typed) => usable.push((place, typed)),
                Err(reason) => skipped.push(Skipped { export: place.to_string(), reason }),
            }
        }
        let places: Vec<Place> = usable.iter().map(|(place, _)| place.clone()).collect();
        let (mut commands, mut taken) = (Vec::new(), HashSet::new());
        for ((place, typed), called) in usable.into_iter().zip(call_all(&places)) {
            let export = place.to_string();
            let refused = match CommandName::parse(&called.name) {
                Err(error) => Err(error.to_string()),
                Ok(_) if !taken.insert((called.name.clone(), called.version)) => Err(format!(
                    "another function already has the command name `{}` version {}",
                    called.name, called.version
                )),
                Ok(_) if commands.len() >= COMMANDS_MAX => Err(format!("a plugin has at most {COMMANDS_MAX} commands")),
                Ok(name) => Ok(typed.into_function(place, name, called.version)),
            };
            match refused {
                Ok(function) => commands.push(function),
                Err(reason) => skipped.push(Skipped { export, reason }),
            }
        }
        Self { commands, skipped }
    }
}

/// A function whose types are plain data, before it has a name.
#[derive(Clone, Debug)]
struct Typed {
    /// In the words of WIT.
    signature: String,
    docs: String,
    parameters: Vec<Field>,
    answer: Answer,
    input: Value,
    output: Value,
}

impl Typed {
    fn read(resolve: &Resolve, docs: &Docs, place: &Place, function: &WitFunction) -> Result<Self, String> {
        if let Some(resource) = function.kind.resource() {
            let name = resolve.types.get(resource).and_then(|resource| resource.name.as_deref()).unwrap_or_default();
            return Err(format!("it belongs to the resource `{name}`, which is not supported"));
        }
        if function.kind.is_async() {
            return Err("it is async, which is not supported".to_owned());
        }
        let mut reader = Reader::new(resolve, docs);
        let mut parameters = Vec::new();
        for parameter in &function.params {
            let shape = reader.read(&parameter.ty)?;
            let docs = reader.docs_of(&parameter.ty);
            parameters.push(Field { name: Name::new(&parameter.name), docs, shape });
        }
        let answer = match function.result.as_ref().map(|result| reader.read(result)).transpose()? {
            None => Answer::Nothing,
            Some(Shape::Result(ok, error)) => Answer::Result(ok.map(|ok| *ok), error.map(|error| *error)),
            Some(shape) => Answer::Value(shape),
        };
        let given = match &answer {
            Answer::Nothing => None,
            Answer::Value(shape) => Some(shape),
            Answer::Result(ok, _) => ok.as_ref(),
        };
        let depth = parameters.iter().map(|field| 1 + field.shape.json_depth()).max().unwrap_or(0);
        if depth.max(given.map_or(0, Shape::json_depth)) > JSON_DEPTH_MAX {
            return Err(format!("its values nest deeper than {JSON_DEPTH_MAX} levels"));
        }
        let (input, output) = (schema::of_fields(&parameters), schema::of_answer(given));
        if input.to_string().len().max(output.to_string().len()) > SCHEMA_BYTES_MAX {
            return Err(format!("the schema of its values has more than {SCHEMA_BYTES_MAX} bytes"));
        }
        let own = docs.get(place.interface.as_deref(), &function.name).or(function.docs.contents.as_deref());
        let docs = own.unwrap_or_default().trim().to_owned();
        Ok(Self { signature: signature(resolve, function), docs, parameters, answer, input, output })
    }

    fn into_function(self, place: Place, name: CommandName, version: u32) -> Function {
        Function { place, name, version, typed: self }
    }
}

impl Function {
    /// The command's name.
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// The command's version.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Where it is in the component.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// What it takes.
    pub fn parameters(&self) -> &[Field] {
        &self.typed.parameters
    }

    /// What it gives.
    pub fn answer(&self) -> &Answer {
        &self.typed.answer
    }

    /// The command, as `inspect` shows it.
    pub fn to_json(&self) -> Value {
        let (summary, description) = self.texts();
        let (summary, description) = (printable::one_line(&summary), printable::lines(&description));
        json!({
            "name": self.name(), "version": self.version, "summary": summary, "description": description,
            "function": self.place.to_string(), "input": self.typed.input, "output": self.typed.output,
        })
    }

    /// The command itself. What it does to the world is not known, and whom it is for is the operator's to say.
    ///
    /// # Errors
    /// When a command cannot be made of it, and why.
    pub fn command(&self, origin: &Origin) -> Result<Command, LoadError> {
        let refuse = |reason: String| LoadError::BadCommand { command: self.name().to_owned(), reason };
        let (summary, description) = self.texts();
        let (summary, description) = (printable::one_line(&summary), printable::lines(&description));
        let command = Command {
            name: self.name.clone(),
            version: self.version,
            summary,
            description,
            tags: Tag::parse(TAG).into_iter().collect(),
            rule_tags: Vec::new(),
            audience: Audience::Restricted,
            effects: Effects::default(),
            input: Schema::input(self.typed.input.clone()).map_err(refuse)?,
            output: Schema::output(self.typed.output.clone()).map_err(refuse)?,
            examples: Vec::new(),
            deprecated: None,
            input_bytes_max: None,
            deadline_least: None,
            origin: origin.clone(),
        };
        command.check().map_err(refuse)?;
        Ok(command)
    }

    /// Summary and description: the author's first line and the rest, then where the command comes from. Without docs
    /// the summary is the signature.
    fn texts(&self) -> (String, String) {
        let function = format!("{}{}", self.name.as_str(), self.typed.signature);
        let first = self.typed.docs.lines().next().unwrap_or_default().trim().trim_end_matches('.');
        let is_whole = !first.is_empty() && first.chars().count() <= SUMMARY_CHARS_MAX;
        let summary = cut(if first.is_empty() { &function } else { first }, SUMMARY_CHARS_MAX);
        let rest = if is_whole {
            self.typed.docs.lines().skip(1).collect::<Vec<_>>().join("\n")
        } else {
            self.typed.docs.clone()
        };
        let shown = cut(&self.typed.signature, SIGNATURE_CHARS_MAX);
        let source = format!("The function `{}`: `{shown}`.", self.place);
        let mut rest = rest.trim().to_owned();
        while rest.len() + source.len() + 2 > DESCRIPTION_BYTES_MAX && rest.pop().is_some() {}
        let description = if rest.is_empty() { source } else { format!("{rest}\n\n{source}") };
        (summary, description)
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.interface {
            Some(interface) => write!(formatter, "{interface}#{}", self.function),
            None => formatter.write_str(&self.function),
        }
    }
}

fn cut(text: &str, chars_max: usize) -> String {
    if text.chars().count() <= chars_max {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(chars_max.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

fn toolchain_function(name: &str) -> Option<String> {
    let known = TOOLCHAIN_FUNCTIONS.contains(&name) || name.starts_with("cabi_");
    known.then(|| "toolchains add it for their own use".to_owned())
}

fn foreign_interface(name: &str, interface: &Interface) -> Option<String> {
    // An author may call an interface so as well: then it has functions of their own.
    let is_of_toolchain = || interface.functions.keys().all(|function| toolchain_function(function).is_some());
    if TOOLCHAIN_INTERFACES.contains(&name) && is_of_toolchain() {
        return Some("toolchains add it for their own use".to_owned());
    }
    name.starts_with("wasi:").then(|| "it is a WASI interface that hosts call, not callers".to_owned())
}

/// `(name: string, age: option<u8>) -> string`, with the names of types as WIT has them.
fn signature(resolve: &Resolve, function: &WitFunction) -> String {
    let parameters =
        function.params.iter().map(|parameter| format!("{}: {}", parameter.name, words(resolve, &parameter.ty)));
    let parameters = parameters.collect::<Vec<_>>().join(", ");
    let result = function.result.as_ref().map(|result| format!(" -> {}", words(resolve, result))).unwrap_or_default();
    format!("({parameters}){result}")
}

fn words(resolve: &Resolve, of: &Type) -> String {
    let simple = match of {
        Type::Bool => "bool",
        Type::U8 => "u8",
        Type::U16 => "u16",
        Type::U32 => "u32",
        Type::U64 => "u64",
        Type::S8 => "s8",
        Type::S16 => "s16",
        Type::S32 => "s32",
        Type::S64 => "s64",
        Type::F32 => "f32",
        Type::F64 => "f64",
        Type::Char => "char",
        Type::String => "string",
        Type::ErrorContext => "error-context",
        Type::Id(id) => {
            let Some(definition) = resolve.types.get(*id) else { return String::new() };
            return definition.name.clone().unwrap_or_else(|| words_of_kind(resolve, &definition.kind));
        }
    };
    simple.to_owned()
}

#[expect(clippy::wildcard_enum_match_arm, reason = "a foreign enum; the others have names of their own")]
fn words_of_kind(resolve: &Resolve, kind: &TypeDefKind) -> String {
    let word = |of: &Type| words(resolve, of);
    let or_nothing = |of: &Option<Type>| of.as_ref().map_or_else(|| "_".to_owned(), word);
    match kind {
        TypeDefKind::List(items) => format!("list<{}>", word(items)),
        TypeDefKind::FixedLengthList(items, length) => format!("list<{}, {length}>", word(items)),
        TypeDefKind::Map(key, value) => format!("map<{}, {}>", word(key), word(value)),
        TypeDefKind::Option(inner) => format!("option<{}>", word(inner)),
        TypeDefKind::Tuple(tuple) => {
            format!("tuple<{}>", tuple.types.iter().map(word).collect::<Vec<_>>().join(", "))
        }
        TypeDefKind::Result(result) => match (&result.ok, &result.err) {
            (None, None) => "result".to_owned(),
            (ok, None) => format!("result<{}>", or_nothing(ok)),
            (ok, error) => format!("result<{}, {}>", or_nothing(ok), or_nothing(error)),
        },
        TypeDefKind::Type(target) => word(target),
        other => other.as_str().to_owned(),
    }
}

/// A copy in which the section of docs has another name: the reader of types takes it for the docs of a WIT package, and
/// refuses those of a component. Nothing where there is no such section.
fn hide_docs_section(component: &[u8]) -> Option<Vec<u8>> {
    let mut copy: Option<Vec<u8>> = None;
    for section in Parser::new(0).parse_all(component).filter_map(Result::ok) {
        if let Payload::CustomSection(section) = section
            && section.name() == DOCS_SECTION
            && let Some(last) = section.data_offset().checked_sub(1)
            && let Some(byte) = copy.get_or_insert_with(|| component.to_vec()).get_mut(last)
        {
            *byte = b'_';
        }
    }
    copy
}
