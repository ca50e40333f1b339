//! Components with typed exports as plugins: each exported function over plain data is a command.
//!
//! One way through the files: [`function`] reads a component's functions out of its type, without compiling it, and says
//! of each that cannot be a command why ([`shape`] are their types, [`names`] their commands' names, [`docs`] their
//! texts); [`schema`] tells callers what to send; [`value`] converts JSON to component values and back, exactly;
//! [`call`] runs one function, and moves long byte lists whole. What becomes what: `host/docs/adapter.md`.

mod call;
mod docs;
mod function;
mod names;
mod schema;
mod shape;
mod value;

pub use docs::{Docs, DocsError};
pub use function::{Function, Functions, Skipped};

pub(crate) use call::{Answered, TypedCall};
pub(crate) use value::Unspeakable;

#[cfg(fuzzing)]
pub(crate) mod fuzzing;
#[cfg(test)]
mod tests;
