//! Greets people: the template for a first plugin.
//!
//! One function is one command. Its doc comment, its parameters and its result are all the host needs to offer it on
//! every interface, with documentation and checked arguments.

use muster_sdk::{command, plugin};

/// Greets a person by name
///
/// The simplest command there is. Copy this plugin to begin your own.
#[command(tags("demo"), effects(read_only, idempotent), audience = "open",
          example("Greet Ada", input = {"name": "Ada"}, output = "Hello, Ada!"))]
fn hello(
    /// Whom to greet.
    #[schemars(length(min = 1, max = 64))]
    name: String,
) -> String {
    format!("Hello, {name}!")
}

plugin!(hello);
