//! A component with a world of its own: it has nothing to do with Muster, and its one function is a command nevertheless.

mod bindings {
    #![allow(
        missing_docs,
        unsafe_code,
        clippy::allow_attributes_without_reason,
        clippy::pedantic,
        reason = "generated"
    )]

    wit_bindgen::generate!({
        inline: "
            package elsewhere:thing;

            /// A world that has never heard of Muster.
            world wrong-world {
                /// Runs the thing.
                export run: func();
            }
        ",
    });

    #[cfg(target_family = "wasm")]
    use super::Thing;
    #[cfg(target_family = "wasm")]
    export!(Thing);
}

/// What the component is.
#[derive(Debug)]
pub struct Thing;

impl bindings::Guest for Thing {
    fn run() {}
}
