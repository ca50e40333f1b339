//! How much work a schema can make of a value. References may say a part again and again, so that a few lines of schema ask
//! for more steps than there is time, and nothing could end them: checking is done in one go. So the steps are counted
//! before any is taken.
//!
//! For each depth of a value is known how often one value there is looked at, at most, and how deep the checks are in one
//! another. Both come from the schema alone. Whether a part applies to objects or to lists is seen; which of several members of
//! the same name is meant is not, so this errs on one side only.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::arguments::DEPTH_MAX;
use super::references::{self, References};

/// Most steps that checking one value may take.
const STEPS_MAX: u64 = 50_000_000;
/// Deepest that checks may be in one another: each takes some of a thread's stack.
const FRAMES_MAX: usize = 1_000;
/// The same for parts about one and the same value.
const SAME_FRAMES_MAX: usize = 100;
/// Most references in a schema.
const REFERENCES_MAX: usize = 2_000;
/// How many bytes of a text are as much work as a step.
const STEP_BYTES: usize = 64;
/// Checking for members or items that nothing speaks of does again what was done before.
const AGAIN: u64 = 3;

/// What a schema can make of a value, by how deep in it a value is.
#[derive(Debug)]
pub(super) struct Work {
    depths: Vec<Depth>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Depth {
    /// Steps for one value there.
    steps: u64,
    /// How deep the checks are in one another there.
    frames: usize,
}

/// A part of a schema.
#[derive(Debug, Default)]
struct Part {
    /// Steps of its own.
    steps: u64,
    /// How often it does what its parts about the same value do.
    times: u64,
    /// Parts about the same value.
    same: Vec<usize>,
    /// Parts about members, of which one applies to each member.
    members: Vec<usize>,
    /// Parts about members, all of which may apply to one.
    any_members: Vec<usize>,
    /// Parts about items, of which one applies to each item.
    items: Vec<usize>,
    /// Parts about items, all of which may apply to one.
    any_items: Vec<usize>,
}

/// What a part makes of one value somewhere below the value it is about, if that is an object, and if it is a list.
#[derive(Clone, Copy, Debug, Default)]
struct Below {
    object: Depth,
    list: Depth,
}

impl Below {
    fn most(self) -> Depth {
        Depth { steps: self.object.steps.max(self.list.steps), frames: self.object.frames.max(self.list.frames) }
    }
}

impl Work {
    /// Counts.
    ///
    /// # Errors
    /// A sentence for the author when the schema asks for too much of whatever value, or says something without an end.
    pub(super) fn of(schema: &Value) -> Result<Self, String> {
        let parts = parts(schema)?;
        let order = in_order(&parts)?;
        let at = |index: usize, depths: &[Below]| depths.get(index).copied().unwrap_or_default();
        let mut deeper: Vec<Below> = Vec::new();
        let mut depths = Vec::new();
        for depth in 0..=DEPTH_MAX {
            let mut now = vec![Below::default(); parts.len()];
            for index in &order {
                let Some(part) = parts.get(*index) else { continue };
                let one = |all: &[usize]| all.iter().map(|part| at(*part, &deeper).most()).fold(Depth::default(), most);
                let sum = |all: &[usize]| all.iter().map(|part| at(*part, &deeper).most()).fold(Depth::default(), plus);
                let mut below = match depth {
                    0 => {
                        let own = Depth { steps: part.steps, frames: 1 };
                        Below { object: own, list: own }
                    }
                    _ => Below {
                        object: plus(one(&part.members), sum(&part.any_members)),
                        list: plus(one(&part.items), sum(&part.any_items)),
                    },
                };
                if depth > 0 {
                    for kind in [&mut below.object, &mut below.list] {
                        kind.frames += usize::from(kind.steps > 0);
                    }
                }
                let same = part.same.iter().map(|part| at(*part, &now)).fold(Below::default(), |all, one| Below {
                    object: plus(all.object, one.object),
                    list: plus(all.list, one.list),
                });
                let joined = |own: Depth, same: Depth| Depth {
                    steps: own.steps.saturating_add(same.steps.saturating_mul(part.times)),
                    frames: own.frames.max(if same.steps > 0 { same.frames + 1 } else { 0 }),
                };
                let below = Below { object: joined(below.object, same.object), list: joined(below.list, same.list) };
                if let Some(place) = now.get_mut(*index) {
                    *place = below;
                }
            }
            let own = at(0, &now).most();
            if own.steps == 0 {
                break;
            }
            depths.push(own);
            deeper = now;
        }
        let root = depths.first().copied().unwrap_or_default();
        if root.steps > STEPS_MAX {
            return Err(format!(
                "takes more than {STEPS_MAX} steps for one value: its references repeat the same schemas"
            ));
        }
        if root.frames > SAME_FRAMES_MAX {
            return Err(format!(
                "follows {} references in a row for the same value; at most {SAME_FRAMES_MAX} are allowed",
                root.frames
            ));
        }
        Ok(Self { depths })
    }

    /// Whether the value can be checked in bounds.
    pub(super) fn fits(&self, value: &Value) -> bool {
        let mut steps = 0_u64;
        self.count(value, 0, &mut steps) && steps <= STEPS_MAX
    }

    /// Adds the steps for the value and what is in it. Ends early where they are too many, or one too deep.
    fn count(&self, value: &Value, depth: usize, steps: &mut u64) -> bool {
        // Nothing of the schema is about what is deeper.
        let Some(here) = self.depths.get(depth) else { return true };
        let weight = match value {
            Value::String(text) => 1 + text.len() / STEP_BYTES,
            Value::Array(items) => 1 + items.len(),
            Value::Object(members) => 1 + members.len(),
            Value::Null | Value::Bool(_) | Value::Number(_) => 1,
        };
        *steps = steps.saturating_add(here.steps.saturating_mul(weight as u64));
        if *steps > STEPS_MAX || here.frames > FRAMES_MAX {
            return false;
        }
        match value {
            Value::Array(items) => items.iter().all(|item| self.count(item, depth + 1, steps)),
            Value::Object(members) => members.values().all(|member| self.count(member, depth + 1, steps)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
        }
    }
}

/// One or the other.
fn most(one: Depth, other: Depth) -> Depth {
    Depth { steps: one.steps.max(other.steps), frames: one.frames.max(other.frames) }
}

/// One after the other.
fn plus(one: Depth, other: Depth) -> Depth {
    Depth { steps: one.steps.saturating_add(other.steps), frames: one.frames.max(other.frames) }
}

/// Every part that can be reached; the whole schema is the first.
fn parts(schema: &Value) -> Result<Vec<Part>, String> {
    let root = References::in_schema(schema);
    let mut found = Found { numbers: HashMap::new(), waiting: Vec::new(), references: 0, root };
    found.number(schema);
    let (mut parts, mut next) = (Vec::new(), 0);
    while let Some(schema) = found.waiting.get(next).copied() {
        next += 1;
        parts.push(match schema {
            Value::Object(members) => found.part(members)?,
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                Part { steps: 1, times: 1, ..Part::default() }
            }
        });
    }
    Ok(parts)
}

struct Found<'a> {
    numbers: HashMap<*const Value, usize>,
    /// In the order of their numbers.
    waiting: Vec<&'a Value>,
    references: usize,
    root: References<'a>,
}

impl<'a> Found<'a> {
    fn number(&mut self, schema: &'a Value) -> usize {
        let number = *self.numbers.entry(std::ptr::from_ref(schema)).or_insert(self.waiting.len());
        if number == self.waiting.len() {
            self.waiting.push(schema);
        }
        number
    }

    fn part(&mut self, members: &'a Map<String, Value>) -> Result<Part, String> {
        let list =
            |keyword: &str| members.get(keyword).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let named = |keyword: &str| members.get(keyword).and_then(Value::as_object);
        let count = |keyword: &str| named(keyword).map_or(0, Map::len);
        let dependent = named("dependentRequired").into_iter().flat_map(Map::values);
        let own = 1
            + list("enum").len()
            + list("required").len()
            + count("properties")
            + 8 * count("patternProperties")
            + count("dependentSchemas")
            + dependent.filter_map(Value::as_array).map(|names| 1 + names.len()).sum::<usize>();
        let looks_again = ["unevaluatedProperties", "unevaluatedItems"].iter().any(|key| members.contains_key(*key));
        let mut part = Part { steps: own as u64, times: if looks_again { AGAIN } else { 1 }, ..Part::default() };
        for keyword in references::KEYWORDS {
            let Some(reference) = members.get(keyword).and_then(Value::as_str) else { continue };
            self.references += 1;
            if self.references > REFERENCES_MAX {
                return Err(format!("has more than {REFERENCES_MAX} references"));
            }
            let target = self.root.resolve(reference);
            let target = target.ok_or_else(|| {
                format!(
                    "refers to `{}`, which is not part of it (`#/…` or `#NAME`)",
                    reference.chars().take(100).collect::<String>()
                )
            })?;
            part.same.push(self.number(target));
        }
        for keyword in ["not", "if", "then", "else"] {
            part.same.extend(members.get(keyword).map(|schema| self.number(schema)));
        }
        for keyword in ["allOf", "anyOf", "oneOf"] {
            part.same.extend(list(keyword).iter().map(|schema| self.number(schema)));
        }
        part.same.extend(named("dependentSchemas").into_iter().flat_map(Map::values).map(|schema| self.number(schema)));
        part.members.extend(named("properties").into_iter().flat_map(Map::values).map(|schema| self.number(schema)));
        part.members.extend(members.get("additionalProperties").map(|schema| self.number(schema)));
        part.any_members
            .extend(named("patternProperties").into_iter().flat_map(Map::values).map(|schema| self.number(schema)));
        for keyword in ["unevaluatedProperties", "propertyNames"] {
            part.any_members.extend(members.get(keyword).map(|schema| self.number(schema)));
        }
        part.items.extend(list("prefixItems").iter().map(|schema| self.number(schema)));
        part.items.extend(members.get("items").map(|schema| self.number(schema)));
        for keyword in ["contains", "unevaluatedItems"] {
            part.any_items.extend(members.get(keyword).map(|schema| self.number(schema)));
        }
        Ok(part)
    }
}

/// The parts in an order in which each comes after those it has about the same value.
fn in_order(parts: &[Part]) -> Result<Vec<usize>, String> {
    let mut left: Vec<usize> = parts.iter().map(|part| part.same.len()).collect();
    let mut above: Vec<Vec<usize>> = vec![Vec::new(); parts.len()];
    for (number, part) in parts.iter().enumerate() {
        for same in &part.same {
            if let Some(above) = above.get_mut(*same) {
                above.push(number);
            }
        }
    }
    let mut order: Vec<usize> =
        left.iter().enumerate().filter(|(_, left)| **left == 0).map(|(number, _)| number).collect();
    let mut next = 0;
    while let Some(number) = order.get(next).copied() {
        next += 1;
        for above in above.get(number).into_iter().flatten() {
            if let Some(left) = left.get_mut(*above) {
                *left -= 1;
                if *left == 0 {
                    order.push(*above);
                }
            }
        }
    }
    if order.len() < parts.len() {
        return Err("refers to itself for the same value, which never ends".to_owned());
    }
    Ok(order)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A schema whose parts each say the next one twice.
    fn doubling(depth: usize) -> Value {
        let defs = (0..depth).map(|number| {
            let next = json!({ "$ref": format!("#/$defs/d{}", number + 1) });
            (format!("d{number}"), json!({ "allOf": [next, next] }))
        });
        let last = [(format!("d{depth}"), json!({ "type": "integer" }))];
        json!({ "$ref": "#/$defs/d0", "$defs": defs.chain(last).collect::<Map<_, _>>() })
    }

    fn chain(length: usize, below: &str) -> Value {
        let link = |to: usize| json!({ "$ref": format!("#/$defs/d{to}") });
        let defs = (0..length).map(|number| {
            let next = link(number + 1);
            (format!("d{number}"), if below.is_empty() { next } else { json!({ "properties": { below: next } }) })
        });
        let last = [(format!("d{length}"), json!({ "type": "integer" }))];
        json!({ "$ref": "#/$defs/d0", "$defs": defs.chain(last).collect::<Map<_, _>>() })
    }

    #[test]
    fn what_would_not_end_is_refused() {
        let nested = (0..30)
            .fold(json!({ "type": "object" }), |inner, _| json!({ "allOf": [inner], "unevaluatedProperties": {} }));
        for (schema, expected) in [
            (doubling(15), ""),
            (doubling(40), "takes more than"),
            (chain(90, ""), ""),
            (chain(200, ""), "references in a row"),
            (chain(3_000, ""), "more than 2000 references"),
            (nested, "takes more than"),
            (json!({ "$ref": "#" }), "refers to itself"),
            (json!({ "anyOf": [{ "type": "null" }, { "not": { "$ref": "#" } }] }), "refers to itself"),
            (json!({ "$ref": "#/$defs/none" }), "which is not part of it"),
            (
                json!({ "$id": "a:b", "$defs": { "c": { "$id": "a:c" } }, "$ref": "#/$defs/c" }),
                "which is not part of it",
            ),
            (json!({ "items": { "$ref": "#" } }), ""),
            (json!(true), ""),
        ] {
            let told = Work::of(&schema).err().unwrap_or_default();
            assert!(told.contains(expected) && told.is_empty() == expected.is_empty(), "{schema}: {told}");
        }
    }

    #[test]
    fn the_steps_of_a_value_are_bounded() {
        let nest = |depth: usize| (0..depth).fold(json!(1), |inner, _| json!({ "a": inner }));
        let twice = json!({ "properties": { "a": { "allOf": [{ "$ref": "#" }, { "$ref": "#" }] } } });
        let tree = json!({ "properties": { "a": { "$ref": "#" }, "b": { "$ref": "#" } } });
        let json = json!({ "anyOf": [
            { "type": "array", "items": { "$ref": "#" } },
            { "type": "object", "additionalProperties": { "$ref": "#" } },
            { "type": ["null", "boolean", "number", "string"] },
        ]});
        let wide = json!({ "items": { "enum": (0..10_000).collect::<Vec<_>>() } });
        let row = json!({ "type": "array", "items": { "type": "object", "required": ["a"], "properties": { "a": { "type": "integer" } } } });
        let rows = |count: usize| vec![json!({ "a": 1 }); count].into();
        for (schema, value, expected) in [
            (&twice, nest(10), true),
            (&twice, nest(30), false),
            (&tree, nest(32), true),
            (&json, nest(32), true),
            (&wide, vec![json!(1); 1_000].into(), true),
            (&wide, vec![json!(1); 20_000].into(), false),
            (&row, rows(500_000), true),
        ] {
            assert_eq!(Work::of(schema).unwrap().fits(&value), expected, "{schema}");
        }
    }

    #[test]
    fn what_is_refused_would_indeed_be_long() {
        // What is let through ends soon, also at its worst.
        let schema = super::super::Schema::output(doubling(19)).unwrap();
        assert!(schema.check(&json!(1)).is_ok());
        assert!(
            super::super::Schema::output(chain(900, "a")).is_ok(),
            "a chain that goes down is as deep as its value"
        );
    }
}
