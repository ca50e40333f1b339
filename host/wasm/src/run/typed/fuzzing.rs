//! What the fuzz target for values asks of the conversion.

use fastrand::Rng;
use muster_component::functions::schema;
use muster_core::schema::{DEPTH_MAX, Schema, parse_json};

use super::value::{At, from_json, to_json};

#[expect(dead_code, reason = "tests use the rest: types written as WIT, and values of them")]
#[path = "tests/random.rs"]
mod random;

/// Converts JSON to a value of a random type and back: what is taken satisfies the type's schema, and comes back as
/// itself.
pub(crate) fn value(seed: u64, text: &[u8]) {
    let shape = random::shape(&mut Rng::with_seed(seed), 3);
    let Ok(json) = parse_json(text, DEPTH_MAX) else { return };
    let Ok(val) = from_json(&shape, &json, &At::Root) else { return };
    let schema = Schema::output(schema::of(&shape)).expect("the adapter's schemas are valid");
    assert!(schema.check(&json).is_ok(), "taken, but not by the schema: {json} as {shape:?}");
    let back = to_json(&shape, val, &At::Root).expect("what was JSON can be JSON");
    let again = from_json(&shape, &back, &At::Root).expect("what was given is taken");
    assert_eq!(to_json(&shape, again, &At::Root).expect("what was JSON can be JSON"), back);
}
