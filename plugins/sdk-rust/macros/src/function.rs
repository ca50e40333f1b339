//! Looks at the function under `#[command]`: what its parameters are, and whether it can be a command at all.

use proc_macro2::Span;
use quote::quote;
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{
    Attribute, Error, FnArg, GenericArgument, Ident, ItemFn, LitStr, Pat, PathArguments, Result, ReturnType, Type,
};

/// A parameter, in the order of the function.
pub(crate) enum Parameter {
    /// An argument of the command.
    Argument(Box<Argument>),
    /// `Caller`
    Caller,
    /// `&Caller`
    CallerRef,
}

/// A parameter that is an argument of the command.
pub(crate) struct Argument {
    pub(crate) ident: Ident,
    /// The name callers use.
    pub(crate) name: String,
    pub(crate) ty: Type,
    /// The attributes that belong on the field of the arguments struct.
    pub(crate) attributes: Vec<Attribute>,
}

/// Takes the parameters out of `function` and leaves in it only the attributes rustc accepts there.
///
/// # Errors
///
/// Where the function is not a plain one: methods, generics, `async`, patterns, borrowed arguments, foreign errors.
pub(crate) fn read(function: &mut ItemFn) -> Result<Vec<Parameter>> {
    check_signature(function)?;
    check_output(&function.sig.output)?;
    let parameters = function.sig.inputs.iter_mut().map(parameter).collect::<Result<Vec<_>>>()?;
    let callers = parameters.iter().filter(|parameter| !matches!(parameter, Parameter::Argument(_))).count();
    if callers > 1 {
        return Err(Error::new_spanned(&function.sig.inputs, "one `Caller` parameter is enough"));
    }
    Ok(parameters)
}

fn check_signature(function: &ItemFn) -> Result<()> {
    let signature = &function.sig;
    let misuse = |span: Span, message: &str| Err(Error::new(span, message));
    if let Some(asyncness) = &signature.asyncness {
        return misuse(asyncness.span(), "a command is not `async`: calls to the host wait for their answer");
    }
    if let Some(abi) = &signature.abi {
        return misuse(abi.span(), "a command is an ordinary Rust function");
    }
    if let Some(variadic) = &signature.variadic {
        return misuse(variadic.span(), "a command has a fixed list of arguments");
    }
    if !signature.generics.params.is_empty() {
        return misuse(signature.generics.span(), "a command is not generic: its arguments need one JSON Schema");
    }
    if let Some(clause) = &signature.generics.where_clause {
        return misuse(clause.span(), "a command is not generic: its arguments need one JSON Schema");
    }
    Ok(())
}

/// Refuses `Result<_, E>` for any `E` but the SDK's error: it would silently become a JSON *value* `{"Err": ...}`.
fn check_output(output: &ReturnType) -> Result<()> {
    let ReturnType::Type(_, ty) = output else { return Ok(()) };
    if let Type::ImplTrait(_) = **ty {
        return Err(Error::new_spanned(ty, "name the type: its JSON Schema is part of the command"));
    }
    let Type::Path(path) = &**ty else { return Ok(()) };
    let Some(last) = path.path.segments.last().filter(|segment| segment.ident == "Result") else { return Ok(()) };
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return Ok(()) };
    if let Some(GenericArgument::Type(error)) = arguments.args.iter().nth(1)
        && !last_segment_is(error, "CallError")
    {
        return Err(Error::new_spanned(error, "a command fails with `CallError`: convert with `map_err`"));
    }
    Ok(())
}

fn parameter(parameter: &mut FnArg) -> Result<Parameter> {
    let typed = match parameter {
        FnArg::Typed(typed) => typed,
        FnArg::Receiver(receiver) => {
            return Err(Error::new_spanned(receiver, "a command is a function, not a method: it has no `self`"));
        }
    };
    if last_segment_is(&typed.ty, "Caller") {
        return Ok(Parameter::Caller);
    }
    if let Type::Reference(reference) = &*typed.ty {
        if last_segment_is(&reference.elem, "Caller") && reference.mutability.is_none() {
            return Ok(Parameter::CallerRef);
        }
        return Err(Error::new(
            reference.span(),
            "an argument owns its value: `String`, not `&str`; `Vec<T>`, not `&[T]`",
        ));
    }
    if let Type::ImplTrait(_) = *typed.ty {
        return Err(Error::new_spanned(&typed.ty, "name the type: its JSON Schema is part of the command"));
    }
    let ident = if let Pat::Ident(pat) = &*typed.pat
        && pat.by_ref.is_none()
        && pat.subpat.is_none()
    {
        pat.ident.clone()
    } else {
        return Err(Error::new_spanned(&typed.pat, "an argument needs a name: a pattern has none"));
    };
    let (attributes, kept): (Vec<_>, Vec<_>) = std::mem::take(&mut typed.attrs)
        .into_iter()
        .partition(|attribute| ["doc", "serde", "schemars"].iter().any(|name| attribute.path().is_ident(name)));
    typed.attrs = kept;
    let name = renamed(&attributes)?.unwrap_or_else(|| ident.unraw().to_string());
    Ok(Parameter::Argument(Box::new(Argument { ident, name, ty: (*typed.ty).clone(), attributes })))
}

/// The name in `#[serde(rename = "...")]`; everything else in there is serde's to check.
fn renamed(attributes: &[Attribute]) -> Result<Option<String>> {
    let mut name = None;
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("serde")) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("flatten") {
                return Err(meta.error("every parameter is one argument: take a struct apart instead of flattening it"));
            }
            if meta.input.peek(syn::Token![=]) {
                let value = meta.value()?;
                if meta.path.is_ident("rename") {
                    name = Some(value.parse::<LitStr>()?.value());
                } else {
                    value.parse::<syn::Expr>()?;
                }
            } else if meta.input.peek(syn::token::Paren) {
                let content;
                syn::parenthesized!(content in meta.input);
                content.parse::<proc_macro2::TokenStream>()?;
            }
            Ok(())
        })?;
    }
    Ok(name)
}

fn last_segment_is(ty: &Type, name: &str) -> bool {
    let Type::Path(path) = ty else { return false };
    path.path.segments.last().is_some_and(|segment| segment.ident == name)
}

/// The type the function gives, with `()` written out.
pub(crate) fn output(function: &ItemFn) -> proc_macro2::TokenStream {
    match &function.sig.output {
        ReturnType::Default => quote!(()),
        ReturnType::Type(_, ty) => quote!(#ty),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_refused(written: &str, message: &str) {
        let error = read(&mut syn::parse_str(written).unwrap()).err().unwrap();
        assert!(error.to_string().contains(message), "{error}");
    }

    #[test]
    fn parameters_are_told_apart() {
        let mut function = syn::parse_str(
            "fn f(/// Doc.\n #[serde(rename = \"type\", default)] #[allow(unused)] mut kind: u8, r#in: String, caller: &Caller) {}",
        )
        .unwrap();
        let parameters = read(&mut function).unwrap();
        let names: Vec<_> = parameters
            .iter()
            .map(|parameter| match parameter {
                Parameter::Argument(argument) => format!("{}:{}", argument.name, argument.attributes.len()),
                Parameter::Caller => "Caller".into(),
                Parameter::CallerRef => "&Caller".into(),
            })
            .collect();
        assert_eq!(names, ["type:2", "in:0", "&Caller"]);
        let kept = quote!(#function).to_string();
        assert!(kept.contains("allow") && !kept.contains("serde") && !kept.contains("Doc"), "{kept}");
    }

    #[test]
    fn what_cannot_be_a_command_is_refused() {
        check_refused("async fn f() {}", "not `async`");
        check_refused("extern \"C\" fn f() {}", "ordinary Rust function");
        check_refused("fn f<T>(x: T) {}", "not generic");
        check_refused("fn f(self) {}", "no `self`");
        check_refused("fn f((a, b): (u8, u8)) {}", "needs a name");
        check_refused("fn f(_: u8) {}", "needs a name");
        check_refused("fn f(name: &str) {}", "owns its value");
        check_refused("fn f(name: impl Into<String>) {}", "name the type");
        check_refused("fn f() -> impl Iterator<Item = u8> {}", "name the type");
        check_refused("fn f() -> Result<u8, String> {}", "fails with `CallError`");
        check_refused("fn f(a: Caller, b: &Caller) {}", "one `Caller`");
        check_refused("fn f(#[serde(flatten)] a: Point) {}", "one argument");
    }
}
