//! Generates, beside the function under `#[command]`, the constant that `plugin!` looks for.
//!
//! The constant holds the texts and three functions: the two schemas, and the call (decode, run, encode). Its parts live in
//! a block of their own, so nothing but the constant's name can clash with the author's.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::ext::IdentExt;
use syn::{Ident, ItemFn, Result};

use crate::docs;
use crate::function::{self, Argument, Parameter};
use crate::options::{Options, check_name};

/// The name of the constant that describes the command in the function `ident`.
pub(crate) fn constant(ident: &Ident) -> Ident {
    format_ident!("__muster_command_{}", ident.unraw(), span = ident.span())
}

/// The function as rustc should see it and its constant, or the function and every error found.
pub(crate) fn command(options: Result<Options>, mut function: ItemFn) -> TokenStream {
    let parameters = function::read(&mut function);
    let constant = match (options, parameters) {
        (Ok(options), Ok(parameters)) => {
            definition(&options, &function, &parameters).unwrap_or_else(|error| error.to_compile_error())
        }
        (Err(mut error), Err(other)) => {
            error.combine(other);
            error.to_compile_error()
        }
        (Err(error), Ok(_)) | (Ok(_), Err(error)) => error.to_compile_error(),
    };
    quote! {
        #[allow(clippy::needless_pass_by_value, reason = "the arguments of a call belong to it")]
        #function
        #constant
    }
}

fn definition(options: &Options, function: &ItemFn, parameters: &[Parameter]) -> Result<TokenStream> {
    let (ident, vis) = (&function.sig.ident, &function.vis);
    let docs = docs::read(&function.attrs, ident)?;
    let name = if let Some(name) = &options.name {
        name.clone()
    } else {
        let name = ident.unraw().to_string();
        check_name(&name, ident.span())?;
        name
    };
    let constant = constant(ident);
    let fields = fields(options, &name, &docs);
    let functions = functions(function, parameters);
    Ok(quote! {
        #[doc(hidden)]
        #[allow(non_upper_case_globals, reason = "the name is made from the function's")]
        #vis const #constant: ::muster_sdk::__private::Command = {
            #functions
            ::muster_sdk::__private::Command {
                #fields
                input: __muster_input,
                output: ::muster_sdk::__private::output::<__MusterOutput, _>,
                call: __muster_call,
            }
        };
    })
}

/// The members of `Command` that are texts and lists.
fn fields(options: &Options, name: &str, docs: &docs::Docs) -> TokenStream {
    let docs::Docs { summary, description } = docs;
    let Options { version, tags, .. } = options;
    let audience = format_ident!("{}", options.audience.unwrap_or("Restricted"));
    let effects = options.effects.iter().map(|effect| format_ident!("{effect}"));
    let deprecated = options
        .deprecated
        .as_ref()
        .map_or_else(|| quote!(::core::option::Option::None), |text| quote!(::core::option::Option::Some(#text)));
    let examples = options.examples.iter().map(|example| {
        let (title, input, output) = (&example.title, &example.input, &example.output);
        quote!(::muster_sdk::__private::Example { title: #title, input: #input, output: #output })
    });
    quote! {
        name: #name,
        version: #version,
        summary: #summary,
        description: #description,
        tags: &[#(#tags),*],
        audience: ::muster_sdk::__private::Audience::#audience,
        effects: &[#(::muster_sdk::__private::Effect::#effects),*],
        examples: &[#(#examples),*],
        deprecated: #deprecated,
    }
}

/// The arguments struct and the functions `Command` points to.
fn functions(function: &ItemFn, parameters: &[Parameter]) -> TokenStream {
    let ident = &function.sig.ident;
    let output = function::output(function);
    let arguments: Vec<&Argument> = parameters
        .iter()
        .filter_map(|parameter| match parameter {
            Parameter::Argument(argument) => Some(&**argument),
            Parameter::Caller | Parameter::CallerRef => None,
        })
        .collect();
    let fields = arguments.iter().map(|Argument { ident, ty, attributes, .. }| quote!(#(#attributes)* #ident: #ty));
    let idents = arguments.iter().map(|argument| &argument.ident);
    let names = arguments.iter().map(|argument| &argument.name);
    let passed = parameters.iter().map(|parameter| match parameter {
        Parameter::Argument(argument) => {
            let ident = &argument.ident;
            quote!(#ident)
        }
        Parameter::Caller => quote!(__muster_caller),
        Parameter::CallerRef => quote!(&__muster_caller),
    });
    quote! {
        #[derive(::muster_sdk::serde::Deserialize, ::muster_sdk::schemars::JsonSchema)]
        #[serde(crate = "::muster_sdk::serde", deny_unknown_fields, expecting = "an object with the arguments")]
        #[schemars(crate = "::muster_sdk::schemars")]
        struct __MusterArguments { #(#fields),* }

        type __MusterOutput = #output;

        fn __muster_input() -> ::std::string::String {
            ::muster_sdk::__private::input::<__MusterArguments>(&[#(#names),*])
        }

        fn __muster_call(
            __muster_input: &str,
            __muster_caller: ::muster_sdk::Caller,
        ) -> ::core::result::Result<::std::string::String, ::muster_sdk::CallError> {
            let __MusterArguments { #(#idents),* } = ::muster_sdk::__private::decode(__muster_input)?;
            let __muster_answer: __MusterOutput = #ident(#(#passed),*);
            ::muster_sdk::__private::encode(__muster_answer)
        }
    }
}
