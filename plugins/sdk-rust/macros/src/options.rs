//! Parses the arguments of `#[command(...)]`, each at most once except `example`.

use proc_macro2::Span;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Error, Ident, LitInt, LitStr, Result, Token, parenthesized};

use crate::example::Example;

/// The bound of the contract (`command.examples` in `wit/types.wit`).
const EXAMPLES_MAX: usize = 16;
/// The bound of the contract (`command.name` in `wit/types.wit`), in characters.
const NAME_CHARS_MAX: usize = 64;
const KEYS: &str = "`name`, `version`, `tags`, `audience`, `effects`, `example` or `deprecated`";

/// What the attribute says; a text that is absent has its default.
#[derive(Default)]
pub(crate) struct Options {
    pub(crate) name: Option<String>,
    pub(crate) version: u32,
    pub(crate) tags: Vec<String>,
    /// A variant of `muster_sdk::__private::Audience`.
    pub(crate) audience: Option<&'static str>,
    /// Variants of `muster_sdk::__private::Effect`.
    pub(crate) effects: Vec<&'static str>,
    pub(crate) examples: Vec<Example>,
    pub(crate) deprecated: Option<String>,
}

impl Parse for Options {
    fn parse(input: ParseStream) -> Result<Self> {
        let mut options = Self::default();
        let mut seen: Vec<String> = Vec::new();
        while !input.is_empty() {
            let key: Ident = input.parse()?;
            let text = key.to_string();
            if text != "example" && seen.contains(&text) {
                return Err(Error::new(key.span(), format!("`{text}` is given twice")));
            }
            options.read(&key, input)?;
            seen.push(text);
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(options)
    }
}

impl Options {
    fn read(&mut self, key: &Ident, input: ParseStream) -> Result<()> {
        match key.to_string().as_str() {
            "name" => {
                let text = text(input)?;
                check_name(&text.value(), text.span())?;
                self.name = Some(text.value());
            }
            "version" => {
                input.parse::<Token![=]>()?;
                let number: LitInt = input.parse()?;
                self.version = number
                    .base10_parse()
                    .map_err(|_| Error::new(number.span(), format!("a version is a number from 0 to {}", u32::MAX)))?;
            }
            "tags" => self.tags = words(input)?,
            "audience" => {
                let text = text(input)?;
                self.audience = Some(audience(&text)?);
            }
            "effects" => {
                let content;
                parenthesized!(content in input);
                let effects = Punctuated::<Ident, Token![,]>::parse_terminated(&content)?;
                self.effects = effects.iter().map(effect).collect::<Result<_>>()?;
            }
            "example" => {
                let content;
                parenthesized!(content in input);
                self.examples.push(content.parse()?);
                if self.examples.len() > EXAMPLES_MAX {
                    return Err(Error::new(key.span(), format!("a command has at most {EXAMPLES_MAX} examples")));
                }
            }
            "deprecated" => self.deprecated = Some(text(input)?.value()),
            other => return Err(Error::new(key.span(), format!("unknown argument `{other}`: expected {KEYS}"))),
        }
        Ok(())
    }
}

/// Checks that `name` can be a command's name.
///
/// # Errors
///
/// At `span`, with the rule.
pub(crate) fn check_name(name: &str, span: Span) -> Result<()> {
    if is_word(name, |c| c == '_') && name.chars().count() <= NAME_CHARS_MAX {
        return Ok(());
    }
    let rule = format!("a command's name matches [a-z][a-z0-9_]* and has at most {NAME_CHARS_MAX} characters");
    Err(Error::new(span, rule))
}

fn is_word(text: &str, extra: impl Fn(char) -> bool) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || extra(c))
}

/// `= "..."`
fn text(input: ParseStream) -> Result<LitStr> {
    input.parse::<Token![=]>()?;
    input.parse()
}

/// `("...", "...")`
fn words(input: ParseStream) -> Result<Vec<String>> {
    let content;
    parenthesized!(content in input);
    let words = Punctuated::<LitStr, Token![,]>::parse_terminated(&content)?;
    words
        .iter()
        .map(|word| {
            let text = word.value();
            if is_word(&text, |c| matches!(c, '_' | '-')) {
                Ok(text)
            } else {
                Err(Error::new(word.span(), "a tag matches [a-z][a-z0-9_-]*"))
            }
        })
        .collect()
}

fn audience(text: &LitStr) -> Result<&'static str> {
    match text.value().as_str() {
        "restricted" => Ok("Restricted"),
        "admin" => Ok("Admin"),
        "user" => Ok("User"),
        "open" => Ok("Open"),
        _ => Err(Error::new(text.span(), "an audience is \"restricted\", \"admin\", \"user\" or \"open\"")),
    }
}

fn effect(word: &Ident) -> Result<&'static str> {
    match word.to_string().as_str() {
        "read_only" => Ok("ReadOnly"),
        "idempotent" => Ok("Idempotent"),
        "destructive" => Ok("Destructive"),
        "open_world" => Ok("OpenWorld"),
        _ => Err(Error::new(word.span(), "an effect is `read_only`, `idempotent`, `destructive` or `open_world`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_refused(written: &str, message: &str) {
        let error = syn::parse_str::<Options>(written).err().unwrap();
        assert!(error.to_string().contains(message), "{error}");
    }

    #[test]
    fn every_argument_is_read() {
        let options: Options = syn::parse_str(
            r#"name = "say_hello", version = 2, tags("demo", "first-one"), audience = "open",
               effects(read_only, open_world), example("A", output = 1), example("B", output = 2), deprecated = "use x","#,
        )
        .unwrap();
        assert_eq!(options.name.as_deref(), Some("say_hello"));
        assert_eq!(options.version, 2);
        assert_eq!(options.tags, ["demo", "first-one"]);
        assert_eq!(options.audience, Some("Open"));
        assert_eq!(options.effects, ["ReadOnly", "OpenWorld"]);
        assert_eq!(options.examples.iter().map(|example| example.title.as_str()).collect::<Vec<_>>(), ["A", "B"]);
        assert_eq!(options.deprecated.as_deref(), Some("use x"));
    }

    #[test]
    fn misuse_names_the_rule() {
        check_refused("colour = 1", "unknown argument `colour`");
        check_refused("version = 1, version = 2", "`version` is given twice");
        check_refused("version = -1", "a version is a number");
        check_refused("name = \"Hello\"", "[a-z][a-z0-9_]*");
        check_refused(&format!("name = \"{}\"", "n".repeat(65)), "at most 64");
        check_refused("tags(\"A\")", "a tag matches");
        check_refused("audience = \"all\"", "an audience is");
        check_refused("effects(readonly)", "an effect is");
    }
}
