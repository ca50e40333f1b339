//! Random shapes, the WIT they are written as, and random values of them.

use std::fmt::Write as _;

use fastrand::Rng;
use serde_json::{Map, Value, json};

use muster_component::functions::shape::{Case, Field, Integer, Name, Shape};

const INTEGERS: [(Integer, &str); 8] = [
    (Integer::S8, "s8"),
    (Integer::U8, "u8"),
    (Integer::S16, "s16"),
    (Integer::U16, "u16"),
    (Integer::S32, "s32"),
    (Integer::U32, "u32"),
    (Integer::S64, "s64"),
    (Integer::U64, "u64"),
];

/// A shape that nests at most `depth` deep.
pub(crate) fn shape(random: &mut Rng, depth: usize) -> Shape {
    let inner = |random: &mut Rng| Box::new(shape(random, depth.saturating_sub(1)));
    let maybe = |random: &mut Rng| random.bool().then(|| Box::new(shape(random, depth.saturating_sub(1))));
    let count = random.usize(1..4);
    match random.usize(0..if depth == 0 { 9 } else { 17 }) {
        0 => Shape::Bool,
        1 => Shape::Integer(INTEGERS[random.usize(..8)].0),
        2 => Shape::Float32,
        3 => Shape::Float64,
        4 => Shape::Char,
        5 => Shape::Text,
        6 => Shape::Bytes,
        7 => Shape::Enum(names(random.usize(1..4))),
        8 => Shape::Flags(names(random.usize(1..12))),
        9 => Shape::list_of(*inner(random)),
        10 => Shape::FixedList(inner(random), random.u32(1..4)),
        11 => {
            // Only these can be keys.
            let keys =
                [Shape::Text, Shape::Text, Shape::Char, Shape::Bool, Shape::Integer(INTEGERS[random.usize(..8)].0)];
            Shape::Map(Box::new(keys[random.usize(..keys.len())].clone()), inner(random))
        }
        12 => Shape::Tuple((0..count).map(|_| *inner(random)).collect()),
        13 => Shape::Record(
            names(count).into_iter().map(|name| Field { name, docs: String::new(), shape: *inner(random) }).collect(),
        ),
        14 => Shape::Option(inner(random)),
        15 => Shape::Result(maybe(random), maybe(random)),
        _ => Shape::Variant(
            names(count)
                .into_iter()
                .map(|name| Case { name, docs: String::new(), payload: maybe(random).map(|payload| *payload) })
                .collect(),
        ),
    }
}

fn names(count: usize) -> Vec<Name> {
    (0..count).map(|index| Name::new(&format!("part-{index}-X"))).collect()
}

/// The type as WIT has it; `declarations` gets what must be declared for it.
pub(crate) fn wit(shape: &Shape, declarations: &mut String) -> String {
    let mut maybe =
        |shape: &Option<Box<Shape>>| shape.as_ref().map_or("_".to_owned(), |shape| wit(shape, declarations));
    match shape {
        Shape::Bool => "bool".to_owned(),
        Shape::Integer(integer) => INTEGERS.iter().find(|(own, _)| own == integer).unwrap().1.to_owned(),
        Shape::Float32 => "f32".to_owned(),
        Shape::Float64 => "f64".to_owned(),
        Shape::Char => "char".to_owned(),
        Shape::Text => "string".to_owned(),
        Shape::Bytes => "list<u8>".to_owned(),
        Shape::List(items) => format!("list<{}>", wit(items, declarations)),
        Shape::FixedList(items, length) => format!("list<{}, {length}>", wit(items, declarations)),
        Shape::Map(key, value) => format!("map<{}, {}>", wit(key, declarations), wit(value, declarations)),
        Shape::Tuple(items) => {
            format!("tuple<{}>", items.iter().map(|item| wit(item, declarations)).collect::<Vec<_>>().join(", "))
        }
        Shape::Option(inner) => format!("option<{}>", wit(inner, declarations)),
        Shape::Result(None, None) => "result".to_owned(),
        Shape::Result(ok, None) => format!("result<{}>", maybe(ok)),
        Shape::Result(ok, error) => format!("result<{}, {}>", maybe(ok), maybe(error)),
        Shape::Record(fields) => {
            let fields: Vec<String> =
                fields.iter().map(|field| format!("{}: {}", field.name.wit, wit(&field.shape, declarations))).collect();
            declare(declarations, "record", &fields)
        }
        Shape::Variant(cases) => {
            let cases: Vec<String> = cases
                .iter()
                .map(|case| match &case.payload {
                    Some(payload) => format!("{}({})", case.name.wit, wit(payload, declarations)),
                    None => case.name.wit.clone(),
                })
                .collect();
            declare(declarations, "variant", &cases)
        }
        Shape::Enum(names) => {
            declare(declarations, "enum", &names.iter().map(|name| name.wit.clone()).collect::<Vec<_>>())
        }
        Shape::Flags(names) => {
            declare(declarations, "flags", &names.iter().map(|name| name.wit.clone()).collect::<Vec<_>>())
        }
    }
}

fn declare(declarations: &mut String, kind: &str, parts: &[String]) -> String {
    let name = format!("t{}", declarations.lines().count());
    writeln!(declarations, "{kind} {name} {{ {} }}", parts.join(", ")).unwrap();
    name
}

/// A value of the shape; now and then, where `misfits` is given, another one.
pub(crate) fn value(shape: &Shape, random: &mut Rng, misfits: bool) -> Value {
    if misfits && random.u8(..8) == 0 {
        return junk(random);
    }
    let one = |shape: &Shape, random: &mut Rng| value(shape, random, misfits);
    let maybe = |shape: &Option<Box<Shape>>, random: &mut Rng| match shape {
        Some(shape) => value(shape, random, misfits),
        None => Value::Null,
    };
    match shape {
        Shape::Bool => random.bool().into(),
        Shape::Integer(integer) => integer_value(*integer, random),
        Shape::Float32 => match random.u8(..4) {
            0 => json!(f32::MAX.to_string().parse::<f64>().unwrap()),
            1 => json!(-0.0),
            _ => json!(f64::from(random.f32()) * 1e6),
        },
        Shape::Float64 => match random.u8(..3) {
            0 => json!(f64::MIN_POSITIVE),
            1 => json!(random.i64(..)),
            _ => json!(random.f64() * 1e300),
        },
        Shape::Char => random.char(..).to_string().into(),
        Shape::Text => text(random).into(),
        Shape::Bytes => ["", "AA==", "aGk=", "/+8A"][random.usize(..4)].into(),
        Shape::List(items) => (0..random.usize(..4)).map(|_| one(items, random)).collect(),
        Shape::FixedList(items, length) => (0..*length).map(|_| one(items, random)).collect(),
        Shape::Map(key, item) if key.is_text() => {
            (0..random.usize(..3)).map(|_| (text(random), one(item, random))).collect()
        }
        Shape::Map(key, item) => (0..random.usize(..3)).map(|_| json!([one(key, random), one(item, random)])).collect(),
        Shape::Tuple(items) => items.iter().map(|item| one(item, random)).collect(),
        Shape::Record(fields) => {
            let mut members = Map::new();
            for field in fields {
                if !matches!(field.shape, Shape::Option(_)) || random.bool() {
                    members.insert(field.name.json.clone(), one(&field.shape, random));
                }
            }
            members.into()
        }
        Shape::Option(_) if random.bool() => Value::Null,
        Shape::Option(inner) if inner.is_option() => json!({"some": one(inner, random)}),
        Shape::Option(inner) => one(inner, random),
        Shape::Result(ok, _) if random.bool() => json!({"ok": maybe(ok, random)}),
        Shape::Result(_, error) => json!({"err": maybe(error, random)}),
        Shape::Variant(cases) => {
            let case = &cases[random.usize(..cases.len())];
            match &case.payload {
                Some(payload) => [(case.name.json.clone(), one(payload, random))].into_iter().collect(),
                None => case.name.json.clone().into(),
            }
        }
        Shape::Enum(names) => names[random.usize(..names.len())].json.clone().into(),
        Shape::Flags(names) => names.iter().filter(|_| random.bool()).map(|name| name.json.clone()).collect(),
    }
}

fn text(random: &mut Rng) -> String {
    (0..random.usize(..6)).map(|_| random.char(..)).collect()
}

fn integer_value(integer: Integer, random: &mut Rng) -> Value {
    let (minimum, maximum) = integer.bounds();
    let number = match random.u8(..4) {
        0 => minimum,
        1 => maximum,
        2 => 0,
        _ => minimum + i128::from(random.u64(..)) % (maximum - minimum),
    };
    let number = number.to_string();
    if integer.is_long() && random.bool() { number.into() } else { serde_json::from_str(&number).unwrap() }
}

fn junk(random: &mut Rng) -> Value {
    let values = [
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(300),
        json!(1.5),
        json!(2.0),
        json!(1e39),
        json!(u64::MAX),
        json!(""),
        json!("x"),
        json!("7"),
        json!("-0"),
        json!("007"),
        json!("QQ"),
        json!("QR=="),
        json!("part_0_x"),
        json!([]),
        json!([1, 2]),
        json!(["part_0_x", "part_0_x"]),
        json!([["a", 1]]),
        json!({}),
        json!({"ok": null}),
        json!({"err": 1, "ok": 2}),
        json!({"some": null}),
        json!({"part_0_x": 1}),
        json!({"part-0-X": 1}),
    ];
    values[random.usize(..values.len())].clone()
}
