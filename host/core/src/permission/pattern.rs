//! Patterns for names: regular expressions and shell globs, both matched in linear time.

use std::fmt::{self, Write as _};

use regex::{Regex, RegexBuilder};

/// Longest pattern, in bytes.
pub const PATTERN_BYTES_MAX: usize = 1024;
/// Most memory a compiled pattern may take, in bytes.
const COMPILED_BYTES_MAX: usize = 1 << 20;

/// How a pattern is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Form {
    Regexp,
    Glob,
}

/// A pattern as written, ready to match.
#[derive(Clone)]
pub struct Pattern {
    text: String,
    form: Form,
    regex: Regex,
}

impl Pattern {
    /// A regular expression, which matches anywhere in the text unless it is anchored (as in ejabberd).
    ///
    /// # Errors
    /// A sentence about what is wrong with it. Look-around and back references are not supported.
    pub fn regexp(text: &str) -> Result<Self, String> {
        Self::compile(text, Form::Regexp, text)
    }

    /// A glob, which matches the whole text: `*` is any text, `?` any character, `[a-z]` one of these.
    ///
    /// # Errors
    /// A sentence about what is wrong with it.
    pub fn glob(text: &str) -> Result<Self, String> {
        let mut expression = String::from(r"(?s)\A");
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            match character {
                '*' => expression.push_str(".*"),
                '?' => expression.push('.'),
                '[' => {
                    let rest = characters.as_str();
                    // A `]` that comes first is one of the characters.
                    let end = rest.char_indices().skip(1).find(|(_, c)| *c == ']').map(|(at, _)| at);
                    let end = end.ok_or_else(|| format!("`{text}` has a `[` without its `]`"))?;
                    let class = rest.get(..end).unwrap_or_default();
                    let (negated, class) = match class.strip_prefix('!').or_else(|| class.strip_prefix('^')) {
                        Some(rest) => ("^", rest),
                        None => ("", class),
                    };
                    let escaped =
                        class.replace('\\', r"\\").replace('[', r"\[").replace(']', r"\]").replace('&', r"\&");
                    let _ = write!(expression, "[{negated}{}]", escaped.replace('~', r"\~"));
                    characters = rest.get(end + 1..).unwrap_or_default().chars();
                }
                other => expression.push_str(&regex::escape(other.encode_utf8(&mut [0; 4]))),
            }
        }
        expression.push_str(r"\z");
        Self::compile(text, Form::Glob, &expression)
    }

    fn compile(text: &str, form: Form, expression: &str) -> Result<Self, String> {
        if text.len() > PATTERN_BYTES_MAX {
            return Err(format!("a pattern has at most {PATTERN_BYTES_MAX} bytes"));
        }
        let regex = RegexBuilder::new(expression).size_limit(COMPILED_BYTES_MAX).build();
        let regex = regex.map_err(|error| {
            // The library draws the place in several lines; its last one says what is wrong.
            let error = error.to_string();
            let reason = error.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            format!("`{text}` is not a usable pattern: {reason}")
        })?;
        Ok(Self { text: text.to_owned(), form, regex })
    }

    /// Whether the pattern matches.
    pub fn matches(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it is a glob; otherwise it is a regular expression.
    pub fn is_glob(&self) -> bool {
        self.form == Form::Glob
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text && self.form == other.form
    }
}

impl Eq for Pattern {}

impl fmt::Debug for Pattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}({:?})", self.form, self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn globs_match_whole_texts() {
        for (glob, text, expected) in [
            ("status", "status", true),
            ("stat", "status", false),
            ("*", "", true),
            ("s?atus", "status", true),
            ("?", "", false),
            ("?", "é", true),
            ("*_roster*", "get_roster_count", true),
            ("get_*_count", "get_roster", false),
            ("a.c", "abc", false),
            ("[ab]x", "bx", true),
            ("[!ab]x", "bx", false),
            ("[^ab]x", "cx", true),
            ("[]]x", "]x", true),
            ("[a-c]", "b", true),
            ("[a&&b]", "&", true),
            ("a*\n", "abc\n", true),
        ] {
            assert_eq!(Pattern::glob(glob).unwrap().matches(text), expected, "{glob} {text}");
        }
        assert!(Pattern::glob("[ab").unwrap_err().contains("without its `]`"));
    }

    #[test]
    fn regular_expressions_match_anywhere_and_stay_bounded() {
        for (expression, text, expected) in
            [("", "ann", true), ("nn", "ann", true), ("^a.n$", "ann", true), ("^n", "ann", false)]
        {
            assert_eq!(Pattern::regexp(expression).unwrap().matches(text), expected, "{expression}");
        }
        assert!(Pattern::regexp("(?=a)").unwrap_err().contains("look-around"));
        assert!(Pattern::regexp("(").unwrap_err().contains("unclosed group"));
        assert!(Pattern::regexp(&"a".repeat(1024)).is_ok());
        assert!(Pattern::regexp(&"a".repeat(1025)).unwrap_err().contains("at most 1024 bytes"));
        assert!(Pattern::regexp("(a{1000}){1000}").unwrap_err().contains("size limit"));
        assert_ne!(Pattern::glob("a").unwrap(), Pattern::regexp("a").unwrap());
    }
}
