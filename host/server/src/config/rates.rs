//! `rate_limits`: a map of limits, each `{what, per, per_minute, burst}`.

use std::num::NonZeroU32;
use std::sync::Arc;

use muster_core::permission::{Selector, What};
use muster_core::rate::{Per, Rate};

use super::yaml::{ConfigError, Node};

const KEYS: [&str; 4] = ["what", "per", "per_minute", "burst"];
const PER: [&str; 2] = ["caller", "address"];
/// Most limits, since each is looked at in every call.
const RATES_MAX: usize = 64;

pub(super) fn rates(node: &Node<'_>) -> Result<Vec<Rate>, ConfigError> {
    let members = node.members("a map of limits, each with what, per and per_minute")?;
    if members.len() > RATES_MAX {
        return Err(node.error(format!("at most {RATES_MAX} limits are allowed")));
    }
    members.iter().map(|member| rate(member.key, &node.below(member.key, member.value))).collect()
}

fn rate(name: &str, node: &Node<'_>) -> Result<Rate, ConfigError> {
    if name.is_empty() || !name.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic() && !b"\"\\".contains(&byte))
    {
        return Err(node.error("the name of a limit is sent to callers; use visible ASCII characters without quotes"));
    }
    let (mut what, mut per, mut per_minute, mut burst) = (What::of([Selector::All]), Per::Caller, None, None);
    for member in node.members("a map with what, per and per_minute")? {
        let below = node.below(member.key, member.value);
        let number =
            || below.number(1, 1_000_000).map(|number| NonZeroU32::new(u32::try_from(number).unwrap_or(u32::MAX)));
        match member.key {
            "what" => what = selectors(&below)?,
            "per" => {
                let text = below.text("`caller` or `address`")?;
                per = match text.as_str() {
                    "caller" => Per::Caller,
                    "address" => Per::Address,
                    other => return Err(below.unknown("kind", other, &PER)),
                };
            }
            "per_minute" => per_minute = number()?,
            "burst" => burst = number()?,
            other => return Err(node.at(member.key_node).unknown("key", other, &KEYS)),
        }
    }
    let per_minute = per_minute.ok_or_else(|| node.error("a limit needs `per_minute`, a number of calls"))?;
    Ok(Rate { name: Arc::from(name), per, what, per_minute, burst: burst.unwrap_or(per_minute) })
}

fn selectors(node: &Node<'_>) -> Result<What, ConfigError> {
    let selector = |item: Node<'_>| {
        let text = item.text("a command, `*`, or another selector that `what` has in rules")?;
        Selector::parse(&text).map_err(|error| item.error(error.to_string()))
    };
    Ok(What::of(node.one_or_many().into_iter().map(selector).collect::<Result<Vec<_>, _>>()?))
}
