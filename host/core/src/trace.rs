//! Where a call stands in a trace of several services (W3C Trace Context, level 1).

use std::num::NonZeroU128;
use std::sync::Arc;

/// Longest `tracestate` that is passed on, in bytes; the recommendation asks for no more.
const STATE_BYTES_MAX: usize = 512;
/// The flags of version 00: sampled.
const FLAGS: u8 = 0x01;

/// A trace a call belongs to, begun by the caller or by the host.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TraceContext {
    trace_id: NonZeroU128,
    flags: u8,
    state: Option<Arc<str>>,
}

impl TraceContext {
    /// Reads the headers of a request. Nothing comes of a `traceparent` that is not well formed, and its `tracestate` is
    /// dropped with it; a `tracestate` that is too long or not printable is dropped alone.
    pub fn parse(traceparent: &str, tracestate: Option<&str>) -> Option<Self> {
        let mut fields = traceparent.split('-');
        let version = hexadecimal(fields.next()?, 2)?;
        let trace_id = NonZeroU128::new(hexadecimal(fields.next()?, 32)?)?;
        hexadecimal(fields.next()?, 16).filter(|parent| *parent != 0)?;
        let flags = hexadecimal(fields.next()?, 2)?;
        // Later versions may say more behind these.
        let ends = fields.next().is_none();
        if version == 0xff || (version == 0 && !ends) {
            return None;
        }
        let state = tracestate.map(str::trim).filter(|state| {
            (1..=STATE_BYTES_MAX).contains(&state.len()) && state.bytes().all(|byte| matches!(byte, b' '..=b'~'))
        });
        Some(Self { trace_id, flags: u8::try_from(flags).ok()? & FLAGS, state: state.map(Arc::from) })
    }

    /// A trace that begins here, by a random id. It is not sampled.
    pub fn begin(trace_id: u128) -> Self {
        Self { trace_id: NonZeroU128::new(trace_id).unwrap_or(NonZeroU128::MIN), flags: 0, state: None }
    }

    /// The id of the whole trace, as 32 hexadecimal digits.
    pub fn trace_id(&self) -> String {
        format!("{:032x}", self.trace_id)
    }

    /// The `traceparent` of a request made for the call; `span` is a random number that names the request.
    pub fn traceparent(&self, span: u64) -> String {
        format!("00-{:032x}-{:016x}-{:02x}", self.trace_id, span.max(1), self.flags)
    }

    /// The `tracestate` to go with it, as it came.
    pub fn tracestate(&self) -> Option<&str> {
        self.state.as_deref()
    }
}

/// A number in exactly so many lower-case digits.
fn hexadecimal(text: &str, digits: usize) -> Option<u128> {
    let fits = text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    fits.then(|| u128::from_str_radix(text, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    #[test]
    fn well_formed_headers_are_taken_and_others_are_not() {
        let rows = [
            (format!("00-{TRACE}-00f067aa0ba902b7-01"), Some("01")),
            (format!("00-{TRACE}-00f067aa0ba902b7-00"), Some("00")),
            (format!("00-{TRACE}-00f067aa0ba902b7-ff"), Some("01")),
            (format!("cc-{TRACE}-00f067aa0ba902b7-01"), Some("01")),
            (format!("cc-{TRACE}-00f067aa0ba902b7-01-what-the-future-brings"), Some("01")),
            (format!("00-{TRACE}-00f067aa0ba902b7-01-more"), None),
            (format!("00-{TRACE}-00f067aa0ba902b7-01-"), None),
            (format!("ff-{TRACE}-00f067aa0ba902b7-01"), None),
            (format!("00-{TRACE}-0000000000000000-01"), None),
            (format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)), None),
            (format!("00-{}-00f067aa0ba902b7-01", TRACE.to_uppercase()), None),
            (format!("00-{TRACE}0-00f067aa0ba902b7-01"), None),
            (format!("00-+{}-00f067aa0ba902b7-01", &TRACE[1..]), None),
            (format!("00-{TRACE}-00f067aa0ba902b7"), None),
            (format!("00-{TRACE}-00f067aa0ba902b7-1"), None),
            (format!(" 00-{TRACE}-00f067aa0ba902b7-01"), None),
            ("00".to_owned(), None),
            (String::new(), None),
        ];
        for (text, flags) in rows {
            let read = TraceContext::parse(&text, None).map(|trace| trace.traceparent(0xabc));
            assert_eq!(read, flags.map(|flags| format!("00-{TRACE}-0000000000000abc-{flags}")), "{text}");
        }
    }

    #[test]
    fn a_tracestate_is_passed_on_where_it_can_be() {
        let parent = format!("00-{TRACE}-00f067aa0ba902b7-01");
        let long = format!("a={}", "x".repeat(STATE_BYTES_MAX));
        let rows = [
            (Some("rojo=00f067aa0ba902b7,congo=t61"), Some("rojo=00f067aa0ba902b7,congo=t61")),
            (Some(" a=1 "), Some("a=1")),
            (Some(""), None),
            (Some("a=\u{e9}"), None),
            (Some("a=\r\nb"), None),
            (Some(&long), None),
            (None, None),
        ];
        for (state, expected) in rows {
            let trace = TraceContext::parse(&parent, state).unwrap();
            assert_eq!(trace.tracestate(), expected, "{state:?}");
        }
    }

    #[test]
    fn what_begins_here_can_be_read_again() {
        for (id, span) in [(0, 0), (1, 7), (u128::MAX, u64::MAX)] {
            let begun = TraceContext::begin(id);
            assert_eq!(TraceContext::parse(&begun.traceparent(span), None), Some(begun));
        }
    }
}
