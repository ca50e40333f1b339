//! YAML with positions: every mistake is reported with file, line, column, the path to it, and what was expected.
//!
//! Scalars stay as they were written until somewhere it is known what is wanted: `007` is the text `007` where a text is
//! wanted, and the number 7 where a number is. What nests deeper than [`DEPTH_MAX`] is refused while it is read, before
//! anything recursive sees it.
#![expect(clippy::wildcard_enum_match_arm, reason = "the enums matched here are of a foreign crate and grow")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path as FilePath, PathBuf};

use muster_core::permission::RuleError;
use muster_core::suggest;
use saphyr::{MarkedYaml, Scalar, ScanError, YamlData, YamlLoader};
use saphyr_parser::{Event, Parser, SpannedEventReceiver};
use serde_json::{Map, Value};
use thiserror::Error;

/// Most maps and lists in one another; what the configuration means needs 12.
const DEPTH_MAX: usize = 64;

/// A mistake in the configuration file.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
#[error("{file}:{line}:{column}: {path}{text}")]
pub struct ConfigError {
    file: String,
    line: usize,
    column: usize,
    /// Keys from the root, each followed by `: `; empty at the root.
    path: String,
    text: String,
}

impl ConfigError {
    /// Line and column, to put mistakes in order.
    pub(super) fn place(&self) -> (usize, usize) {
        (self.line, self.column)
    }
}

/// A part of the file, which knows where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node<'a> {
    file: &'a str,
    path: Path<'a>,
    yaml: &'a MarkedYaml<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Path<'a> {
    Root,
    Below(&'a Node<'a>, &'a str),
}

/// One key of a mapping and what stands under it.
pub(super) struct Member<'a> {
    /// As it was written, less its quotes.
    pub(super) key: &'a str,
    pub(super) key_node: &'a MarkedYaml<'a>,
    pub(super) value: &'a MarkedYaml<'a>,
}

/// Reads the text of the file named `file` and gives its one document to `read`. An empty file is an empty mapping.
pub(super) fn with_document<T>(
    file: &str,
    text: &str,
    read: impl FnOnce(Option<Node<'_>>) -> Result<T, ConfigError>,
) -> Result<T, ConfigError> {
    let documents = documents(text).map_err(|error| ConfigError {
        file: file.to_owned(),
        line: error.marker().line(),
        column: error.marker().col() + 1,
        path: String::new(),
        text: format!("this is not YAML: {}", error.info()),
    })?;
    match documents.as_slice() {
        [] => read(None),
        [yaml] => read(Some(Node { file, path: Path::Root, yaml })),
        [_, second, ..] => {
            Err(Node { file, path: Path::Root, yaml: second }.error("the file has more than one document"))
        }
    }
}

/// Every document of a text. Parsing goes event by event, with no recursion in it, so the depth is known before a level
/// is built.
fn documents(text: &str) -> Result<Vec<MarkedYaml<'_>>, ScanError> {
    let mut loader = YamlLoader::<MarkedYaml<'_>>::default();
    loader.early_parse(false);
    let mut depth = Depth::default();
    for event in Parser::new_from_iter(text.chars()) {
        let (event, span) = event?;
        if !depth.follow(&event) {
            return Err(ScanError::new(span.start, format!("nested deeper than {DEPTH_MAX} levels")));
        }
        loader.on_event(event, span);
        if let Some(error) = loader.error() {
            return Err(error.clone());
        }
    }
    Ok(loader.into_documents())
}

/// How deep the place being read is, aliases counted with what they stand for.
#[derive(Debug, Default)]
struct Depth {
    /// For each open map and list, the anchor it has, and how many levels were seen in it so far.
    open: Vec<(usize, usize)>,
    /// How many levels each anchor stands for.
    anchors: BTreeMap<usize, usize>,
}

impl Depth {
    /// Goes on by one event; whether that is still within bounds.
    fn follow(&mut self, event: &Event<'_>) -> bool {
        let levels = match event {
            Event::SequenceStart(anchor, _) | Event::MappingStart(anchor, _) => {
                self.open.push((*anchor, 0));
                return self.open.len() <= DEPTH_MAX;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some((anchor, below)) = self.open.pop() else { return true };
                self.anchors.insert(anchor, below + 1);
                below + 1
            }
            Event::Alias(anchor) => self.anchors.get(anchor).copied().unwrap_or_default(),
            _ => 0,
        };
        if let Some((_, below)) = self.open.last_mut() {
            *below = levels.max(*below);
        }
        self.open.len() + levels <= DEPTH_MAX
    }
}

/// The value of a scalar; nothing where it is a map or a list, or its tag says what it is not.
fn value<'a>(yaml: &'a MarkedYaml<'_>) -> Option<Scalar<'a>> {
    match &yaml.data {
        YamlData::Representation(text, style, tag) => {
            let tag = tag.as_ref().map(|tag| std::borrow::Cow::Borrowed(tag.as_ref()));
            Scalar::parse_from_cow_and_metadata(text.as_ref().into(), *style, tag.as_ref())
        }
        _ => None,
    }
}

/// A scalar as it was written, less its quotes; nothing where it says nothing.
fn written<'a>(yaml: &'a MarkedYaml<'_>) -> Option<&'a str> {
    match (&yaml.data, value(yaml)) {
        (_, None | Some(Scalar::Null)) => None,
        (YamlData::Representation(text, ..), Some(_)) => Some(text.as_ref()),
        _ => None,
    }
}

impl<'a> Node<'a> {
    /// The node under `key` of this one.
    pub(super) fn below<'b>(&'b self, key: &'b str, yaml: &'b MarkedYaml<'b>) -> Node<'b> {
        Node { file: self.file, path: Path::Below(self, key), yaml }
    }

    /// The same place with another node, for items of lists and the keys themselves.
    pub(super) fn at<'b>(&'b self, yaml: &'b MarkedYaml<'b>) -> Node<'b> {
        Node { file: self.file, path: self.path, yaml }
    }

    /// A mistake at this place.
    pub(super) fn error(&self, text: impl Into<String>) -> ConfigError {
        let start = self.yaml.span.start;
        ConfigError {
            file: self.file.to_owned(),
            line: start.line().max(1),
            column: start.col() + 1,
            path: self.path_text(),
            text: text.into(),
        }
    }

    fn path_text(&self) -> String {
        match self.path {
            Path::Root => String::new(),
            Path::Below(parent, key) => format!("{}{key}: ", parent.path_text()),
        }
    }

    fn expected(&self, expected: &str) -> ConfigError {
        let found = match &self.yaml.data {
            YamlData::Mapping(_) => "a map".to_owned(),
            YamlData::Sequence(_) => "a list".to_owned(),
            _ if self.is_null() => "nothing".to_owned(),
            _ => self.scalar().map_or_else(|| "something else".to_owned(), |text| format!("`{text}`")),
        };
        self.error(format!("expected {expected}, found {found}"))
    }

    /// A word that is not known here; `kind` says what it should have been.
    pub(super) fn unknown(&self, kind: &str, word: &str, known: &[&str]) -> ConfigError {
        self.error(suggest::unknown(kind, word, known.iter().copied()))
    }

    /// What stands here, without its positions. A number or truth value that is written in another way than JSON does it
    /// is a text, as it was written: `007`, `1e3` and `1.10` are names. Where `typed` says so of the keys that lead there,
    /// it is the number all the same.
    pub(super) fn to_value(self, typed: fn(&[&str]) -> bool) -> Result<Value, ConfigError> {
        let as_written = |value: Value, text: &str| {
            let json = value.to_string();
            if json == text || typed(&self.keys()) { value } else { Value::from(text) }
        };
        Ok(match &self.yaml.data {
            YamlData::Representation(text, ..) => match value(self.yaml) {
                Some(Scalar::Null) => Value::Null,
                Some(Scalar::Boolean(truth)) => as_written(Value::Bool(truth), text),
                Some(Scalar::Integer(number)) => as_written(Value::from(number), text),
                Some(Scalar::FloatingPoint(number)) => as_written(Value::from(number.into_inner()), text),
                Some(Scalar::String(text)) => Value::from(text.as_ref()),
                None => return Err(self.expected("a value")),
            },
            YamlData::Sequence(_) => {
                Value::Array(self.one_or_many().into_iter().map(|item| item.to_value(typed)).collect::<Result<_, _>>()?)
            }
            YamlData::Mapping(_) => Value::Object(
                self.members("a map")?
                    .iter()
                    .map(|member| Ok((member.key.to_owned(), self.below(member.key, member.value).to_value(typed)?)))
                    .collect::<Result<Map<_, _>, ConfigError>>()?,
            ),
            _ => return Err(self.expected("a value")),
        })
    }

    /// The keys that lead here from the root.
    fn keys(&self) -> Vec<&'a str> {
        match self.path {
            Path::Root => Vec::new(),
            Path::Below(parent, key) => {
                let mut keys = parent.keys();
                keys.push(key);
                keys
            }
        }
    }

    /// The place of a mistake in rules that were read from this node's values.
    pub(super) fn rule_error(&self, error: &RuleError) -> ConfigError {
        let steps: Vec<&str> = error.pointer.split('/').skip(1).collect();
        self.rule_error_below(&steps, error)
    }

    fn rule_error_below(&self, steps: &[&str], error: &RuleError) -> ConfigError {
        let Some((step, rest)) = steps.split_first() else { return self.error(error.text.clone()) };
        let step = step.replace("~1", "/").replace("~0", "~");
        if let YamlData::Sequence(items) = &self.yaml.data {
            let item = step.parse::<usize>().ok().and_then(|index| items.get(index));
            return self.at(item.unwrap_or(self.yaml)).rule_error_below(rest, error);
        }
        let members = self.members("a map").unwrap_or_default();
        match members.iter().find(|member| member.key == step) {
            Some(member) if error.at_key && rest.is_empty() => self.at(member.key_node).error(error.text.clone()),
            Some(member) => self.below(member.key, member.value).rule_error_below(rest, error),
            None => self.error(error.text.clone()),
        }
    }

    pub(super) fn is_map(&self) -> bool {
        matches!(self.yaml.data, YamlData::Mapping(_))
    }

    pub(super) fn is_null(&self) -> bool {
        value(self.yaml) == Some(Scalar::Null)
    }

    /// A text, number or truth value as it was written, less its quotes.
    pub(super) fn scalar(&self) -> Option<String> {
        written(self.yaml).map(str::to_owned)
    }

    /// The truth value here, with or without quotes.
    pub(super) fn truth(&self) -> Result<bool, ConfigError> {
        let truth = match value(self.yaml) {
            Some(Scalar::Boolean(truth)) => Some(truth),
            Some(Scalar::String(text)) => text.parse().ok(),
            _ => None,
        };
        truth.ok_or_else(|| self.expected("true or false"))
    }

    /// The text here.
    pub(super) fn text(&self, expected: &str) -> Result<String, ConfigError> {
        self.scalar().ok_or_else(|| self.expected(expected))
    }

    /// The path here; a relative one is seen from the folder this file is in.
    pub(super) fn path(&self, expected: &str) -> Result<PathBuf, ConfigError> {
        Ok(self.beside(&self.text(expected)?))
    }

    /// A path as seen from the folder this file is in.
    pub(super) fn beside(&self, path: &str) -> PathBuf {
        FilePath::new(self.file).parent().unwrap_or(FilePath::new("")).join(path)
    }

    /// The whole number here, from `least` to `most`.
    pub(super) fn number(&self, least: u64, most: u64) -> Result<u64, ConfigError> {
        let number = match value(self.yaml) {
            Some(Scalar::Integer(number)) => u64::try_from(number).ok(),
            _ => None,
        };
        number
            .filter(|number| (least..=most).contains(number))
            .ok_or_else(|| self.expected(&format!("a whole number from {least} to {most}")))
    }

    /// The members of the map here.
    pub(super) fn members(&self, expected: &str) -> Result<Vec<Member<'a>>, ConfigError> {
        let YamlData::Mapping(mapping) = &self.yaml.data else { return Err(self.expected(expected)) };
        let mut members: Vec<Member<'a>> = Vec::with_capacity(mapping.len());
        let mut keys = BTreeSet::new();
        for (key_node, value) in mapping {
            let at_key = Node { file: self.file, path: self.path, yaml: key_node };
            let key = written(key_node).ok_or_else(|| at_key.expected("a string as key"))?;
            // What is written with and without quotes is the same key; the loader tells only equal spellings.
            if !keys.insert(key) {
                return Err(at_key.error(format!("duplicate key `{key}`")));
            }
            members.push(Member { key, key_node, value });
        }
        Ok(members)
    }

    /// The items of the list here, or the one thing that stands in its place.
    pub(super) fn one_or_many(&self) -> Vec<Node<'a>> {
        match &self.yaml.data {
            YamlData::Sequence(items) => {
                items.iter().map(|yaml| Node { file: self.file, path: self.path, yaml }).collect()
            }
            _ => vec![*self],
        }
    }
}
