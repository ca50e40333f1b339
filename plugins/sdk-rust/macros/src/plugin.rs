//! Expands `plugin!(...)`: the table of commands, and the two functions of the contract over it.

use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Path, Result, Token};

use crate::expand::constant;

/// The functions named in `plugin!`.
pub(crate) struct List(Vec<Path>);

impl Parse for List {
    fn parse(input: ParseStream) -> Result<Self> {
        if input.is_empty() {
            return Err(input.error("list the functions that are commands: `plugin!(hello);`"));
        }
        let paths = Punctuated::<Path, Token![,]>::parse_terminated_with(input, Path::parse_mod_style)?;
        Ok(Self(paths.into_iter().collect()))
    }
}

/// The export goes only into Wasm: its symbol names mean something else to other linkers, and the table is all a test
/// on the author's machine needs.
pub(crate) fn expand(List(paths): &List) -> TokenStream {
    let constants = paths.iter().cloned().map(|mut path| {
        if let Some(last) = path.segments.last_mut() {
            last.ident = constant(&last.ident);
        }
        path
    });
    quote! {
        const _: () = {
            static COMMANDS: &[::muster_sdk::__private::Command] = &[#(#constants),*];
            const _: () = ::muster_sdk::__private::assert_distinct(COMMANDS);

            #[derive(Debug)]
            struct Plugin;

            impl ::muster_sdk::raw::Guest for Plugin {
                fn describe() -> ::core::result::Result<
                    ::std::vec::Vec<::muster_sdk::raw::Command>,
                    ::std::string::String,
                > {
                    ::muster_sdk::__private::describe(COMMANDS)
                }

                fn call(
                    name: ::std::string::String,
                    version: u32,
                    input: ::std::string::String,
                    caller: ::muster_sdk::raw::Caller,
                ) -> ::core::result::Result<::std::string::String, ::muster_sdk::raw::CallError> {
                    ::muster_sdk::__private::call(COMMANDS, &name, version, &input, caller)
                }
            }

            #[cfg(target_family = "wasm")]
            ::muster_sdk::raw::export!(Plugin with_types_in ::muster_sdk::raw);
        };
    }
}
