//! What a rule demands of the arguments of a call: `where: {host: "@caller.host"}`.

use std::fmt;

use serde_json::{Map, Value};

use super::answer::Answer;
use super::pattern::Pattern;
use crate::command::Command;
use crate::name::AccountId;

/// One value an argument may have.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Expected {
    /// `@caller.user`: the part of the caller's account before `@`.
    CallerUser,
    /// `@caller.host`: the part behind `@`.
    CallerHost,
    /// `@caller.account`: the whole account.
    CallerAccount,
    /// Exactly this text, number or truth value.
    Literal(Value),
    /// A text this glob matches.
    Glob(Pattern),
}

impl Expected {
    /// Reads a value as rules write it. A text that begins with `@` speaks of the caller (`@@` writes a real `@`); one
    /// with `*` or `?` is a glob.
    ///
    /// # Errors
    /// A sentence about what is wrong with it.
    pub fn parse(value: &Value) -> Result<Self, String> {
        let text = match value {
            Value::String(text) => text,
            Value::Number(_) | Value::Bool(_) => return Ok(Self::Literal(value.clone())),
            Value::Null | Value::Array(_) | Value::Object(_) => {
                return Err("expected a string, a number, true or false, or a list of them".to_owned());
            }
        };
        match text.as_str() {
            "@caller.user" => Ok(Self::CallerUser),
            "@caller.host" => Ok(Self::CallerHost),
            "@caller.account" => Ok(Self::CallerAccount),
            _ if text.starts_with('@') && !text.starts_with("@@") => Err(format!(
                "unknown value `{text}`; known are @caller.user, @caller.host, @caller.account (@@ is a plain @)"
            )),
            _ => {
                let text = text.strip_prefix('@').unwrap_or(text);
                if text.contains(['*', '?']) {
                    Pattern::glob(text).map(Self::Glob)
                } else {
                    Ok(Self::Literal(Value::from(text)))
                }
            }
        }
    }

    /// The value as rules write it.
    pub fn to_value(&self) -> Value {
        let escaped =
            |text: &str| Value::from(if text.starts_with('@') { format!("@{text}") } else { text.to_owned() });
        match self {
            Self::CallerUser => Value::from("@caller.user"),
            Self::CallerHost => Value::from("@caller.host"),
            Self::CallerAccount => Value::from("@caller.account"),
            Self::Literal(Value::String(text)) => escaped(text),
            Self::Literal(value) => value.clone(),
            Self::Glob(glob) => escaped(glob.as_str()),
        }
    }

    fn accepts(&self, value: &Value, account: Option<&AccountId>) -> bool {
        let is = |part: Option<&str>| part.is_some() && value.as_str() == part;
        match self {
            Self::CallerUser => is(account.map(AccountId::user)),
            Self::CallerHost => is(account.map(AccountId::host)),
            Self::CallerAccount => is(account.map(AccountId::as_str)),
            Self::Literal(literal) => value == literal,
            Self::Glob(glob) => value.as_str().is_some_and(|text| glob.matches(text)),
        }
    }

    /// Whether some argument of this caller can be accepted.
    fn can_hold(&self, account: Option<&AccountId>) -> bool {
        match self {
            Self::CallerUser | Self::CallerHost | Self::CallerAccount => account.is_some(),
            Self::Literal(_) | Self::Glob(_) => true,
        }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to_value() {
            Value::String(text) => formatter.write_str(&text),
            other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                write!(formatter, "{other}")
            }
        }
    }
}

/// What one argument must be: one of these values. An argument that is a list must have at least one item, and each
/// must be one of the values; an argument that is absent never fits.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Condition {
    /// The argument's name.
    pub argument: String,
    /// Alternatives.
    pub values: Vec<Expected>,
}

impl Condition {
    /// Whether the arguments fit; without arguments, whether some could.
    pub(super) fn answer(
        &self,
        account: Option<&AccountId>,
        command: &Command,
        arguments: Option<&Map<String, Value>>,
    ) -> Answer {
        let Some(arguments) = arguments else {
            let known = command.input.has_property(&self.argument);
            let possible = self.values.iter().any(|value| value.can_hold(account));
            return if known && possible { Answer::Depends } else { Answer::No };
        };
        let accepted = |value: &Value| self.values.iter().any(|expected| expected.accepts(value, account));
        Answer::from(match arguments.get(&self.argument) {
            Some(Value::Array(items)) => !items.is_empty() && items.iter().all(accepted),
            Some(value) => accepted(value),
            None => false,
        })
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} is ", self.argument)?;
        for (index, value) in self.values.iter().enumerate() {
            let separator = if index == 0 { "" } else { " or " };
            write!(formatter, "{separator}{value}")?;
        }
        Ok(())
    }
}
