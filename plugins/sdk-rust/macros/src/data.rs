//! Expands `#[data]`: three derives that find their crates through the SDK.

use proc_macro2::TokenStream;
use quote::quote;

/// Puts the derives before `item`; what kind of item it is, the derives check themselves.
pub(crate) fn expand(attribute: &TokenStream, item: &TokenStream) -> TokenStream {
    let misuse = (!attribute.is_empty()).then(|| {
        syn::Error::new_spanned(attribute, "`data` takes no arguments; put `#[serde(...)]` below it").to_compile_error()
    });
    quote! {
        #misuse
        #[derive(::muster_sdk::serde::Serialize, ::muster_sdk::serde::Deserialize, ::muster_sdk::schemars::JsonSchema)]
        #[serde(crate = "::muster_sdk::serde")]
        #[schemars(crate = "::muster_sdk::schemars")]
        #item
    }
}
