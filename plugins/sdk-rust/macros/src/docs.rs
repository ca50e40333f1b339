//! Splits a doc comment into the one-line summary and the Markdown description of a command.

use syn::spanned::Spanned;
use syn::{Attribute, Error, Expr, ExprLit, Lit, Meta, Result};

/// The bound of the contract (`command.summary` in `wit/types.wit`), in characters.
const SUMMARY_CHARS_MAX: usize = 120;

/// What a function's doc comment says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Docs {
    pub(crate) summary: String,
    pub(crate) description: String,
}

/// The doc comment among `attributes`: its first paragraph on one line without a full stop, and the rest as it is.
///
/// # Errors
///
/// At `missing` when there is no text; at the comment when the first paragraph is longer than the contract allows.
pub(crate) fn read(attributes: &[Attribute], missing: &impl Spanned) -> Result<Docs> {
    let docs = split(&text(attributes));
    if docs.summary.is_empty() {
        return Err(Error::new(
            missing.span(),
            "a command needs a doc comment: its first paragraph is the summary callers see",
        ));
    }
    let chars = docs.summary.chars().count();
    if chars > SUMMARY_CHARS_MAX {
        let place = attributes.iter().find(|attribute| attribute.path().is_ident("doc"));
        return Err(Error::new(
            place.map_or_else(|| missing.span(), Spanned::span),
            format!(
                "the first paragraph is the command's summary: at most {SUMMARY_CHARS_MAX} characters, here {chars}; an \
                 empty line starts the description"
            ),
        ));
    }
    Ok(docs)
}

/// The lines of a doc comment, without the one space rustc leaves before each.
fn text(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter_map(|attribute| {
        let Meta::NameValue(meta) = &attribute.meta else { return None };
        let Expr::Lit(ExprLit { lit: Lit::Str(line), .. }) = &meta.value else { return None };
        meta.path.is_ident("doc").then(|| line.value())
    });
    // `split` and not `lines`: an empty `///` is an empty line, which ends a paragraph.
    let lines: Vec<String> = lines
        .flat_map(|block| {
            block.split('\n').map(|line| line.strip_prefix(' ').unwrap_or(line).into()).collect::<Vec<_>>()
        })
        .collect();
    lines.join("\n")
}

fn split(text: &str) -> Docs {
    let text = text.trim();
    let paragraph: Vec<&str> = text.lines().take_while(|line| !line.trim().is_empty()).map(str::trim).collect();
    let rest: Vec<&str> = text.lines().skip(paragraph.len()).collect();
    let summary = paragraph.join(" ");
    // "and so on..." keeps its dots: only one full stop goes.
    let summary = summary.strip_suffix('.').filter(|cut| !cut.ends_with('.')).unwrap_or(&summary);
    Docs { summary: summary.into(), description: rest.join("\n").trim().into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, summary: &str, description: &str) {
        assert_eq!(split(text), Docs { summary: summary.into(), description: description.into() });
    }

    #[test]
    fn lines_of_a_comment_are_kept() {
        let function: syn::ItemFn = syn::parse_str("/// One.\n///\n///   Two.\n/** Three. */ fn f() {}").unwrap();
        assert_eq!(text(&function.attrs), "One.\n\n  Two.\nThree. ");
    }

    #[test]
    fn first_paragraph_is_the_summary() {
        check("Greets", "Greets", "");
        check("Greets.", "Greets", "");
        check("Greets and so on...", "Greets and so on...", "");
        check(
            "Greets\na person.\n\nAt length.\n\n- once\n  - twice\n",
            "Greets a person",
            "At length.\n\n- once\n  - twice",
        );
        check("", "", "");
    }
}
