//! A component that knows nothing of Muster and exports ordinary functions: they become commands.

mod bindings {
    #![allow(
        missing_docs,
        unsafe_code,
        clippy::allow_attributes_without_reason,
        clippy::pedantic,
        reason = "generated"
    )]

    wit_bindgen::generate!({ path: "typed-tools.wit", world: "tools-provider" });

    #[cfg(target_family = "wasm")]
    use super::Tools;
    #[cfg(target_family = "wasm")]
    export!(Tools);
}

use bindings::exports::acme::tools::tools::{Error, Guest, GuestFile, Person, Rights, Shape};

/// What the component is.
#[derive(Debug)]
pub struct Tools;

/// Something that is no plain data.
#[derive(Debug)]
pub struct Opened;

impl GuestFile for Opened {
    fn new() -> Self {
        Self
    }
}

impl Guest for Tools {
    type File = Opened;

    fn greet(who: Person) -> String {
        match who.age {
            Some(age) => format!("Hello, {} ({age})!", who.full_name),
            None => format!("Hello, {}!", who.full_name),
        }
    }

    fn divide(dividend: i64, divisor: i64) -> Result<i64, Error> {
        match divisor {
            0 => Err(Error::DivisionByZero),
            _ => dividend.checked_div(divisor).ok_or(Error::TooLarge("s64".to_owned())),
        }
    }

    fn rot13(text: Vec<u8>) -> Result<Vec<u8>, String> {
        let turn = |byte: u8| match byte {
            b'a'..=b'z' => (byte - b'a' + 13) % 26 + b'a',
            b'A'..=b'Z' => (byte - b'A' + 13) % 26 + b'A',
            other => other,
        };
        if text.is_empty() { Err("nothing to turn".to_owned()) } else { Ok(text.into_iter().map(turn).collect()) }
    }

    fn areas(shapes: Vec<Shape>) -> Vec<f64> {
        let area = |shape: Shape| match shape {
            Shape::Dot => 0.0,
            Shape::Circle(radius) => 3.0 * radius * radius,
            Shape::Box((width, height)) => f64::from(width) * f64::from(height),
        };
        shapes.into_iter().map(area).collect()
    }

    fn big(exponent: u8) -> u64 {
        1_u64.checked_shl(exponent.into()).unwrap_or(u64::MAX)
    }

    fn root(of: f64) -> f64 {
        of.sqrt()
    }

    fn both(one: Rights, other: Rights) -> Rights {
        one & other
    }

    fn open(_: String) -> bindings::exports::acme::tools::tools::File {
        bindings::exports::acme::tools::tools::File::new(Opened)
    }
}
