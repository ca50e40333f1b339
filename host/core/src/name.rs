//! Names: parsed once where they come in, never re-checked inside.

use std::fmt;
use std::sync::Arc;

use thiserror::Error;

/// Longest command, plugin or tag name, in bytes.
pub const NAME_BYTES_MAX: usize = 64;
/// Longest account or host part, in bytes (RFC 7622 §3.2).
pub const ACCOUNT_PART_BYTES_MAX: usize = 1023;

/// Why a text is not a name.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("`{text}` is not a valid {kind}: expected {expected}")]
pub struct NameError {
    kind: &'static str,
    text: String,
    expected: &'static str,
}

impl NameError {
    fn new(kind: &'static str, text: &str, expected: &'static str) -> Self {
        // Bounded: the text comes from outside and ends up in an answer.
        Self { kind, text: text.chars().take(80).collect(), expected }
    }
}

macro_rules! text_name {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $expected:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Parses the name.
            ///
            /// # Errors
            /// When the text has another form than described above.
            pub fn parse(text: &str) -> Result<Self, NameError> {
                let valid: fn(&str) -> bool = $valid;
                if valid(text) {
                    Ok(Self(Arc::from(text)))
                } else {
                    Err(NameError::new($kind, text, $expected))
                }
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, formatter)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

fn is_word(text: &str, more: &[u8]) -> bool {
    text.len() <= NAME_BYTES_MAX
        && text.bytes().next().is_some_and(|first| first.is_ascii_lowercase())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || more.contains(&byte))
}

text_name! {
    /// The name of a command: `[a-z][a-z0-9_]*`, at most 64 bytes.
    CommandName, "command name", "a lower-case letter, then lower-case letters, digits or `_`, at most 64 characters",
    |text| is_word(text, b"_")
}
text_name! {
    /// The name of a plugin: `[a-z][a-z0-9_-]*`, at most 64 bytes.
    PluginName, "plugin name", "a lower-case letter, then lower-case letters, digits, `_` or `-`, at most 64 characters",
    |text| is_word(text, b"_-")
}
text_name! {
    /// A word that groups commands: `[a-z][a-z0-9_-]*`, at most 64 bytes.
    Tag, "tag", "a lower-case letter, then lower-case letters, digits, `_` or `-`, at most 64 characters",
    |text| is_word(text, b"_-")
}

/// The interface a call came through, such as `rest`. Core never lists them: a frontend hands in its own, and rules
/// match on it as text.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct FrontendName(pub &'static str);

impl fmt::Display for FrontendName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }
}

/// An account `user@host`. Both parts are lower case; neither is empty, longer than 1023 bytes, or has white space,
/// control characters or one of `"&'/:<>@`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct AccountId {
    text: Arc<str>,
    at: usize,
}

impl AccountId {
    /// Parses `user@host`; letter case is folded.
    ///
    /// # Errors
    /// When a part is missing or has a character that is not allowed.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        match text.split_once('@') {
            Some((user, host)) => Self::new(user, host),
            None => Err(NameError::new("account", text, "`user@host`")),
        }
    }

    /// Makes an account from its two parts; letter case is folded.
    ///
    /// # Errors
    /// As [`AccountId::parse`].
    pub fn new(user: &str, host: &str) -> Result<Self, NameError> {
        const EXPECTED: &str = "1 to 1023 bytes without white space, control characters or any of `\"&'/:<>@`";
        for (kind, part) in [("user name", user), ("host name", host)] {
            if !is_account_part(part) {
                return Err(NameError::new(kind, part, EXPECTED));
            }
        }
        let mut text = String::with_capacity(user.len() + 1 + host.len());
        text.push_str(user);
        text.push('@');
        text.push_str(host);
        if text.is_ascii() {
            text.make_ascii_lowercase();
        } else {
            text = text.to_lowercase();
        }
        let at = text.find('@').unwrap_or_default();
        Ok(Self { text: Arc::from(text), at })
    }

    /// The part before `@`.
    pub fn user(&self) -> &str {
        self.text.get(..self.at).unwrap_or_default()
    }

    /// The part after `@`.
    pub fn host(&self) -> &str {
        self.text.get(self.at + 1..).unwrap_or_default()
    }

    /// `user@host`.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

fn is_account_part(part: &str) -> bool {
    let fits = |c: char| match c {
        '"' | '&' | '\'' | '/' | ':' | '<' | '>' | '@' => false,
        c if c.is_ascii() => c.is_ascii_graphic(),
        c => !c.is_whitespace() && !c.is_control(),
    };
    (1..=ACCOUNT_PART_BYTES_MAX).contains(&part.len()) && part.chars().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_words() {
        for good in ["a", "get_roster", "x9", &"a".repeat(64)] {
            assert!(CommandName::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "A", "9a", "_a", "get-roster", "é", "a b", "..", &"a".repeat(65)] {
            assert!(CommandName::parse(bad).is_err(), "{bad}");
        }
        assert!(PluginName::parse("get-roster").is_ok());
    }

    #[test]
    fn accounts_fold_case_and_refuse_separators() {
        let ann = AccountId::parse("Ann@Example.ORG").unwrap();
        assert_eq!((ann.as_str(), ann.user(), ann.host()), ("ann@example.org", "ann", "example.org"));
        for bad in ["", "ann", "@h", "ann@", "a@b@c", "a/b@h", "a b@h", "a\u{7}@h", &format!("{}@h", "u".repeat(1024))]
        {
            assert!(AccountId::parse(bad).is_err(), "{bad:?}");
        }
    }
}
