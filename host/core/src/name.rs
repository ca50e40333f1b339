//! Names: parsed once where they come in, never re-checked inside.

use std::fmt;
use std::sync::Arc;

use thiserror::Error;

use crate::precis;

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

/// An account `user@host`. Neither part is empty, longer than 1023 bytes, or has white space, control characters or one of
/// `"&'/:<>@`. Both are as RFC 8265 §3.3 makes a user name: lower case, narrow, NFC. A name that cannot be one by those
/// rules is lower case only, and not [well formed](AccountId::is_well_formed): such accounts exist from earlier versions.
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
        push_part(user, &mut text);
        let at = text.len();
        text.push('@');
        push_part(host, &mut text);
        Ok(Self { text: Arc::from(text), at })
    }

    /// Whether both parts are names as RFC 8265 §3.3 wants them. New accounts must be; what was made by an earlier version
    /// stays as it is.
    pub fn is_well_formed(&self) -> bool {
        let is_well_formed = |part: &str| part.is_ascii() || well_formed(part).is_some_and(|formed| formed == part);
        is_well_formed(self.user()) && is_well_formed(self.host())
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

    /// The same, shared.
    pub(crate) fn shared(&self) -> Arc<str> {
        Arc::clone(&self.text)
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// A host in the form it is compared in, as the host of an account is; lower case where no account could be there.
pub fn host_in_form(text: &str) -> String {
    AccountId::new("any", text).map_or_else(|_| text.to_lowercase(), |account| account.host().to_owned())
}

/// Adds a part in the form it is compared in.
fn push_part(part: &str, text: &mut String) {
    if part.is_ascii() {
        let start = text.len();
        text.push_str(part);
        text.get_mut(start..).unwrap_or_default().make_ascii_lowercase();
    } else {
        text.push_str(&well_formed(part).unwrap_or_else(|| part.to_lowercase()));
    }
}

/// The part by the rules for names, where it is one: what was wide can become a character that separates.
fn well_formed(part: &str) -> Option<String> {
    precis::name(part).filter(|part| is_account_part(part))
}

fn is_account_part(part: &str) -> bool {
    let fits = |c: char| !c.is_whitespace() && !c.is_control();
    let fits_ascii =
        |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'&' | b'\'' | b'/' | b':' | b'<' | b'>' | b'@');
    (1..=ACCOUNT_PART_BYTES_MAX).contains(&part.len())
        && part.bytes().filter(u8::is_ascii).all(fits_ascii)
        && (part.is_ascii() || part.chars().all(fits))
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

    #[test]
    fn ways_to_type_a_name_are_one_account_and_odd_ones_are_known_as_such() {
        for (typed, expected) in [
            ("Jose\u{301}@B\u{fc}cher.example", "jos\u{e9}@b\u{fc}cher.example"),
            ("JOS\u{c9}@bu\u{308}cher.example", "jos\u{e9}@b\u{fc}cher.example"),
            ("\u{ff21}nn@\u{ff48}", "ann@h"),
        ] {
            let account = AccountId::parse(typed).unwrap();
            assert_eq!((account.as_str(), account.is_well_formed()), (expected, true));
            let (user, host) = expected.split_once('@').unwrap();
            assert_eq!((account.user(), account.host()), (user, host));
        }
        for odd in ["ann\u{200b}@h", "a\u{202e}nn@h", "\u{301}a@h", "\u{ff20}@h", "a\u{ff0f}b@h", "ann@h\u{200d}"] {
            let account = AccountId::parse(odd).unwrap();
            assert_eq!((account.as_str(), account.is_well_formed()), (odd, false));
        }
    }
}
