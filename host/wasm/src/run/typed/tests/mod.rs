//! Types, schemas and values, without a guest; and with one that gives back what it is given.

mod echo;
mod properties;
mod random;
mod vectors;

use muster_component::functions::Docs;
use muster_component::functions::shape::{Reader, Shape};
use wit_parser::Resolve;

/// The shape of a WIT type, with what must be declared for it.
fn shape_of(declarations: &str, of: &str) -> Result<Shape, String> {
    let mut resolve = Resolve::default();
    let text = format!("package t:t; interface i {{ {declarations} f: func(v: {of}); }}");
    resolve.push_source("t.wit", &text).map_err(|error| resolve.render_error(&error))?;
    let (_, interface) = resolve.interfaces.iter().next().unwrap();
    let parameter = interface.functions["f"].params[0].ty;
    Reader::new(&resolve, &Docs::default()).read(&parameter)
}
