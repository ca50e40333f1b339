//! Turns JSON written as Rust tokens into JSON text, in the order the author wrote it.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use syn::parse::{Parse, ParseStream};
use syn::{Error, Ident, Lit, LitBool, LitStr, Result, Token};

/// One `example(...)` of the attribute.
pub(crate) struct Example {
    pub(crate) title: String,
    pub(crate) input: String,
    pub(crate) output: String,
}

impl Parse for Example {
    fn parse(input: ParseStream) -> Result<Self> {
        let title: LitStr = input.parse()?;
        let (mut arguments, mut result) = (None, None);
        while !input.is_empty() {
            input.parse::<Token![,]>()?;
            if input.is_empty() {
                break;
            }
            let key: Ident = input.parse()?;
            let slot = match key.to_string().as_str() {
                "input" => &mut arguments,
                "output" => &mut result,
                other => {
                    return Err(Error::new(key.span(), format!("an example has `input` and `output`, not `{other}`")));
                }
            };
            input.parse::<Token![=]>()?;
            if slot.replace(value(input)?).is_some() {
                return Err(Error::new(key.span(), format!("`{key}` is given twice")));
            }
        }
        let output = result.ok_or_else(|| Error::new(title.span(), "the example lacks `output = ...`"))?;
        // A command without arguments is called with none.
        let input = arguments.unwrap_or_else(|| "{}".into());
        if !input.starts_with('{') {
            return Err(Error::new(
                title.span(),
                "`input` is the object of the arguments: `input = {\"name\": \"Ada\"}`",
            ));
        }
        Ok(Self { title: title.value(), input, output })
    }
}

/// One JSON value as text.
fn value(input: ParseStream) -> Result<String> {
    if input.peek(Token![-]) {
        input.parse::<Token![-]>()?;
        return Ok(format!("-{}", number(&input.parse()?)?));
    }
    if input.peek(LitStr) {
        return Ok(quoted(&input.parse::<LitStr>()?.value()));
    }
    if input.peek(LitBool) {
        return Ok(input.parse::<LitBool>()?.value.to_string());
    }
    if input.peek(Lit) {
        return number(&input.parse()?);
    }
    if input.peek(Ident) {
        let word: Ident = input.parse()?;
        if word == "null" {
            return Ok("null".into());
        }
        return Err(Error::new(word.span(), "expected JSON: a string, a number, true, false, null, [...] or {...}"));
    }
    match input.parse::<TokenTree>()? {
        TokenTree::Group(group) => container(&group),
        other @ (TokenTree::Ident(_) | TokenTree::Punct(_) | TokenTree::Literal(_)) => {
            Err(Error::new(other.span(), "expected JSON: a string, a number, true, false, null, [...] or {...}"))
        }
    }
}

fn container(group: &Group) -> Result<String> {
    let inside: TokenStream = group.stream();
    match group.delimiter() {
        Delimiter::Brace => {
            let members = syn::parse::Parser::parse2(
                |input: ParseStream| {
                    list(input, |input| {
                        let key: LitStr = input.parse()?;
                        input.parse::<Token![:]>()?;
                        Ok(format!("{}:{}", quoted(&key.value()), value(input)?))
                    })
                },
                inside,
            )?;
            Ok(format!("{{{}}}", members.join(",")))
        }
        Delimiter::Bracket => {
            let items = syn::parse::Parser::parse2(|input: ParseStream| list(input, value), inside)?;
            Ok(format!("[{}]", items.join(",")))
        }
        Delimiter::Parenthesis | Delimiter::None => {
            Err(Error::new(group.span(), "expected JSON: a string, a number, true, false, null, [...] or {...}"))
        }
    }
}

/// Items separated by commas; JSON allows no comma after the last, Rust habits do.
fn list(input: ParseStream, item: impl Fn(ParseStream) -> Result<String>) -> Result<Vec<String>> {
    let mut items = Vec::new();
    while !input.is_empty() {
        items.push(item(input)?);
        if !input.is_empty() {
            input.parse::<Token![,]>()?;
        }
    }
    Ok(items)
}

fn number(literal: &Lit) -> Result<String> {
    let (digits, suffix) = if let Lit::Int(int) = literal {
        (int.base10_digits(), int.suffix())
    } else if let Lit::Float(float) = literal {
        (float.base10_digits(), float.suffix())
    } else {
        return Err(Error::new(literal.span(), "expected a JSON number"));
    };
    // `1.` and `1f64` are Rust, not JSON.
    if !suffix.is_empty() || digits.ends_with('.') {
        return Err(Error::new(literal.span(), "expected a JSON number, such as 1 or 1.5"));
    }
    Ok(digits.into())
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(written: &str, expected: &str) {
        let example: Example = syn::parse_str(&format!("\"title\", output = {written}")).unwrap();
        assert_eq!(example.output, expected);
    }

    #[track_caller]
    fn check_refused(written: &str, message: &str) {
        let error = syn::parse_str::<Example>(written).err().unwrap();
        assert!(error.to_string().contains(message), "{error}");
    }

    #[test]
    fn json_keeps_its_order() {
        check(r#"{"b": 1, "a": [true, null, -1.5, "x\"y\n"],}"#, r#"{"b":1,"a":[true,null,-1.5,"x\"y\n"]}"#);
        check("[]", "[]");
        check("null", "null");
        check("1_000", "1000");
    }

    #[test]
    fn rust_that_is_not_json_is_refused() {
        check_refused("\"t\", output = None", "expected JSON");
        check_refused("\"t\", output = 1u8", "JSON number");
        check_refused("\"t\", output = ()", "expected JSON");
        check_refused("\"t\", output = {a: 1}", "expected string literal");
        check_refused("\"t\", input = [], output = 1", "object of the arguments");
        check_refused("\"t\", input = {}", "lacks `output");
        check_refused("\"t\", inputs = {}", "not `inputs`");
        check_refused("\"t\", output = 1, output = 2", "twice");
    }
}
