//! From results and faults to documents. Both come with status 200, as the specification has it.

use axum::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use muster_core::caller::RequestId;
use muster_core::command::Command;
use muster_core::schema::Schema;
use serde_json::{Value, json};

use super::ejabberd::{Form, form};
use super::fault::Fault;
use super::value::{write, write_member};
use crate::http::problem;

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<methodResponse>";
const TAIL: &str = "</methodResponse>\n";
/// The methods of HTTP there are here.
pub(super) const ALLOWED: &str = "POST, OPTIONS";
const XML: HeaderValue = HeaderValue::from_static("text/xml; charset=utf-8");

/// The document with a command's result.
pub(super) fn result(result: &Value, command: &Command) -> String {
    let (whole, schema) = (&command.output, command.output.json());
    document(|text| {
        text.push_str("<value><struct>");
        match form(command.name.as_str()) {
            Form::Named(name) => write_member(name, text, |text| write(result, whole, schema, text)),
            Form::List(name, item_name) => write_member(name, text, |text| {
                let items = whole.array_items(schema).unwrap_or(&Value::Null);
                list(result.as_array().into_iter().flatten(), text, |item, text| {
                    write_member(item_name, text, |text| write(item, whole, items, text));
                });
            }),
            Form::Pairs(name, key, value) => write_member(name, text, |text| {
                list(result.as_object().into_iter().flatten(), text, |(own_key, own_value), text| {
                    write_member(key, text, |text| write(&json!(own_key), whole, &Value::Null, text));
                    write_member(value, text, |text| write(own_value, whole, &Value::Null, text));
                });
            }),
            Form::Done => {
                write_member("res", text, |text| write(&json!(0), whole, &Value::Null, text));
                write_member("text", text, |text| write(result, whole, schema, text));
            }
        }
        text.push_str("</struct></value>");
    })
}

/// Adds a list of structs.
fn list<T>(items: impl Iterator<Item = T>, text: &mut String, members: impl Fn(T, &mut String)) {
    text.push_str("<value><array><data>");
    for item in items {
        text.push_str("<value><struct>");
        members(item, text);
        text.push_str("</struct></value>");
    }
    text.push_str("</data></array></value>");
}

/// The document with what a method of the system says.
pub(super) fn plain(value: &Value, anything: &Schema) -> String {
    document(|text| write(value, anything, &Value::Null, text))
}

fn document(value: impl FnOnce(&mut String)) -> String {
    let mut text = format!("{HEAD}<params><param>");
    value(&mut text);
    text.push_str("</param></params>");
    text.push_str(TAIL);
    text
}

/// The document with a fault.
pub(super) fn fault(fault: &Fault, anything: &Schema) -> String {
    let mut text = format!("{HEAD}<fault>");
    let value = json!({ "faultCode": fault.code, "faultString": fault.string() });
    write(&value, anything, &Value::Null, &mut text);
    text.push_str("</fault>");
    text.push_str(TAIL);
    text
}

/// The answer with a document.
pub(super) fn answer(document: String, retry_after_s: Option<u64>, request_id: &RequestId) -> Response {
    // A browser shows XML as a document.
    let mut response = problem::inert(problem::response(StatusCode::OK, XML, document, request_id));
    if let Some(seconds) = retry_after_s {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    response
}

/// The answer to `OPTIONS`: the methods there are.
pub(super) fn options(request_id: &RequestId) -> Response {
    let mut response = problem::response(StatusCode::NO_CONTENT, XML, "", request_id);
    response.headers_mut().remove(CONTENT_TYPE);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(ALLOWED));
    response
}

/// The answer to a body of another type.
pub(super) fn media_type(request_id: &RequestId) -> Response {
    let text = "send the call as text/xml\n";
    problem::response(StatusCode::UNSUPPORTED_MEDIA_TYPE, HeaderValue::from_static("text/plain"), text, request_id)
}
