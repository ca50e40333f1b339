//! Where references inside a schema lead.

use serde_json::Value;

/// Keywords that refer to another part.
pub(super) const KEYWORDS: [&str; 3] = ["$ref", "$dynamicRef", "$recursiveRef"];

/// A schema, as what its references are about.
#[derive(Clone, Copy, Debug)]
pub(super) struct References<'a> {
    schema: &'a Value,
    /// Whether a part has an address of its own, relative to which references in it would have to be read.
    relocated: bool,
}

impl<'a> References<'a> {
    pub(super) fn in_schema(schema: &'a Value) -> Self {
        Self { schema, relocated: has_inner_id(schema, true) }
    }

    /// The part a reference leads to; nothing where that is not known here.
    pub(super) fn resolve(&self, reference: &str) -> Option<&'a Value> {
        let own = self.schema.get("$id").and_then(Value::as_str).unwrap_or_default();
        let behind = reference.strip_prefix(own).filter(|behind| behind.is_empty() || behind.starts_with('#'));
        let fragment = behind.unwrap_or(reference);
        let fragment = fragment.strip_prefix('#').or(fragment.is_empty().then_some(""));
        let fragment = fragment.filter(|_| !self.relocated)?;
        if fragment.is_empty() || fragment.starts_with('/') {
            return self.schema.pointer(&percent_decoded(fragment)?);
        }
        anchored(self.schema, fragment)
    }
}

fn has_inner_id(schema: &Value, is_root: bool) -> bool {
    match schema {
        Value::Object(members) => {
            (!is_root && members.get("$id").is_some_and(Value::is_string))
                || members.values().any(|member| has_inner_id(member, false))
        }
        Value::Array(items) => items.iter().any(|item| has_inner_id(item, false)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// The part that has this anchor. The first: an author who gives a name twice has a schema that does not compile.
fn anchored<'a>(schema: &'a Value, name: &str) -> Option<&'a Value> {
    match schema {
        Value::Object(members) => {
            let own =
                ["$anchor", "$dynamicAnchor"].iter().any(|keyword| members.get(*keyword).is_some_and(|is| is == name));
            if own { Some(schema) } else { members.values().find_map(|member| anchored(member, name)) }
        }
        Value::Array(items) => items.iter().find_map(|item| anchored(item, name)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(if byte == b'%' {
            let mut digit = || char::from(rest.next()?).to_digit(16);
            u8::try_from(digit()? * 16 + digit()?).ok()?
        } else {
            byte
        });
    }
    String::from_utf8(bytes).ok()
}
