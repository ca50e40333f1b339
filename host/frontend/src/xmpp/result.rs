//! Results as forms (XEP-0004): plain values as fields, lists of objects as a table, anything deeper as JSON that can be
//! read.

use muster_core::command::Command;
use serde_json::{Map, Value};

use super::form::{lines, plain_text};
use super::names::FORMS;
use crate::xml::Element;

/// Most columns of a table; with more, it is shown as JSON.
const COLUMNS_MAX: usize = 64;
/// The field of a result that has no names.
const RESULT: &str = "result";

/// The form that shows a result.
pub(super) fn show(command: &Command, result: &Value) -> Element {
    let form = Element::new(FORMS, "x")
        .with("type", "result")
        .child(Element::new(FORMS, "title").text(command.summary.as_str()));
    match result {
        Value::Object(object) => members(form, object),
        Value::Array(items) => match Table::of(items) {
            Some(table) => table.add_to(form),
            None => form.child(field(RESULT, result)),
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => form.child(field(RESULT, result)),
    }
}

/// A field for each member; the first that is a list of objects is the table, of which a form has one.
fn members(form: Element, object: &Map<String, Value>) -> Element {
    let tabular = object.iter().find_map(|(name, value)| Some((name, Table::of(value.as_array()?)?)));
    let is_table = |name: &str| tabular.as_ref().is_some_and(|(own, _)| *own == name);
    let fields = object.iter().filter(|(name, _)| !is_table(name)).map(|(name, value)| field(name, value));
    let form = form.children(fields.collect::<Vec<_>>());
    match tabular {
        Some((_, table)) => table.add_to(form),
        None => form,
    }
}

fn field(name: &str, value: &Value) -> Element {
    let (kind, texts) = match value {
        Value::Null => ("text-single", Vec::new()),
        Value::Bool(truth) => ("boolean", vec![truth.to_string()]),
        Value::Number(number) => ("text-single", vec![number.to_string()]),
        Value::String(text) if text.contains('\n') => ("text-multi", lines(text)),
        Value::String(text) => ("text-single", vec![text.clone()]),
        Value::Array(items) if items.iter().all(is_plain) => ("text-multi", items.iter().map(plain_text).collect()),
        Value::Array(_) | Value::Object(_) => ("text-multi", lines(&format!("{value:#}"))),
    };
    let field = Element::new(FORMS, "field").with("var", name).with("type", kind).with("label", name);
    field.children(texts.into_iter().map(|text| Element::new(FORMS, "value").text(text)))
}

fn is_plain(value: &Value) -> bool {
    !value.is_array() && !value.is_object()
}

/// Objects, with every name any of them has.
struct Table<'a> {
    columns: Vec<&'a str>,
    rows: Vec<&'a Map<String, Value>>,
}

impl<'a> Table<'a> {
    /// The items as a table; nothing when they are not all objects, or there are none.
    fn of(items: &'a [Value]) -> Option<Self> {
        let rows: Vec<_> = items.iter().map(Value::as_object).collect::<Option<_>>()?;
        let mut columns: Vec<&str> = Vec::new();
        for name in rows.iter().flat_map(|row| row.keys()) {
            if !columns.contains(&name.as_str()) {
                columns.push(name);
            }
            if columns.len() > COLUMNS_MAX {
                return None;
            }
        }
        (!columns.is_empty()).then_some(Self { columns, rows })
    }

    fn add_to(self, form: Element) -> Element {
        let column = |name: &&str| {
            Element::new(FORMS, "field").with("var", *name).with("type", "text-single").with("label", *name)
        };
        let reported = Element::new(FORMS, "reported").children(self.columns.iter().map(column));
        let item = |row: &Map<String, Value>| {
            let cells = self.columns.iter().filter_map(|name| Some((*name, row.get(*name)?)));
            let cells = cells.map(|(name, value)| {
                let text = cell(value);
                Element::new(FORMS, "field").with("var", name).child(Element::new(FORMS, "value").text(text))
            });
            Element::new(FORMS, "item").children(cells)
        };
        form.child(reported).children(self.rows.iter().map(|row| item(row)).collect::<Vec<_>>())
    }
}

/// A value in one line.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Array(items) if items.iter().all(is_plain) => {
            items.iter().map(plain_text).collect::<Vec<_>>().join(", ")
        }
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => plain_text(value),
    }
}
