//! Which commands a rule is about, and with which arguments.

use std::fmt;

use serde_json::{Map, Value};
use thiserror::Error;

use super::answer::Answer;
use super::condition::Condition;
use crate::command::{Audience, Command};
use crate::name::{AccountId, CommandName, PluginName, Tag};

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
    /// `[audience:x]`: commands whose author had these callers in mind.
    Audience(Audience),
    /// `!…`: takes away from the same group.
    Not(Box<Self>),
}

/// Why a text is no selector.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum SelectorError {
    /// Nothing is there.
    #[error("an empty string selects nothing")]
    Empty,
    /// `!!x`.
    #[error("double negation: {0}")]
    DoubleNegation(String),
    /// Not a name.
    #[error("invalid command: {0}")]
    Command(String),
    /// `[…]` that is not closed or of no known kind.
    #[error("invalid group: {0} (known are [tag:NAME], [plugin:NAME] and [audience:open|user|admin|restricted])")]
    Bracket(String),
}

impl Selector {
    /// Parses `*`, `name`, `[tag:x]`, `[plugin:x]`, `[audience:x]`, each also with `!` before it.
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
                Some(("audience", name)) => {
                    Audience::parse(name).map(Self::Audience).ok_or_else(|| SelectorError::Bracket(text.to_owned()))
                }
                _ => Err(SelectorError::Bracket(text.to_owned())),
            };
        }
        match CommandName::parse(text) {
            Ok(_) => Ok(Self::Command(text.to_owned())),
            Err(_) => Err(SelectorError::Command(text.to_owned())),
        }
    }

    /// Whether the command is covered; what begins with `!` covers nothing.
    pub fn covers(&self, command: &Command) -> bool {
        match self {
            Self::All => true,
            Self::Command(name) => command.name.as_str() == name,
            Self::Tag(tag) => command.rule_tags.iter().any(|own| own.as_str() == tag),
            Self::Plugin(plugin) => command.origin.plugin().is_some_and(|own| own.as_str() == plugin),
            Self::Audience(audience) => command.audience == *audience,
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
            Self::Audience(audience) => write!(formatter, "[audience:{}]", audience.as_str()),
            Self::Not(inner) => write!(formatter, "!{inner}"),
        }
    }
}

/// One item of a group's `what`, with what it demands of the arguments.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Item {
    /// Which commands.
    pub selector: Selector,
    /// All of these must hold; none means any arguments.
    pub conditions: Vec<Condition>,
}

impl From<Selector> for Item {
    fn from(selector: Selector) -> Self {
        Self { selector, conditions: Vec::new() }
    }
}

impl Item {
    pub(super) fn conditions_hold(
        &self,
        account: Option<&AccountId>,
        command: &Command,
        arguments: Option<&Map<String, Value>>,
    ) -> Answer {
        Answer::all(self.conditions.iter().map(|condition| condition.answer(account, command, arguments)))
    }
}

/// A group's `what`: what its positive items cover, less what its negative items cover. Order does not matter, and
/// only negative items cover nothing.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct What {
    items: Vec<Item>,
}

impl What {
    /// Takes the items as written.
    pub fn new(items: Vec<Item>) -> Self {
        Self { items }
    }

    /// Takes selectors that demand nothing of arguments.
    pub fn of(selectors: impl IntoIterator<Item = Selector>) -> Self {
        Self::new(selectors.into_iter().map(Item::from).collect())
    }

    /// The items as written.
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// Whether an item takes the command away.
    pub(super) fn excludes(&self, command: &Command) -> Option<&Item> {
        self.items.iter().find(|item| matches!(&item.selector, Selector::Not(inner) if inner.covers(command)))
    }

    /// The items that cover the command, whatever they demand of the arguments.
    pub(super) fn covering(&self, command: &Command) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(|item| item.selector.covers(command))
    }

    /// Whether the command is covered, for some arguments at least.
    pub fn covers(&self, command: &Command) -> bool {
        self.excludes(command).is_none() && self.covering(command).next().is_some()
    }

    /// Whether the command with these arguments is covered; without arguments, whether it is for any or for some.
    pub(super) fn answer(
        &self,
        account: Option<&AccountId>,
        command: &Command,
        arguments: Option<&Map<String, Value>>,
    ) -> Answer {
        if self.excludes(command).is_some() {
            return Answer::No;
        }
        Answer::any(self.covering(command).map(|item| item.conditions_hold(account, command, arguments)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn misspelt_selectors_say_what_is_wrong() {
        for (text, expected) in [
            ("", "an empty string selects nothing"),
            ("!", "an empty string selects nothing"),
            ("Status", "invalid command: Status"),
            ("get-roster", "invalid command: get-roster"),
            ("!!status", "double negation: !!status"),
            (
                "[tag:logs",
                "invalid group: [tag:logs (known are [tag:NAME], [plugin:NAME] and [audience:open|user|admin|restricted])",
            ),
            (
                "[plugin:A b]",
                "invalid group: [plugin:A b] (known are [tag:NAME], [plugin:NAME] and [audience:open|user|admin|restricted])",
            ),
            (
                "[tga:logs]",
                "invalid group: [tga:logs] (known are [tag:NAME], [plugin:NAME] and [audience:open|user|admin|restricted])",
            ),
            (
                "[tag:*]",
                "invalid group: [tag:*] (known are [tag:NAME], [plugin:NAME] and [audience:open|user|admin|restricted])",
            ),
        ] {
            assert_eq!(Selector::parse(text).unwrap_err().to_string(), expected);
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_parsed_back(text in r"!?(\*|[a-z][a-z0-9_]{0,9}|\[(tag|plugin):[a-z][a-z0-9_-]{0,9}\]|\[audience:(open|user|admin|restricted)\])") {
            prop_assert_eq!(Selector::parse(&text).unwrap().to_string(), text);
        }
    }
}
