//! Runs the functions of components with typed exports, which are commands as well (`muster_component::functions` says
//! which): [`value`] converts JSON to component values and back, exactly; [`call`] runs one function, and moves long byte
//! lists whole. What becomes what: `host/docs/authors/typed-components.md`.

mod call;
mod value;

pub(crate) use call::{Answered, TypedCall};
pub(crate) use value::NotRepresentable;

#[cfg(fuzzing)]
pub(crate) mod fuzzing;
#[cfg(test)]
mod tests;
