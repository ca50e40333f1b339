//! One call of an exported function: arguments to values, the call, the answer to JSON text.
//!
//! A list of bytes as a `Val` for each byte takes some 50 ns a byte. So functions that take bytes, a text, or a text and
//! bytes in either order, or nothing, and give bytes or a text, or a result of these with a text as its error, are called
//! by their Rust types, which move bytes whole. Others can have bytes too, at that price.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use muster_component::functions::shape::Shape;
use muster_component::functions::{Answer, Function};
use muster_core::error::ArgumentError;
use serde_json::Value;
use wasmtime::Store;
use wasmtime::component::{Component, ComponentExportIndex, ComponentNamedList, Func, Instance, Lift, Lower, Val};

use super::value::{At, bytes_from_json, fields_from_json, payload_to_json, to_json};

/// Longest text of an error that a function answered with, in characters; the rest is cut off.
const ERROR_CHARS_MAX: usize = 4_096;

/// A function that can be called.
#[derive(Debug)]
pub(crate) struct TypedCall {
    function: Function,
    index: ComponentExportIndex,
    direct: Option<(Takes, Gives)>,
}

/// What became of a call that returned.
#[derive(Debug)]
pub(crate) enum Answered {
    /// JSON text of the result.
    Result(String),
    /// An argument that satisfies the schema and still does not fit.
    Mismatch(ArgumentError),
    /// The error the function answered with, as text.
    Error(String),
}

/// Parameters that are passed by their Rust types.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Takes {
    Nothing,
    Bytes,
    Text,
    BytesText,
    TextBytes,
}

/// Results that are taken by their Rust types.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Gives {
    Bytes,
    Text,
    BytesOrError,
    TextOrError,
}

impl TypedCall {
    /// Finds the function in the compiled component.
    pub(crate) fn find(component: &Component, function: Function) -> wasmtime::Result<Self> {
        let place = function.place();
        let missing = || wasmtime::format_err!("the component does not export `{}`", place.function);
        let index = match &place.interface {
            Some(interface) => {
                let interface = component.get_export_index(None, interface).ok_or_else(missing)?;
                component.get_export_index(Some(&interface), &place.function)
            }
            None => component.get_export_index(None, &place.function),
        };
        let index = index.ok_or_else(missing)?;
        let direct = direct(&function);
        Ok(Self { function, index, direct })
    }

    /// Whether bytes are moved whole.
    #[cfg(test)]
    pub(crate) fn is_direct(&self) -> bool {
        self.direct.is_some()
    }

    /// Whether this function is that command.
    pub(crate) fn is(&self, name: &str, version: u32) -> bool {
        self.function.name() == name && self.function.version() == version
    }

    /// Calls the function with an object of arguments.
    pub(crate) async fn call<T: Send + 'static>(
        &self,
        store: &mut Store<T>,
        instance: Instance,
        arguments: &Value,
    ) -> wasmtime::Result<Answered> {
        let func = instance.get_func(&mut *store, self.index);
        let func = func.ok_or_else(|| wasmtime::format_err!("the function is not in the instance"))?;
        if let Some((takes, gives)) = self.direct {
            return self.call_direct(store, func, arguments, takes, gives).await;
        }
        let parameters = match fields_from_json(self.function.parameters(), arguments, &At::Root) {
            Ok(parameters) => parameters,
            Err(error) => return Ok(Answered::Mismatch(error)),
        };
        let has_result = !matches!(self.function.answer(), Answer::Nothing);
        let mut results = vec![Val::Bool(false); usize::from(has_result)];
        func.call_async(&mut *store, &parameters, &mut results).await?;
        let result = results.into_iter().next();
        let at = At::Root;
        let told = match (self.function.answer(), result) {
            (Answer::Value(shape), Some(val)) => Ok(to_json(shape, val, &at)),
            (Answer::Result(ok, _), Some(Val::Result(Ok(val)))) => Ok(payload_to_json(ok.as_ref(), val, &at)),
            (Answer::Result(_, error), Some(Val::Result(Err(val)))) => Err(payload_to_json(error.as_ref(), val, &at)),
            (Answer::Nothing | Answer::Value(_) | Answer::Result(..), _) => Ok(Ok(Value::Null)),
        };
        match told {
            Ok(value) => Ok(Answered::Result(value.map_err(wasmtime::Error::new)?.to_string())),
            Err(value) => Ok(failed(value.map_err(wasmtime::Error::new)?)),
        }
    }

    async fn call_direct<T: Send + 'static>(
        &self,
        store: &mut Store<T>,
        func: Func,
        arguments: &Value,
        takes: Takes,
        gives: Gives,
    ) -> wasmtime::Result<Answered> {
        let (mut bytes, mut text) = (Vec::new(), "");
        for field in self.function.parameters() {
            let value = arguments.get(&field.name.json).unwrap_or(&Value::Null);
            if field.shape == Shape::Bytes {
                match bytes_from_json(value, &At::Member(&At::Root, &field.name.json)) {
                    Ok(decoded) => bytes = decoded,
                    Err(error) => return Ok(Answered::Mismatch(error)),
                }
            } else {
                text = value.as_str().unwrap_or_default();
            }
        }
        let bytes = bytes.as_slice();
        match takes {
            Takes::Nothing => run(store, func, (), gives).await,
            Takes::Bytes => run(store, func, (bytes,), gives).await,
            Takes::Text => run(store, func, (text,), gives).await,
            Takes::BytesText => run(store, func, (bytes, text), gives).await,
            Takes::TextBytes => run(store, func, (text, bytes), gives).await,
        }
    }
}

/// How a function is called by its Rust types, if it has bytes and one of the usual forms.
fn direct(function: &Function) -> Option<(Takes, Gives)> {
    let parameters: Vec<&Shape> = function.parameters().iter().map(|field| &field.shape).collect();
    let takes = match parameters.as_slice() {
        [] => Takes::Nothing,
        [Shape::Bytes] => Takes::Bytes,
        [Shape::Text] => Takes::Text,
        [Shape::Bytes, Shape::Text] => Takes::BytesText,
        [Shape::Text, Shape::Bytes] => Takes::TextBytes,
        _ => return None,
    };
    let gives = match function.answer() {
        Answer::Value(Shape::Bytes) => Gives::Bytes,
        Answer::Value(Shape::Text) => Gives::Text,
        Answer::Result(Some(Shape::Bytes), Some(Shape::Text)) => Gives::BytesOrError,
        Answer::Result(Some(Shape::Text), Some(Shape::Text)) => Gives::TextOrError,
        Answer::Nothing | Answer::Value(_) | Answer::Result(..) => return None,
    };
    let has_bytes =
        !matches!(takes, Takes::Nothing | Takes::Text) || matches!(gives, Gives::Bytes | Gives::BytesOrError);
    has_bytes.then_some((takes, gives))
}

async fn run<T, P>(store: &mut Store<T>, func: Func, parameters: P, gives: Gives) -> wasmtime::Result<Answered>
where
    T: Send + 'static,
    P: ComponentNamedList + Lower + Send + Sync,
{
    let text = |text: String| Answered::Result(Value::String(text).to_string());
    // Base64 has no character that JSON would escape.
    let bytes = |bytes: Vec<u8>| Answered::Result(format!("\"{}\"", STANDARD.encode(bytes)));
    let error = |text: String| failed(Value::String(text));
    Ok(match gives {
        Gives::Bytes => bytes(typed::<T, P, (Vec<u8>,)>(store, func, parameters).await?.0),
        Gives::Text => text(typed::<T, P, (String,)>(store, func, parameters).await?.0),
        Gives::BytesOrError => {
            typed::<T, P, (Result<Vec<u8>, String>,)>(store, func, parameters).await?.0.map_or_else(error, bytes)
        }
        Gives::TextOrError => {
            typed::<T, P, (Result<String, String>,)>(store, func, parameters).await?.0.map_or_else(error, text)
        }
    })
}

async fn typed<T, P, R>(store: &mut Store<T>, func: Func, parameters: P) -> wasmtime::Result<R>
where
    T: Send + 'static,
    P: ComponentNamedList + Lower + Send + Sync,
    R: ComponentNamedList + Lift + Send + Sync + 'static,
{
    func.typed::<P, R>(&*store)?.call_async(store, parameters).await
}

/// An error as text: a text is itself, anything else its JSON.
fn failed(value: Value) -> Answered {
    let text = match value {
        Value::String(text) => text,
        Value::Null => "the command failed without an error message".to_owned(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    };
    Answered::Error(text.chars().take(ERROR_CHARS_MAX).collect())
}
