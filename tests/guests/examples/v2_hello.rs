//! The next version of `plugins/hello`: the same command with another answer, under the name `hello` and version 0.2.0.

use muster_sdk::{command, plugin};

/// Greets a person by name
///
/// The simplest command there is, and a shorter greeting.
#[command(tags("demo"), effects(read_only, idempotent), audience = "open",
          example("Greet Ada", input = {"name": "Ada"}, output = "Hi, Ada!"))]
fn hello(
    /// Whom to greet.
    #[schemars(length(min = 1, max = 64))]
    name: String,
) -> String {
    format!("Hi, {name}!")
}

plugin!(hello);
