//! Whole numbers, made whole once: `3.0` and `36e2` are integers for JSON Schema (2020-12, validation §6.1.1), but not for the
//! readers most languages have. So arguments have `3` and `3600` before any command sees them. Every other number, and every
//! other byte, stays as it was written.

use serde_json::{Number, Value};

/// Digits of the largest number that is written out: what fits 64 bits has no more.
const DIGITS_MAX: usize = 20;

/// Whether a value has a number that was written with a fraction or an exponent, or does not fit 64 bits.
pub(super) fn has_fraction(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_f64(),
        Value::Array(items) => items.iter().any(has_fraction),
        Value::Object(members) => members.values().any(has_fraction),
        Value::Null | Value::Bool(_) | Value::String(_) => false,
    }
}

/// Makes numbers of a value whole where they are.
pub(super) fn make_whole(value: &mut Value) {
    match value {
        Value::Number(number) if number.is_f64() => {
            if let Some(whole) = number_of(&number.to_string()) {
                *number = whole;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(make_whole),
        Value::Object(members) => members.values_mut().for_each(make_whole),
        Value::Null | Value::Bool(_) | Value::String(_) | Value::Number(_) => {}
    }
}

/// JSON text with whole numbers as digits; nothing where it is the same. The text is known to be JSON.
pub(super) fn rewritten(text: &[u8]) -> Option<Vec<u8>> {
    let mut changed: Option<Vec<u8>> = None;
    let (mut at, mut copied) = (0, 0);
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => at = end_of_string(text, at),
            b'-' | b'0'..=b'9' => {
                let rest = text.get(at..).unwrap_or_default();
                let length = rest.iter().position(|byte| !is_of_number(*byte)).unwrap_or(rest.len());
                let token = rest.get(..length).and_then(|token| std::str::from_utf8(token).ok()).unwrap_or_default();
                let is_plain = !token.contains(['.', 'e', 'E']);
                if let Some(whole) = Some(token).filter(|_| !is_plain).and_then(number_of) {
                    let changed = changed.get_or_insert_with(|| Vec::with_capacity(text.len()));
                    changed.extend_from_slice(text.get(copied..at).unwrap_or_default());
                    changed.extend_from_slice(whole.to_string().as_bytes());
                    copied = at + length;
                }
                at += length;
            }
            _ => at += 1,
        }
    }
    if let Some(changed) = &mut changed {
        changed.extend_from_slice(text.get(copied..).unwrap_or_default());
    }
    changed
}

fn is_of_number(byte: u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E')
}

/// Behind the string that begins here.
fn end_of_string(text: &[u8], begin: usize) -> usize {
    let mut at = begin + 1;
    while let Some(byte) = text.get(at) {
        match byte {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    text.len()
}

/// The whole number a JSON number is, if it is one and fits 64 bits. Minus zero has a sign no whole number has.
fn number_of(token: &str) -> Option<Number> {
    let (is_negative, unsigned) = token.strip_prefix('-').map_or((false, token), |rest| (true, rest));
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    // `0e999999999999` is as much zero as `0.0`.
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_matches('0');
    if significant.is_empty() {
        return (!is_negative).then(|| 0.into());
    }
    let exponent: i64 = exponent.parse().ok()?;
    let trailing = digits.len() - digits.trim_end_matches('0').len();
    // The place of the last significant digit: 0 for the ones.
    let last = exponent.checked_sub(i64::try_from(fraction.len()).ok()?)?.checked_add(i64::try_from(trailing).ok()?)?;
    let zeros = usize::try_from(last).ok().filter(|zeros| *zeros <= DIGITS_MAX)?;
    let text = format!("{significant}{}", "0".repeat(zeros));
    if is_negative {
        format!("-{text}").parse::<i64>().ok().map(Into::into)
    } else {
        text.parse::<u64>().ok().map(Into::into)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_that_are_whole_are_made_so() {
        for (text, expected) in [
            ("3.0", "3"),
            ("36e2", "3600"),
            ("3.60E+3", "3600"),
            ("120e-1", "12"),
            ("0.00", "0"),
            ("0e99999999999999999999", "0"),
            ("-7.000", "-7"),
            ("1e19", "10000000000000000000"),
            ("18446744073709551615.0", "18446744073709551615"),
            ("-9223372036854775808.0", "-9223372036854775808"),
            ("9007199254740993.0", "9007199254740993"),
            // What is not whole, does not fit, or is whole already stays as it was written.
            ("-0.0", "-0.0"),
            ("3.5", "3.5"),
            ("1e-1", "1e-1"),
            ("18446744073709551616.0", "18446744073709551616.0"),
            ("-9223372036854775809.0", "-9223372036854775809.0"),
            ("18446744073709551617", "18446744073709551617"),
            ("1e300", "1e300"),
            ("1e99999999999", "1e99999999999"),
            (
                r#"{"a": [1.0, "2.0", "\"3.0"], "4.0": 5e0 , "b":-6.0}"#,
                r#"{"a": [1, "2.0", "\"3.0"], "4.0": 5 , "b":-6}"#,
            ),
        ] {
            let changed = rewritten(text.as_bytes()).unwrap_or_else(|| text.as_bytes().to_vec());
            assert_eq!(String::from_utf8(changed).unwrap(), expected);
        }
    }

    #[test]
    fn values_are_made_whole_as_texts_are() {
        for (text, expected) in
            [("3.0", "3"), ("[1.0,2.5]", "[1,2.5]"), ("{\"a\":36e2}", "{\"a\":3600}"), ("-0.0", "-0.0")]
        {
            let mut value: Value = serde_json::from_str(text).unwrap();
            assert!(has_fraction(&value), "{text}");
            make_whole(&mut value);
            assert_eq!(value.to_string(), expected);
        }
        assert!(!has_fraction(&serde_json::json!({"a": [1, -1, u64::MAX, "1.0", null, true]})));
    }

    proptest! {
        #[test]
        fn the_value_stays_the_same(value in -1.0e15..1.0e15_f64, digits in 0..6_usize) {
            for text in [format!("{value:.digits$}"), format!("{value:e}"), format!("[{value:.0}.0, \"{value:.1}\"]")] {
                let changed = rewritten(text.as_bytes()).unwrap_or_else(|| text.as_bytes().to_vec());
                let read = |text: &[u8]| {
                    let mut value = serde_json::from_slice::<Value>(text).unwrap();
                    make_whole(&mut value);
                    value
                };
                prop_assert_eq!(read(text.as_bytes()), read(&changed));
            }
        }
    }
}
