//! Text templates in the syntax of Jinja, with bounded work and output.

use std::collections::BTreeMap;
use std::io::{self, Write};

use minijinja::machinery::{Token, tokenize};
use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior};
use muster_sdk::{CallError, command};

/// Steps a template may take. A page with a table of 10,000 cells needs about a tenth of it.
const FUEL: u64 = 1_000_000;
/// Words and signs between `{{` and `}}`. The engine calls itself for each in `a.b.c` or `1+2+3` and bounds only brackets
/// and blocks; with twice as many as this the plugin's stack still holds (see `build.rs`).
const EXPRESSION_TOKENS_MAX: usize = 500;
/// Branches after the first of all `if`s together; the engine calls itself for each.
const ELIFS_MAX: usize = 200;
/// What a template may write: a small template can write very much.
const OUTPUT_BYTES_MAX: usize = 4 << 20;

/// Fills values into a text template
///
/// The template is written as for Jinja: `{{ name }}`, `{% for x in list %}`, `{% if x %}` and filters such as
/// `{{ name|upper }}`. A value the template asks for and does not get is an error, and so is a template that works or
/// writes without end.
#[command(
    tags("text"), effects(read_only, idempotent), audience = "user",
    example("A greeting", input = {"template": "Dear {{ name }},", "values": {"name": "Ada"}}, output = "Dear Ada,"),
    example("A loop",
            input = {"template": "{% for n in list %}{{ n * 2 }};{% endfor %}", "values": {"list": [1, 2, 3]}},
            output = "2;4;6;"),
    example("Values in HTML", input = {"template": "<b>{{ x }}</b>", "values": {"x": "1 < 2"}, "html": true},
            output = "<b>1 &lt; 2</b>"),
)]
pub(crate) fn render_template(
    /// The template.
    #[schemars(length(max = 65_536))]
    template: String,
    /// The values it may use, by name.
    #[serde(default)]
    values: BTreeMap<String, serde_json::Value>,
    /// Whether the result is HTML: then values are escaped as they go in.
    #[serde(default)]
    html: bool,
) -> Result<String, CallError> {
    check_size(&template)?;
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment.set_auto_escape_callback(move |_| if html { AutoEscape::Html } else { AutoEscape::None });
    let mut output = Bounded(Vec::new());
    environment
        .template_from_str(&template)
        .and_then(|template| template.render_captured_to(minijinja::value::Serde(&values), &mut output))
        .map_err(|error| CallError::invalid("/template", explain(&error)))?;
    String::from_utf8(output.0).map_err(|_| CallError::failed("the result is not text"))
}

/// Refuses what would need more stack than there is. Mistakes in the syntax are the engine's to explain.
fn check_size(template: &str) -> Result<(), CallError> {
    let (mut tokens, mut elifs) = (0, 0);
    for (token, span) in tokenize(template, false, SyntaxConfig::default()).map_while(Result::ok) {
        if matches!(token, Token::VariableStart | Token::BlockStart) {
            tokens = 0;
        } else {
            tokens += 1;
            elifs += usize::from(matches!(token, Token::Ident("elif")));
        }
        if tokens > EXPRESSION_TOKENS_MAX || elifs > ELIFS_MAX {
            let rule =
                format!("at most {EXPRESSION_TOKENS_MAX} words and signs in an expression, and {ELIFS_MAX} elif");
            return Err(CallError::invalid("/template", format!("line {}: {rule}", span.start_line)));
        }
    }
    Ok(())
}

/// What is wrong with the template, and in which line.
fn explain(error: &minijinja::Error) -> String {
    let message =
        error.detail().map_or_else(|| error.kind().to_string(), |detail| format!("{}: {detail}", error.kind()));
    match error.line() {
        Some(line) => format!("line {line}: {message}"),
        // Writing fails for one reason only, and at no line.
        None if error.kind() == ErrorKind::WriteFailure => {
            format!("the result is longer than {OUTPUT_BYTES_MAX} bytes")
        }
        None => message,
    }
}

/// A buffer that is full at [`OUTPUT_BYTES_MAX`].
struct Bounded(Vec<u8>);

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > OUTPUT_BYTES_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(template: &str, expected: &str) {
        assert_eq!(render_template(template.into(), BTreeMap::new(), false).unwrap(), expected);
    }

    #[track_caller]
    fn check_refused(template: &str, message: &str) {
        let error = render_template(template.into(), BTreeMap::new(), false).unwrap_err();
        assert_eq!(error, CallError::invalid("/template", message));
    }

    #[test]
    fn templates_render() {
        check("{% set x = [1, 2] %}{{ x|length }}", "2");
        check("{{ 'a'|upper }}", "A");
        check("{{ '<' }}", "<");
    }

    #[test]
    fn mistakes_name_their_line() {
        check_refused("\n{{ name }}", "line 2: undefined value");
        check_refused("{% if %}", "line 1: syntax error: unexpected end of block");
        check_refused("{% include 'x' %}", "line 1: syntax error: unknown statement include");
    }

    #[test]
    fn work_and_output_end() {
        check_refused(
            "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}",
            "line 1: engine ran out of fuel",
        );
        let long = "{% for a in range(9999) %}".to_owned() + &"x".repeat(1000) + "{% endfor %}";
        check_refused(&long, "the result is longer than 4194304 bytes");
    }

    #[test]
    fn expressions_are_bounded() {
        let rule = "line 1: at most 500 words and signs in an expression, and 200 elif";
        check(&format!("{{{{ {}1 }}}}", "1+".repeat(249)), "250");
        check_refused(&format!("{{{{ {}1 }}}}", "1+".repeat(250)), rule);
        check(&"{{ 1 }}".repeat(501), &"1".repeat(501));
        check(&format!("{{% if 0 %}}{}{{% endif %}}", "{% elif 0 %}".repeat(200)), "");
        check_refused(&format!("{{% if 0 %}}{}{{% endif %}}", "{% elif 0 %}".repeat(201)), rule);
    }
}
