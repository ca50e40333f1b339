//! JSON to component values and back, exactly: a number is never rounded or cut to a range, a name never guessed. What
//! cannot be told exactly is an error with a JSON Pointer on the way in, and a fault of the plugin on the way out.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use muster_component::functions::schema::FLOAT32_MAX;
use muster_component::functions::shape::{Case, Field, Integer, Name, Shape};
use muster_core::error::ArgumentError;
use serde_json::{Map, Number, Value};
use thiserror::Error;
use wasmtime::component::Val;

/// Integers from here on, in either direction, are not exact in every JSON reader (RFC 8259 §6): 2^53.
const EXACT_BELOW: i128 = 1 << 53;

/// A result that JSON has no form for, or that is not of the type the component declares.
#[derive(Debug, Error)]
#[error("the result{at} {what}")]
pub(crate) struct NotRepresentable {
    at: String,
    what: &'static str,
}

/// Where in the arguments a value stands. Its text is only made for errors.
#[derive(Clone, Copy, Debug)]
pub(crate) enum At<'a> {
    /// The arguments themselves.
    Root,
    /// A member of an object.
    Member(&'a At<'a>, &'a str),
    /// An item of an array.
    Item(&'a At<'a>, usize),
}

impl At<'_> {
    /// The place as a JSON Pointer (RFC 6901).
    fn pointer(&self) -> String {
        match self {
            Self::Root => String::new(),
            Self::Member(parent, name) => {
                format!("{}/{}", parent.pointer(), name.replace('~', "~0").replace('/', "~1"))
            }
            Self::Item(parent, index) => format!("{}/{index}", parent.pointer()),
        }
    }

    fn expect<T>(&self, what: impl Into<String>) -> Result<T, ArgumentError> {
        Err(ArgumentError { pointer: self.pointer(), message: format!("must be {}", what.into()) })
    }

    fn misfit(&self, message: impl Into<String>) -> ArgumentError {
        ArgumentError { pointer: self.pointer(), message: message.into() }
    }
}

/// The values of members, in the order of the fields. Members that may be absent are none then.
pub(crate) fn fields_from_json(fields: &[Field], value: &Value, at: &At<'_>) -> Result<Vec<Val>, ArgumentError> {
    let Value::Object(object) = value else { return at.expect("an object") };
    if object.len() > fields.len() || !object.keys().all(|key| fields.iter().any(|field| field.name.json == *key)) {
        let known = |key: &&String| fields.iter().any(|field| field.name.json == **key);
        let unknown = object.keys().find(|key| !known(key)).map_or("", String::as_str);
        return Err(At::Member(at, unknown).misfit("is not allowed here"));
    }
    let value = |field: &Field| {
        let place = At::Member(at, &field.name.json);
        match (object.get(&field.name.json), &field.shape) {
            (Some(value), shape) => from_json(shape, value, &place),
            (None, Shape::Option(_)) => Ok(Val::Option(None)),
            (None, _) => Err(place.misfit("is required")),
        }
    };
    fields.iter().map(value).collect()
}

/// The component value of a JSON value.
///
/// # Errors
/// The first place that does not fit, and what is expected there.
pub(crate) fn from_json(shape: &Shape, value: &Value, at: &At<'_>) -> Result<Val, ArgumentError> {
    Ok(match shape {
        Shape::Bool => match value.as_bool() {
            Some(value) => Val::Bool(value),
            None => return at.expect("true or false"),
        },
        Shape::Integer(integer) => integer_from_json(*integer, value, at)?,
        Shape::Float32 => match value.as_f64() {
            #[expect(clippy::cast_possible_truncation, reason = "in range, and the nearest f32 is what is meant")]
            Some(number) if number.abs() <= FLOAT32_MAX => Val::Float32(number as f32),
            _ => return at.expect("a number that fits into 32 bits"),
        },
        Shape::Float64 => match value.as_f64() {
            Some(number) => Val::Float64(number),
            None => return at.expect("a number"),
        },
        Shape::Char => {
            let mut scalars = value.as_str().unwrap_or_default().chars();
            match (scalars.next(), scalars.next()) {
                (Some(one), None) => Val::Char(one),
                _ => return at.expect("a string of one character"),
            }
        }
        Shape::Text => match value.as_str() {
            Some(text) => Val::String(text.to_owned()),
            None => return at.expect("a string"),
        },
        Shape::Bytes => Val::List(bytes_from_json(value, at)?.into_iter().map(Val::U8).collect()),
        Shape::List(items) => Val::List(items_from_json(items, value, at)?),
        Shape::FixedList(items, length) => match items_from_json(items, value, at)? {
            values if values.len() as u64 == u64::from(*length) => Val::FixedLengthList(values),
            _ => return at.expect(format!("an array of {length} items")),
        },
        Shape::Map(key, item) => Val::Map(map_from_json(key, item, value, at)?),
        Shape::Tuple(shapes) => Val::Tuple(tuple_from_json(shapes, value, at)?),
        Shape::Record(fields) => {
            let names = fields.iter().map(|field| field.name.wit.clone());
            Val::Record(names.zip(fields_from_json(fields, value, at)?).collect())
        }
        Shape::Option(inner) => match (value, &**inner) {
            (Value::Null, _) => Val::Option(None),
            (value, inner @ Shape::Option(_)) => match member(value) {
                Some(("some", value)) => Val::Option(Some(Box::new(from_json(inner, value, &At::Member(at, "some"))?))),
                _ => return at.expect("null, or an object with the one member `some`"),
            },
            (value, inner) => Val::Option(Some(Box::new(from_json(inner, value, at)?))),
        },
        Shape::Result(ok, error) => match member(value) {
            Some(("ok", value)) => Val::Result(Ok(payload_from_json(ok.as_deref(), value, &At::Member(at, "ok"))?)),
            Some(("err", value)) => {
                Val::Result(Err(payload_from_json(error.as_deref(), value, &At::Member(at, "err"))?))
            }
            _ => return at.expect("an object with one member, `ok` or `err`"),
        },
        Shape::Variant(cases) => variant_from_json(cases, value, at)?,
        Shape::Enum(names) => Val::Enum(name_from_json(names, value, at)?),
        Shape::Flags(names) => Val::Flags(flags_from_json(names, value, at)?),
    })
}

fn integer_from_json(integer: Integer, value: &Value, at: &At<'_>) -> Result<Val, ArgumentError> {
    let (minimum, maximum) = integer.bounds();
    let text = value.as_str().filter(|_| integer.is_long());
    let number = value.as_number().and_then(whole).or_else(|| text.and_then(decimal));
    let Some(number) = number.filter(|number| (minimum..=maximum).contains(number)) else {
        let form = if integer.is_long() { ", or its decimal digits as a string" } else { "" };
        return at.expect(format!("an integer from {minimum} to {maximum}{form}"));
    };
    val_of_integer(integer, number).ok_or_else(|| at.misfit("is out of range"))
}

fn val_of_integer(integer: Integer, number: i128) -> Option<Val> {
    Some(match integer {
        Integer::S8 => Val::S8(number.try_into().ok()?),
        Integer::U8 => Val::U8(number.try_into().ok()?),
        Integer::S16 => Val::S16(number.try_into().ok()?),
        Integer::U16 => Val::U16(number.try_into().ok()?),
        Integer::S32 => Val::S32(number.try_into().ok()?),
        Integer::U32 => Val::U32(number.try_into().ok()?),
        Integer::S64 => Val::S64(number.try_into().ok()?),
        Integer::U64 => Val::U64(number.try_into().ok()?),
    })
}

/// The number as an integer, if it is one: `1.0` and `1e2` are (JSON Schema 2020-12 §6.1.1). A number that was read as a
/// floating-point one is only believed where those are exact: `-9223372036854775809` was rounded to one that would fit.
fn whole(number: &Number) -> Option<i128> {
    let exact = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
    #[expect(clippy::cast_possible_truncation, reason = "it has no fraction, and what is out of range stays so")]
    let float = || number.as_f64().filter(|number| number.fract() == 0.0).map(|number| number as i128);
    exact.or_else(|| float().filter(|number| (-EXACT_BELOW + 1..EXACT_BELOW).contains(number)))
}

/// The number whose shortest decimal form the text is.
fn decimal(text: &str) -> Option<i128> {
    let number: i128 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// The bytes of a base64 text.
pub(crate) fn bytes_from_json(value: &Value, at: &At<'_>) -> Result<Vec<u8>, ArgumentError> {
    let Value::String(text) = value else { return at.expect("a base64 string") };
    STANDARD.decode(text).or_else(|_| at.expect("base64 (RFC 4648 §4, padded)"))
}

fn items_from_json(items: &Shape, value: &Value, at: &At<'_>) -> Result<Vec<Val>, ArgumentError> {
    let Value::Array(values) = value else { return at.expect("an array") };
    values.iter().enumerate().map(|(index, value)| from_json(items, value, &At::Item(at, index))).collect()
}

fn tuple_from_json(shapes: &[Shape], value: &Value, at: &At<'_>) -> Result<Vec<Val>, ArgumentError> {
    let Some(values) = value.as_array().filter(|values| values.len() == shapes.len()) else {
        return at.expect(format!("an array of {} items", shapes.len()));
    };
    let parts = shapes.iter().zip(values).enumerate();
    parts.map(|(index, (shape, value))| from_json(shape, value, &At::Item(at, index))).collect()
}

fn map_from_json(key: &Shape, item: &Shape, value: &Value, at: &At<'_>) -> Result<Vec<(Val, Val)>, ArgumentError> {
    match (key, value) {
        (Shape::Text, Value::Object(object)) => {
            let pair = |(name, value): (&String, &Value)| {
                Ok((Val::String(name.clone()), from_json(item, value, &At::Member(at, name))?))
            };
            object.iter().map(pair).collect()
        }
        (Shape::Text, _) => at.expect("an object"),
        (key, Value::Array(values)) => {
            let pair = |(index, value): (usize, &Value)| {
                let at = At::Item(at, index);
                match value.as_array().map(Vec::as_slice) {
                    Some([name, value]) => {
                        Ok((from_json(key, name, &At::Item(&at, 0))?, from_json(item, value, &At::Item(&at, 1))?))
                    }
                    _ => at.expect("an array of a key and a value"),
                }
            };
            values.iter().enumerate().map(pair).collect()
        }
        _ => at.expect("an array of pairs"),
    }
}

fn payload_from_json(shape: Option<&Shape>, value: &Value, at: &At<'_>) -> Result<Option<Box<Val>>, ArgumentError> {
    match (shape, value) {
        (Some(shape), value) => Ok(Some(Box::new(from_json(shape, value, at)?))),
        (None, Value::Null) => Ok(None),
        (None, _) => at.expect("null"),
    }
}

fn variant_from_json(cases: &[Case], value: &Value, at: &At<'_>) -> Result<Val, ArgumentError> {
    let named = |name: &str, is_bare: bool| {
        cases.iter().find(|case| case.name.json == name && case.payload.is_none() == is_bare)
    };
    if let Some(case) = value.as_str().and_then(|name| named(name, true)) {
        return Ok(Val::Variant(case.name.wit.clone(), None));
    }
    if let Some((name, value)) = member(value)
        && let Some(case) = named(name, false)
    {
        let payload = payload_from_json(case.payload.as_ref(), value, &At::Member(at, name))?;
        return Ok(Val::Variant(case.name.wit.clone(), payload));
    }
    let forms = cases.iter().map(|case| match case.payload {
        Some(_) => format!("{{\"{}\": …}}", case.name.json),
        None => format!("\"{}\"", case.name.json),
    });
    at.expect(format!("one of {}", forms.collect::<Vec<_>>().join(", ")))
}

fn name_from_json(names: &[Name], value: &Value, at: &At<'_>) -> Result<String, ArgumentError> {
    let found = value.as_str().and_then(|text| names.iter().find(|name| name.json == text));
    let Some(name) = found else {
        let known = names.iter().map(|name| format!("\"{}\"", name.json)).collect::<Vec<_>>().join(", ");
        return at.expect(format!("one of {known}"));
    };
    Ok(name.wit.clone())
}

fn flags_from_json(names: &[Name], value: &Value, at: &At<'_>) -> Result<Vec<String>, ArgumentError> {
    let Value::Array(values) = value else { return at.expect("an array of names") };
    let mut flags: Vec<String> = Vec::new();
    for (index, value) in values.iter().enumerate() {
        let at = At::Item(at, index);
        let flag = name_from_json(names, value, &at)?;
        if flags.contains(&flag) {
            return Err(at.misfit("is given twice"));
        }
        flags.push(flag);
    }
    // In the order the component has them, which is the order they come back in.
    Ok(names.iter().map(|name| &name.wit).filter(|name| flags.contains(name)).cloned().collect())
}

/// The only member of an object.
fn member(value: &Value) -> Option<(&str, &Value)> {
    let object = value.as_object().filter(|object| object.len() == 1)?;
    object.iter().next().map(|(name, value)| (name.as_str(), value))
}

/// The JSON value of a component value.
///
/// # Errors
/// When JSON has no form for it, or it is not of that shape.
pub(crate) fn to_json(shape: &Shape, val: Val, at: &At<'_>) -> Result<Value, NotRepresentable> {
    let lie = || NotRepresentable { at: shown(at), what: "is not of the type that the component declares" };
    Ok(match (shape, val) {
        (Shape::Bool, Val::Bool(value)) => Value::Bool(value),
        (Shape::Integer(_), Val::S8(number)) => number.into(),
        (Shape::Integer(_), Val::U8(number)) => number.into(),
        (Shape::Integer(_), Val::S16(number)) => number.into(),
        (Shape::Integer(_), Val::U16(number)) => number.into(),
        (Shape::Integer(_), Val::S32(number)) => number.into(),
        (Shape::Integer(_), Val::U32(number)) => number.into(),
        (Shape::Integer(_), Val::S64(number)) if i128::from(number).abs() < EXACT_BELOW => number.into(),
        (Shape::Integer(_), Val::S64(number)) => number.to_string().into(),
        (Shape::Integer(_), Val::U64(number)) if i128::from(number) < EXACT_BELOW => number.into(),
        (Shape::Integer(_), Val::U64(number)) => number.to_string().into(),
        // Its own shortest digits, not those of the `f64` it would widen to: 0.1 stays 0.1.
        (Shape::Float32, Val::Float32(number)) => match number.to_string().parse() {
            Ok(number) => finite(number, at)?,
            Err(_) => return Err(lie()),
        },
        (Shape::Float64, Val::Float64(number)) => finite(number, at)?,
        (Shape::Char, Val::Char(value)) => value.to_string().into(),
        (Shape::Text, Val::String(text)) => text.into(),
        (Shape::Bytes, Val::List(values)) => {
            let byte = |val| if let Val::U8(byte) = val { Ok(byte) } else { Err(lie()) };
            STANDARD.encode(values.into_iter().map(byte).collect::<Result<Vec<u8>, _>>()?).into()
        }
        (Shape::List(items), Val::List(values)) | (Shape::FixedList(items, _), Val::FixedLengthList(values)) => {
            let item = |(index, value)| to_json(items, value, &At::Item(at, index));
            values.into_iter().enumerate().map(item).collect::<Result<Vec<_>, _>>()?.into()
        }
        (Shape::Map(key, item), Val::Map(pairs)) => map_to_json(key, item, pairs, at)?,
        (Shape::Tuple(shapes), Val::Tuple(values)) if shapes.len() == values.len() => {
            let item = |(index, (shape, value))| to_json(shape, value, &At::Item(at, index));
            shapes.iter().zip(values).enumerate().map(item).collect::<Result<Vec<_>, _>>()?.into()
        }
        (Shape::Record(fields), Val::Record(values)) if fields.len() == values.len() => {
            let member = |(field, (_, value)): (&Field, (String, Val))| {
                let value = to_json(&field.shape, value, &At::Member(at, &field.name.json))?;
                Ok((field.name.json.clone(), value))
            };
            Value::Object(fields.iter().zip(values).map(member).collect::<Result<Map<_, _>, _>>()?)
        }
        (Shape::Option(_), Val::Option(None)) => Value::Null,
        (Shape::Option(inner), Val::Option(Some(value))) if inner.is_option() => {
            object("some", to_json(inner, *value, &At::Member(at, "some"))?)
        }
        (Shape::Option(inner), Val::Option(Some(value))) => to_json(inner, *value, at)?,
        (Shape::Result(ok, _), Val::Result(Ok(value))) => {
            object("ok", payload_to_json(ok.as_deref(), value, &At::Member(at, "ok"))?)
        }
        (Shape::Result(_, error), Val::Result(Err(value))) => {
            object("err", payload_to_json(error.as_deref(), value, &At::Member(at, "err"))?)
        }
        (Shape::Variant(cases), Val::Variant(name, payload)) => {
            let case = cases.iter().find(|case| case.name.wit == name).ok_or_else(lie)?;
            match &case.payload {
                None => case.name.json.clone().into(),
                some => {
                    let value = payload_to_json(some.as_ref(), payload, &At::Member(at, &case.name.json))?;
                    object(&case.name.json, value)
                }
            }
        }
        (Shape::Enum(names), Val::Enum(name)) => name_to_json(names, &name).ok_or_else(lie)?,
        (Shape::Flags(names), Val::Flags(flags)) => {
            let flags = flags.iter().map(|flag| name_to_json(names, flag).ok_or_else(lie));
            flags.collect::<Result<Vec<_>, _>>()?.into()
        }
        _ => return Err(lie()),
    })
}

/// A payload that may be missing: null then.
pub(crate) fn payload_to_json(
    shape: Option<&Shape>,
    payload: Option<Box<Val>>,
    at: &At<'_>,
) -> Result<Value, NotRepresentable> {
    match (shape, payload) {
        (Some(shape), Some(value)) => to_json(shape, *value, at),
        (None, None) => Ok(Value::Null),
        (Some(_), None) | (None, Some(_)) => {
            Err(NotRepresentable { at: shown(at), what: "is not of the type that the component declares" })
        }
    }
}

fn map_to_json(key: &Shape, item: &Shape, pairs: Vec<(Val, Val)>, at: &At<'_>) -> Result<Value, NotRepresentable> {
    let is_object = key.is_text();
    let (mut members, mut array) = (Map::new(), Vec::new());
    for (index, (name, value)) in pairs.into_iter().enumerate() {
        let place = At::Item(at, index);
        let (name, value) = (to_json(key, name, &At::Item(&place, 0))?, to_json(item, value, &At::Item(&place, 1))?);
        match (is_object, name) {
            // If a key is given twice, the last value counts.
            (true, Value::String(name)) => _ = members.insert(name, value),
            (_, name) => array.push(Value::from([name, value].to_vec())),
        }
    }
    Ok(if is_object { members.into() } else { array.into() })
}

fn name_to_json(names: &[Name], wit: &str) -> Option<Value> {
    names.iter().find(|name| name.wit == wit).map(|name| name.json.clone().into())
}

fn object(name: &str, value: Value) -> Value {
    Value::Object([(name.to_owned(), value)].into_iter().collect())
}

fn finite(number: f64, at: &At<'_>) -> Result<Value, NotRepresentable> {
    let what = "is not a finite number, which JSON cannot represent";
    Number::from_f64(number).map(Value::Number).ok_or_else(|| NotRepresentable { at: shown(at), what })
}

fn shown(at: &At<'_>) -> String {
    let pointer = at.pointer();
    if pointer.is_empty() { pointer } else { format!(" at {pointer}") }
}
