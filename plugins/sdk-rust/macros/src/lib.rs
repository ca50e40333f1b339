//! The macros behind `muster-sdk`: [`macro@command`] turns a function into a command, [`plugin!`] lists the commands of
//! a plugin, [`macro@data`] prepares a type to go in and out of commands.
//!
//! They look at one item at a time and generate Rust; everything that can be done without looking at the author's source
//! (schemas, decoding, the WIT world) is ordinary code in `muster-sdk`. Read `options` (what the attribute says),
//! `example` (JSON in an attribute), `function` (what may be a command), `expand` (what comes out), then `plugin`.

mod data;
mod docs;
mod example;
mod expand;
mod function;
mod options;
mod plugin;

use proc_macro::TokenStream;
use syn::{ItemFn, parse_macro_input};

/// Makes a function a command of the plugin.
///
/// The first paragraph of its doc comment is the summary callers see in lists, the rest the description. Each parameter
/// is an argument of the same name, and its doc comment the argument's description. A parameter of type `Caller` or
/// `&Caller` is not an argument: it tells who calls. The function gives any type that is `Serialize` and `JsonSchema`, or
/// a `Result` of one with `CallError`.
///
/// Arguments of the attribute, all optional:
///
/// - `name = "..."`: the command's name; the function's name otherwise. `[a-z][a-z0-9_]*`, at most 64 characters.
/// - `version = N`: the API version in which this form starts, 0 otherwise. Two functions with one `name` and different
///   `version`s are two forms of one command.
/// - `tags("...", ...)`: words that group commands.
/// - `audience = "restricted" | "admin" | "user" | "open"`: whom the author has in mind; `restricted` otherwise.
/// - `effects(read_only, idempotent, destructive, open_world)`: what running it may do.
/// - `example("Title", input = {...}, output = ...)`: a worked call in JSON, at most 16 of them. The host checks them.
/// - `deprecated = "..."`: the command should no longer be used; what to use instead.
///
/// On parameters, `#[serde(...)]` and `#[schemars(...)]` work as on the fields of a struct, for example
/// `#[serde(default)]` and `#[schemars(length(max = 64))]`.
#[proc_macro_attribute]
pub fn command(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let function = parse_macro_input!(item as ItemFn);
    let options = syn::parse::<options::Options>(attribute);
    expand::command(options, function).into()
}

/// Lists the commands of a plugin, once per crate, and exports them: `plugin!(hello, contacts::add);`.
#[proc_macro]
pub fn plugin(list: TokenStream) -> TokenStream {
    let list = parse_macro_input!(list as plugin::List);
    plugin::expand(&list).into()
}

/// Prepares a struct or an enum to be an argument, a result or a stored value.
///
/// Short for deriving `Serialize`, `Deserialize` and `JsonSchema` from the crates the SDK uses, so that a plugin needs
/// no dependency but the SDK. Further `#[serde(...)]` and `#[schemars(...)]` attributes go below it.
#[proc_macro_attribute]
pub fn data(attribute: TokenStream, item: TokenStream) -> TokenStream {
    data::expand(&attribute.into(), &item.into()).into()
}
