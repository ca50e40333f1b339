//! Values: from XML-RPC to JSON and back, by the command's schema.
//!
//! | XML-RPC | JSON, as an argument |
//! |---|---|
//! | `int`, `i4`, `i8` | a number |
//! | `double` | a number; a whole one where the schema wants an integer |
//! | `boolean` | true or false |
//! | `string`, or characters alone | a text; a number where the schema wants an integer and no text |
//! | `base64` | its text |
//! | `dateTime.iso8601` | its text |
//! | `nil` | null |
//! | `array` | an array; items that are structs of one member are that member where the schema wants plain values |
//! | `struct` | an object |
//!
//! Results go the other way: whole numbers as `int`, beyond 32 bits as `i8`, beyond 64 bits as `string`; where the schema
//! says `number` as `double`; texts as `base64` where the schema says that they are.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use muster_core::schema::{DEPTH_MAX, Schema};
use serde_json::{Map, Number, Value};

use super::fault::Fault;
use crate::xml::{Element, push_escaped};

/// Largest whole number every double can tell from its neighbours.
const DOUBLE_EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// Reads a `value` element, for the place of the arguments that `schema`, a part of `whole`, is about.
///
/// # Errors
/// When it is no value, or nested more deeply than arguments may be.
pub(super) fn read(element: &Element, whole: &Schema, schema: &Value) -> Result<Value, Fault> {
    read_at(element, whole, schema, 0)
}

// Values are at most `DEPTH_MAX` deep, so this may call itself.
fn read_at(element: &Element, whole: &Schema, schema: &Value, depth: usize) -> Result<Value, Fault> {
    if depth > DEPTH_MAX {
        return Err(Fault::shape(format!("values may be nested {DEPTH_MAX} levels deep")));
    }
    let Some(typed) = only_element(element, "value")? else {
        return Ok(text(whole, schema, &element.own_text()));
    };
    let own_text = typed.own_text();
    let characters = own_text.trim();
    let misfit = || Fault::value(format!("the content of `{}` is not valid", typed.name()));
    let wants = |kind: &str| whole.types_of(schema).contains(&kind);
    Ok(match typed.name() {
        "string" => text(whole, schema, &own_text),
        "int" | "i4" | "i8" => characters.parse::<i64>().map_err(|_| misfit())?.into(),
        "boolean" => match characters {
            "0" => false.into(),
            "1" => true.into(),
            _ => return Err(misfit()),
        },
        "double" => double(characters, wants("integer") && !wants("number")).ok_or_else(misfit)?,
        "base64" => {
            let packed: String = characters.split_ascii_whitespace().collect();
            STANDARD.encode(STANDARD.decode(packed).map_err(|_| misfit())?).into()
        }
        "dateTime.iso8601" => characters.into(),
        "nil" => Value::Null,
        "array" => array(typed, whole, schema, depth)?,
        "struct" => {
            let schema = whole.resolve(schema);
            let member = |name: &str| {
                let named = schema.get("properties").and_then(|properties| properties.get(name));
                named.or_else(|| schema.get("additionalProperties")).unwrap_or(&Value::Null)
            };
            let mut object = Map::new();
            for (name, value) in members(typed)? {
                let value = read_at(value, whole, member(&name), depth + 1)?;
                if object.insert(name.clone(), value).is_some() {
                    return Err(Fault::twice(&name));
                }
            }
            Value::Object(object)
        }
        other => return Err(Fault::shape(format!("unknown value type `{}`", shown(other)))),
    })
}

/// A text, which stands for a number where nothing else is wanted: numbers beyond 32 bits have no other form in clients
/// that do not know `i8`.
fn text(whole: &Schema, schema: &Value, text: &str) -> Value {
    let types = whole.types_of(schema);
    if types.contains(&"integer") && !types.contains(&"string") {
        return whole.convert_text(schema, text).unwrap_or_else(|_| text.into());
    }
    text.into()
}

fn double(characters: &str, whole_wanted: bool) -> Option<Value> {
    // `parse` takes "inf" and "nan" as well, which are no numbers of JSON.
    let number: f64 = characters.parse().ok()?;
    if whole_wanted && number.fract() == 0.0 && number.abs() <= DOUBLE_EXACT_MAX {
        return format!("{number:.0}").parse::<i64>().ok().map(Value::from);
    }
    Number::from_f64(number).map(Value::Number)
}

fn array(typed: &Element, whole: &Schema, schema: &Value, depth: usize) -> Result<Value, Fault> {
    let data = only_element(typed, "array")?.filter(|data| data.name() == "data");
    let data = data.ok_or_else(|| Fault::shape("an `array` must contain one `data`"))?;
    let items = whole.array_items(schema).unwrap_or(&Value::Null);
    let wanted = whole.types_of(items);
    let plain = !wanted.is_empty() && !wanted.contains(&"object");
    let item = |value: &Element| {
        if value.name() != "value" {
            return Err(Fault::shape("`data` may only contain `value`s"));
        }
        if plain && let Some(inner) = only_member(value)? {
            return read_at(inner, whole, items, depth + 1);
        }
        read_at(value, whole, items, depth + 1)
    };
    data.elements().map(item).collect()
}

/// The value in a struct of one member: how ejabberd's clients name the items of a list.
fn only_member(value: &Element) -> Result<Option<&Element>, Fault> {
    let Some(typed) = only_element(value, "value")?.filter(|typed| typed.name() == "struct") else { return Ok(None) };
    let mut members = members(typed)?.into_iter();
    Ok(match (members.next(), members.next()) {
        (Some((_, value)), None) => Some(value),
        (None | Some(_), _) => None,
    })
}

/// Names and values of a `struct`, in the order given.
///
/// # Errors
/// When it has something else in it.
pub(super) fn members<'a>(typed: &'a Element) -> Result<Vec<(String, &'a Element)>, Fault> {
    let member = |member: &'a Element| match member.elements().collect::<Vec<_>>().as_slice() {
        [name, value] if member.name() == "member" && name.name() == "name" && value.name() == "value" => {
            Ok((name.own_text().into_owned(), *value))
        }
        _ => Err(Fault::shape("a `struct` must contain `member`s with one `name` and one `value` each")),
    };
    typed.elements().map(member).collect()
}

/// The one element in an element; nothing when it has only characters.
///
/// # Errors
/// When there are several.
pub(super) fn only_element<'a>(element: &'a Element, what: &str) -> Result<Option<&'a Element>, Fault> {
    let mut elements = element.elements();
    match (elements.next(), elements.next()) {
        (Some(_), Some(_)) => Err(Fault::shape(format!("a `{what}` must contain one element"))),
        (first, _) => Ok(first),
    }
}

/// What was sent, as far as it may be repeated.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}

/// Adds a `value` element for what `schema`, a part of `whole`, is about.
// Results are as deep as the dispatcher lets them be, so this may call itself.
pub(super) fn write(value: &Value, whole: &Schema, schema: &Value, text: &mut String) {
    text.push_str("<value>");
    match value {
        Value::Null => text.push_str("<nil/>"),
        Value::Bool(truth) => typed("boolean", if *truth { "1" } else { "0" }, text),
        Value::Number(number) => write_number(number, &whole.types_of(schema), text),
        Value::String(characters) => {
            let encoding = whole.resolve(schema).get("contentEncoding").and_then(Value::as_str);
            let is_base64 = encoding == Some("base64") && STANDARD.decode(characters).is_ok();
            typed(if is_base64 { "base64" } else { "string" }, characters, text);
        }
        Value::Array(items) => {
            let schema = whole.array_items(schema).unwrap_or(&Value::Null);
            text.push_str("<array><data>");
            for item in items {
                write(item, whole, schema, text);
            }
            text.push_str("</data></array>");
        }
        Value::Object(object) => {
            let schema = whole.resolve(schema);
            let properties = schema.get("properties");
            text.push_str("<struct>");
            for (name, value) in object {
                let own = properties.and_then(|properties| properties.get(name));
                let schema = own.or_else(|| schema.get("additionalProperties")).unwrap_or(&Value::Null);
                write_member(name, text, |text| write(value, whole, schema, text));
            }
            text.push_str("</struct>");
        }
    }
    text.push_str("</value>");
}

/// Adds a member of a `struct`.
pub(super) fn write_member(name: &str, text: &mut String, value: impl FnOnce(&mut String)) {
    text.push_str("<member>");
    typed("name", name, text);
    value(text);
    text.push_str("</member>");
}

fn write_number(number: &Number, types: &[&str], text: &mut String) {
    if types.contains(&"number")
        && !types.contains(&"integer")
        && let Some(double) = number.as_f64()
        && (number.is_f64() || double.abs() <= DOUBLE_EXACT_MAX)
    {
        return write_double(double, text);
    }
    match (number.as_i64(), number.as_f64()) {
        (Some(whole), _) if i32::try_from(whole).is_ok() => typed("int", &whole.to_string(), text),
        (Some(whole), _) => typed("i8", &whole.to_string(), text),
        (None, Some(double)) if number.is_f64() => write_double(double, text),
        // Between 2^63 and 2^64.
        (None, _) => typed("string", &number.to_string(), text),
    }
}

/// Digits without an exponent, as the specification has them, and enough of them.
fn write_double(double: f64, text: &mut String) {
    typed("double", &format!("{double}"), text);
}

fn typed(name: &str, characters: &str, text: &mut String) {
    text.push('<');
    text.push_str(name);
    text.push('>');
    push_escaped(text, characters);
    text.push_str("</");
    text.push_str(name);
    text.push('>');
}

#[cfg(test)]
mod tests {
    use muster_core::schema::Schema;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::xml::{Bounds, is_xml_char, read_document};

    const BOUNDS: Bounds =
        Bounds { bytes_max: 1 << 20, elements_max: 10_000, depth_max: 200, token_bytes_max: 1 << 10 };

    fn read_text(text: &str, schema: &Value) -> Result<Value, Fault> {
        let whole = Schema::output(schema.clone()).unwrap();
        read(&read_document(text.as_bytes(), BOUNDS).unwrap(), &whole, whole.json())
    }

    #[track_caller]
    fn check_read(inner: &str, schema: &Value, expected: &Result<Value, i32>) {
        let got = read_text(&format!("<value>{inner}</value>"), schema);
        assert_eq!(&got.map_err(|fault| fault.code), expected, "{inner}");
    }

    #[test]
    fn values_become_what_the_schema_wants() {
        let any = json!(true);
        let integer = json!({"type": "integer"});
        let either = json!({"type": ["integer", "string"]});
        let texts = json!({"type": "array", "items": {"type": "string"}});
        for (inner, schema, expected) in [
            ("x", &any, Ok(json!("x"))),
            ("", &any, Ok(json!(""))),
            ("<string> x </string>", &any, Ok(json!(" x "))),
            ("<string>5</string>", &any, Ok(json!("5"))),
            ("<string>9007199254740993</string>", &integer, Ok(json!(9_007_199_254_740_993_u64))),
            ("<string>5</string>", &either, Ok(json!("5"))),
            ("<string>x</string>", &integer, Ok(json!("x"))),
            ("<int>-5</int>", &any, Ok(json!(-5))),
            ("<i4> 5 </i4>", &any, Ok(json!(5))),
            ("<i8>9223372036854775807</i8>", &any, Ok(json!(i64::MAX))),
            ("<i8>9223372036854775808</i8>", &any, Err(-122)),
            ("<int>5.0</int>", &any, Err(-122)),
            ("<int/>", &any, Err(-122)),
            ("<double>5</double>", &any, Ok(json!(5.0))),
            ("<double>5</double>", &integer, Ok(json!(5))),
            ("<double>5.5</double>", &integer, Ok(json!(5.5))),
            ("<double>nan</double>", &any, Err(-122)),
            ("<double>inf</double>", &any, Err(-122)),
            ("<boolean>1</boolean>", &any, Ok(json!(true))),
            ("<boolean>true</boolean>", &any, Err(-122)),
            ("<base64>aGVs\n bG8=</base64>", &any, Ok(json!("aGVsbG8="))),
            ("<base64>?</base64>", &any, Err(-122)),
            ("<dateTime.iso8601>19980717T14:08:55</dateTime.iso8601>", &any, Ok(json!("19980717T14:08:55"))),
            ("<nil/>", &any, Ok(json!(null))),
            ("<x/>", &any, Err(-112)),
            ("<int>1</int><int>2</int>", &any, Err(-112)),
            ("<array><data/></array>", &any, Ok(json!([]))),
            ("<array/>", &any, Err(-112)),
            ("<array><data><x/></data></array>", &any, Err(-112)),
            ("<struct/>", &any, Ok(json!({}))),
            ("<struct><member><name>a</name></member></struct>", &any, Err(-112)),
            (
                "<array><data><value><struct><member><name>n</name><value>a</value></member></struct></value></data></array>",
                &texts,
                Ok(json!(["a"])),
            ),
            (
                "<array><data><value><struct><member><name>n</name><value>a</value></member></struct></value></data></array>",
                &any,
                Ok(json!([{"n": "a"}])),
            ),
            (
                "<struct><member><name>a</name><value>1</value></member><member><name>a</name><value>2</value></member></struct>",
                &any,
                Err(-114),
            ),
        ] {
            check_read(inner, schema, &expected);
        }
    }

    #[test]
    fn nesting_is_bounded_at_its_edge() {
        for (depth, fits) in [(DEPTH_MAX, true), (DEPTH_MAX + 1, false)] {
            let text = format!(
                "<value>{}<nil/>{}</value>",
                "<array><data><value>".repeat(depth),
                "</value></data></array>".repeat(depth)
            );
            assert_eq!(read_text(&text, &json!(true)).is_ok(), fits, "{depth}");
        }
    }

    #[test]
    fn results_are_written_by_their_schema() {
        let number = json!({"type": "number"});
        let any = json!(true);
        for (value, schema, expected) in [
            (json!(2_147_483_647), &any, "<int>2147483647</int>"),
            (json!(2_147_483_648_u64), &any, "<i8>2147483648</i8>"),
            (json!(u64::MAX), &any, "<string>18446744073709551615</string>"),
            (json!(5), &number, "<double>5</double>"),
            (json!(1e300), &any, &format!("<double>1{}</double>", "0".repeat(300))),
            (json!("a\r<\u{0}"), &any, "<string>a&#13;&lt;\u{fffd}</string>"),
            (json!("aGk="), &json!({"type": "string", "contentEncoding": "base64"}), "<base64>aGk=</base64>"),
        ] {
            let whole = Schema::output(schema.clone()).unwrap();
            let mut text = String::new();
            write(&value, &whole, whole.json(), &mut text);
            assert_eq!(text, format!("<value>{expected}</value>"));
        }
    }

    /// Schemas with values that satisfy them.
    fn pairs() -> impl Strategy<Value = (Value, Value)> {
        let texts = any::<String>().prop_map(|text| text.chars().filter(|c| is_xml_char(*c)).collect::<String>());
        let leaf = prop_oneof![
            Just((json!({"type": "null"}), Value::Null)),
            any::<bool>().prop_map(|truth| (json!({"type": "boolean"}), json!(truth))),
            any::<i64>().prop_map(|number| (json!({"type": "integer"}), json!(number))),
            any::<u64>().prop_map(|number| (json!({"type": "integer"}), json!(number))),
            any::<f64>().prop_filter("finite", |n| n.is_finite()).prop_map(|n| (json!({"type": "number"}), json!(n))),
            texts.clone().prop_map(|text| (json!({"type": "string"}), json!(text))),
            texts.clone().prop_map(|text| (json!({}), json!(text))),
            prop::collection::vec(any::<u8>(), 0..20).prop_map(|bytes| {
                (json!({"type": "string", "contentEncoding": "base64"}), json!(STANDARD.encode(bytes)))
            }),
        ];
        leaf.prop_recursive(4, 24, 5, move |inner| {
            let names = texts.clone();
            prop_oneof![
                (inner.clone(), 0_usize..4).prop_map(|((schema, value), count)| {
                    (json!({"type": "array", "items": schema}), Value::Array(vec![value; count]))
                }),
                prop::collection::btree_map(names, inner, 0..5).prop_map(|members| {
                    let (mut properties, mut object) = (Map::new(), Map::new());
                    for (name, (schema, value)) in members {
                        properties.insert(name.clone(), schema);
                        object.insert(name, value);
                    }
                    (json!({"type": "object", "properties": properties}), Value::Object(object))
                }),
            ]
        })
    }

    /// Numbers that are equal, in one form.
    fn canonical(value: &Value) -> Value {
        match value {
            Value::Number(number) if number.is_f64() => {
                let double = number.as_f64().unwrap();
                json!(if double == 0.0 { 0.0 } else { double })
            }
            Value::Array(items) => items.iter().map(canonical).collect(),
            Value::Object(object) => {
                Value::Object(object.iter().map(|(name, value)| (name.clone(), canonical(value))).collect())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
        }
    }

    proptest! {
        #[test]
        fn what_a_schema_allows_survives_both_ways((schema, value) in pairs()) {
            let whole = Schema::output(schema.clone()).unwrap();
            prop_assert!(whole.check(&value).is_ok());
            let mut text = String::new();
            write(&value, &whole, whole.json(), &mut text);
            let read = read_text(&text, &schema).unwrap();
            prop_assert_eq!(canonical(&read), canonical(&value), "{}", text);
        }

        #[test]
        fn no_call_panics(bytes in prop::collection::vec(prop::sample::select(FRAGMENTS.to_vec()), 0..60)) {
            let text = format!("<methodCall><methodName>x</methodName><params>{}", bytes.concat());
            for text in [text.clone(), format!("{text}</params></methodCall>")] {
                if let Ok(call) = super::super::decode::MethodCall::read(text.as_bytes()) {
                    let _ = call.login(muster_core::authn::Credential::Absent).map(|login| {
                        let schema = Schema::input(json!({"type": "object"})).unwrap();
                        let _ = call.arguments(&login, &schema);
                        let _ = call.text(&login);
                    });
                }
            }
        }
    }

    const FRAGMENTS: [&str; 24] = [
        "<param>",
        "</param>",
        "<value>",
        "</value>",
        "<struct>",
        "</struct>",
        "<member>",
        "</member>",
        "<name>",
        "</name>",
        "<array>",
        "</array>",
        "<data>",
        "</data>",
        "<int>",
        "</int>",
        "<nil/>",
        "user",
        "server",
        "password",
        "1",
        "&lt;",
        "<param><value>",
        "</value></param>",
    ];
}
