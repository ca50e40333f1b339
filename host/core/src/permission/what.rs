//! Which commands a rule is about.

use std::fmt;

use thiserror::Error;

use crate::command::Command;
use crate::name::{CommandName, PluginName, Tag};

/// One item of a group's `what`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Selector {
    /// `*`: every command.
    All,
    /// A command's name.
    Command(String),
    /// `[tag:x]`: commands with the tag.
    Tag(String),
    /// `[plugin:x]`: commands of the plugin.
    Plugin(String),
    /// `!…`: takes away from the same group.
    Not(Box<Self>),
}

/// Why a text is no selector.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum SelectorError {
    /// Nothing is there.
    #[error("an empty text selects nothing")]
    Empty,
    /// `!!x`.
    #[error("double negation: {0}")]
    DoubleNegation(String),
    /// Not a name.
    #[error("invalid command: {0}")]
    Command(String),
    /// `[…]` that is not closed or of no known kind.
    #[error("invalid group: {0} (known are [tag:NAME] and [plugin:NAME])")]
    Bracket(String),
}

impl Selector {
    /// Parses `*`, `name`, `[tag:x]`, `[plugin:x]`, each also with `!` before it.
    ///
    /// # Errors
    /// Which part of the text is wrong.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        match text.strip_prefix('!') {
            Some(rest) if rest.starts_with('!') => Err(SelectorError::DoubleNegation(text.to_owned())),
            Some(rest) => Ok(Self::Not(Box::new(Self::parse_positive(rest)?))),
            None => Self::parse_positive(text),
        }
    }

    fn parse_positive(text: &str) -> Result<Self, SelectorError> {
        if text == "*" {
            return Ok(Self::All);
        }
        if text.is_empty() {
            return Err(SelectorError::Empty);
        }
        if text.starts_with('[') {
            let inner = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
            return match inner.and_then(|inner| inner.split_once(':')) {
                Some(("tag", tag)) if Tag::parse(tag).is_ok() => Ok(Self::Tag(tag.to_owned())),
                Some(("plugin", name)) if PluginName::parse(name).is_ok() => Ok(Self::Plugin(name.to_owned())),
                _ => Err(SelectorError::Bracket(text.to_owned())),
            };
        }
        match CommandName::parse(text) {
            Ok(_) => Ok(Self::Command(text.to_owned())),
            Err(_) => Err(SelectorError::Command(text.to_owned())),
        }
    }

    fn covers(&self, command: &Command) -> bool {
        match self {
            Self::All => true,
            Self::Command(name) => command.name.as_str() == name,
            Self::Tag(tag) => command.has_tag(tag),
            Self::Plugin(plugin) => command.origin.plugin().is_some_and(|own| own.as_str() == plugin),
            Self::Not(_) => false,
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => formatter.write_str("*"),
            Self::Command(name) => formatter.write_str(name),
            Self::Tag(tag) => write!(formatter, "[tag:{tag}]"),
            Self::Plugin(plugin) => write!(formatter, "[plugin:{plugin}]"),
            Self::Not(inner) => write!(formatter, "!{inner}"),
        }
    }
}

/// A group's `what`: what its positive items cover, less what its negative items cover. Order does not matter, and
/// only negative items cover nothing.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct What {
    items: Vec<Selector>,
}

impl What {
    /// Takes the items as written.
    pub fn new(items: Vec<Selector>) -> Self {
        Self { items }
    }

    /// The items as written.
    pub fn items(&self) -> &[Selector] {
        &self.items
    }

    /// Whether the command is covered.
    pub fn covers(&self, command: &Command) -> bool {
        let mut covered = false;
        for item in &self.items {
            if let Selector::Not(inner) = item {
                if inner.covers(command) {
                    return false;
                }
            } else {
                covered = covered || item.covers(command);
            }
        }
        covered
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn misspelt_selectors_say_what_is_wrong() {
        for (text, expected) in [
            ("", "an empty text selects nothing"),
            ("!", "an empty text selects nothing"),
            ("Status", "invalid command: Status"),
            ("get-roster", "invalid command: get-roster"),
            ("!!status", "double negation: !!status"),
            ("[tag:logs", "invalid group: [tag:logs (known are [tag:NAME] and [plugin:NAME])"),
            ("[tga:logs]", "invalid group: [tga:logs] (known are [tag:NAME] and [plugin:NAME])"),
            ("[tag:*]", "invalid group: [tag:*] (known are [tag:NAME] and [plugin:NAME])"),
        ] {
            assert_eq!(Selector::parse(text).unwrap_err().to_string(), expected);
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_parsed_back(text in r"!?(\*|[a-z][a-z0-9_]{0,9}|\[(tag|plugin):[a-z][a-z0-9_-]{0,9}\])") {
            prop_assert_eq!(Selector::parse(&text).unwrap().to_string(), text);
        }
    }
}
