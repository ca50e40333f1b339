//! YAML with positions: every mistake is reported with file, line, column, the path to it, and what was expected.
#![expect(clippy::wildcard_enum_match_arm, reason = "the enums matched here are of a foreign crate and grow")]

use std::path::{Path as FilePath, PathBuf};

use muster_core::permission::RuleError;
use muster_core::suggest;
use saphyr::{LoadableYamlNode, MarkedYaml, Scalar, YamlData};
use serde_json::{Map, Value};
use thiserror::Error;

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
    let documents = MarkedYaml::load_from_str(text).map_err(|error| ConfigError {
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
            YamlData::Value(Scalar::Null) => "nothing".to_owned(),
            _ => self.scalar().map_or_else(|| "something else".to_owned(), |text| format!("`{text}`")),
        };
        self.error(format!("expected {expected}, found {found}"))
    }

    /// A word that is not known here; `kind` says what it should have been.
    pub(super) fn unknown(&self, kind: &str, word: &str, known: &[&str]) -> ConfigError {
        self.error(suggest::unknown(kind, word, known.iter().copied()))
    }

    /// What stands here, without its positions.
    pub(super) fn to_value(self) -> Result<Value, ConfigError> {
        Ok(match &self.yaml.data {
            YamlData::Value(Scalar::Null) => Value::Null,
            YamlData::Value(Scalar::Boolean(truth)) => Value::Bool(*truth),
            YamlData::Value(Scalar::Integer(number)) => Value::from(*number),
            YamlData::Value(Scalar::FloatingPoint(number)) => Value::from(number.into_inner()),
            YamlData::Value(Scalar::String(text)) => Value::from(text.as_ref()),
            YamlData::Sequence(_) => {
                Value::Array(self.one_or_many().into_iter().map(Self::to_value).collect::<Result<_, _>>()?)
            }
            YamlData::Mapping(_) => Value::Object(
                self.members("a map")?
                    .iter()
                    .map(|member| Ok((member.key.to_owned(), self.below(member.key, member.value).to_value()?)))
                    .collect::<Result<Map<_, _>, ConfigError>>()?,
            ),
            _ => return Err(self.expected("a value")),
        })
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
        matches!(self.yaml.data, YamlData::Value(Scalar::Null))
    }

    /// A text, number or truth value as it can be written without quotes.
    pub(super) fn scalar(&self) -> Option<String> {
        match &self.yaml.data {
            YamlData::Value(Scalar::String(text)) => Some(text.to_string()),
            YamlData::Value(Scalar::Integer(number)) => Some(number.to_string()),
            YamlData::Value(Scalar::Boolean(truth)) => Some(truth.to_string()),
            YamlData::Value(Scalar::FloatingPoint(number)) => Some(number.to_string()),
            _ => None,
        }
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
        let number = match &self.yaml.data {
            YamlData::Value(Scalar::Integer(number)) => u64::try_from(*number).ok(),
            _ => None,
        };
        number
            .filter(|number| (least..=most).contains(number))
            .ok_or_else(|| self.expected(&format!("a whole number from {least} to {most}")))
    }

    /// The members of the map here.
    pub(super) fn members(&self, expected: &str) -> Result<Vec<Member<'a>>, ConfigError> {
        let YamlData::Mapping(mapping) = &self.yaml.data else { return Err(self.expected(expected)) };
        mapping
            .iter()
            .map(|(key_node, value)| match &key_node.data {
                YamlData::Value(Scalar::String(key)) => Ok(Member { key: key.as_ref(), key_node, value }),
                _ => Err(Node { file: self.file, path: self.path, yaml: key_node }.expected("a key that is a text")),
            })
            .collect()
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
