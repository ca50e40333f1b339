//! Long lists in parts: `limit` and `after` in the arguments, and where to go on.
//!
//! A command gives its whole list, in ascending order of a key, and says which that is; here it is cut, the same way for each.
//! Without `limit` and `after` nothing is, so that clients that know neither see what they always saw.

use serde_json::{Map, Value, json};

/// Most items of a part.
pub(crate) const LIMIT_MAX: u64 = 1000;

/// How the parts of a command's result follow one another.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Paging {
    /// A list of texts, or a map: the text or the name is the key.
    Item,
    /// A list of objects: the member of this name is the key.
    Member(&'static str),
    /// The command cuts by itself, and gives the number to go on behind as `next`.
    Number,
}

/// What a caller wants of a list.
#[derive(Debug, Default)]
pub(crate) struct Part {
    limit: Option<usize>,
    after: Option<String>,
}

impl Paging {
    /// Adds the arguments to a command's schema.
    pub(crate) fn describe(self, schema: &mut Value) {
        if matches!(self, Self::Number) {
            return;
        }
        let Some(schema) = schema.as_object_mut() else { return };
        let properties = schema.entry("properties").or_insert_with(|| json!({}));
        let Some(properties) = properties.as_object_mut() else { return };
        let limit = json!({
            "description": "Maximum number of items; default: all. If there are more, a `Link` header contains the address of the next page.",
            "type": "integer", "minimum": 1, "maximum": LIMIT_MAX,
        });
        let after = json!({ "description": "Only items after this one, the last item of the previous page.", "type": "string" });
        properties.insert("limit".to_owned(), limit);
        properties.insert("after".to_owned(), after);
    }

    /// Takes what is about parts out of the arguments.
    pub(crate) fn take(self, arguments: &mut Value) -> Part {
        let Some(members) = arguments.as_object_mut().filter(|_| !matches!(self, Self::Number)) else {
            return Part::default();
        };
        let limit = members.shift_remove("limit").and_then(|limit| limit.as_f64());
        let after = members.shift_remove("after").and_then(|after| after.as_str().map(str::to_owned));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the schema has it between 1 and 1000"
        )]
        let limit = limit.map(|limit| limit as usize);
        Part { limit, after }
    }

    /// Cuts the result, and gives the arguments to go on with where there is more. `arguments` are those of the call.
    pub(crate) fn cut(self, part: &Part, arguments: &Value, result: &mut Value) -> Option<Map<String, Value>> {
        let mut next = arguments.as_object().cloned().unwrap_or_default();
        if matches!(self, Self::Number) {
            let number = result.get("next").filter(|number| number.is_u64())?.clone();
            let name = if next.contains_key("after_seq") { "after_seq" } else { "before_seq" };
            next.insert(name.to_owned(), number);
            return Some(next);
        }
        let key = |item: &Value| match self {
            Self::Member(name) => item.get(name).and_then(Value::as_str).map(str::to_owned),
            Self::Item | Self::Number => item.as_str().map(str::to_owned),
        };
        let is_behind = |key: &str| part.after.as_deref().is_none_or(|after| key > after);
        let last = match result {
            Value::Array(items) => {
                items.retain(|item| key(item).is_none_or(|key| is_behind(&key)));
                let limit = part.limit.filter(|limit| *limit < items.len())?;
                items.truncate(limit);
                items.last().and_then(key)
            }
            Value::Object(members) => {
                members.retain(|name, _| is_behind(name));
                let limit = part.limit.filter(|limit| *limit < members.len())?;
                let kept: Vec<String> = members.keys().take(limit).cloned().collect();
                members.retain(|name, _| kept.contains(name));
                kept.into_iter().last()
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
        };
        next.insert("after".to_owned(), last?.into());
        if let Some(limit) = part.limit {
            next.insert("limit".to_owned(), limit.into());
        }
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_follow_one_another_and_are_the_whole() {
        let texts = json!(["a", "b", "c", "d", "e"]);
        let objects = json!([{"id": "a"}, {"id": "b"}, {"id": "c"}]);
        let map = json!({"a": 1, "b": 2, "c": 3});
        for (paging, whole) in [(Paging::Item, texts), (Paging::Member("id"), objects), (Paging::Item, map)] {
            for limit in 1..=6_usize {
                let mut arguments = json!({ "limit": limit, "host": "h" });
                let (mut seen, mut rounds) = (Vec::new(), 0);
                loop {
                    rounds += 1;
                    let mut own = arguments.clone();
                    let part = paging.take(&mut own);
                    assert_eq!(own, json!({ "host": "h" }));
                    let mut result = whole.clone();
                    let next = paging.cut(&part, &own, &mut result);
                    match result {
                        Value::Array(items) => {
                            assert!(items.len() <= limit);
                            seen.extend(items);
                        }
                        Value::Object(members) => {
                            assert!(members.len() <= limit);
                            seen.extend(members.into_iter().map(|(name, value)| json!({ name: value })));
                        }
                        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => panic!("no list"),
                    }
                    match next {
                        Some(next) => arguments = Value::Object(next),
                        None => break,
                    }
                }
                let items: Vec<Value> = match &whole {
                    Value::Object(members) => members.iter().map(|(name, value)| json!({ name: value })).collect(),
                    Value::Array(items) => items.clone(),
                    Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => panic!("no list"),
                };
                assert_eq!(seen, items, "{limit}");
                assert_eq!(rounds, items.len().div_ceil(limit), "{limit}");
            }
        }
    }

    #[test]
    fn what_asks_for_no_part_gets_the_whole() {
        let mut result = json!(["b", "a"]);
        let mut arguments = json!({});
        let part = Paging::Item.take(&mut arguments);
        assert_eq!(Paging::Item.cut(&part, &arguments, &mut result), None);
        assert_eq!(result, json!(["b", "a"]));
        // An item that went meanwhile is behind nothing and before what follows.
        let mut arguments = json!({ "after": "b" });
        let part = Paging::Item.take(&mut arguments);
        let mut result = json!(["a", "c"]);
        assert_eq!(Paging::Item.cut(&part, &arguments, &mut result), None);
        assert_eq!(result, json!(["c"]));
    }
}
