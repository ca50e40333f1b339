//! Requests and answers (RFC 6120 §8.2.3), and the conditions of errors (§8.3.3).

use muster_core::caller::RequestId;
use muster_core::error::CallError;

use super::jid::Jid;
use super::names::{COMMANDS, COMPONENT, PROBLEM, STANZA_ERRORS};
use crate::xml::Element;

/// Longest id of a request that is answered, in bytes: it is sent back, and servers cut off who sends too much.
const ID_BYTES_MAX: usize = 1024;

/// A request.
#[derive(Clone, Debug)]
pub(super) struct Request {
    /// Who sent it, as the server says.
    pub(super) from: Jid,
    /// To whom.
    pub(super) to: String,
    id: String,
    /// Whether it may change something.
    pub(super) is_set: bool,
    /// What is asked.
    pub(super) payload: Element,
}

impl Request {
    /// The request in a stanza; nothing if the stanza is not a request and expects no answer.
    pub(super) fn read(stanza: &Element) -> Option<Self> {
        let is_set = match stanza.attribute("type") {
            Some("get") => false,
            Some("set") => true,
            _ => return None,
        };
        if !stanza.is(COMPONENT, "iq") {
            return None;
        }
        Some(Self {
            from: Jid::parse(stanza.attribute("from")?)?,
            to: stanza.attribute("to")?.to_owned(),
            id: stanza.attribute("id").filter(|id| id.len() <= ID_BYTES_MAX)?.to_owned(),
            is_set,
            // A request without one is answered with an error.
            payload: stanza.elements().next().cloned().unwrap_or_else(|| Element::new("", "nothing")),
        })
    }

    /// The answer to it.
    pub(super) fn answer(&self, result: Result<Option<Element>, StanzaError>) -> Element {
        let stanza = Element::new(COMPONENT, "iq")
            .with("from", self.to.as_str())
            .with("to", self.from.as_str())
            .with("id", self.id.as_str());
        match result {
            Ok(payload) => stanza.with("type", "result").children(payload),
            Err(error) => stanza.with("type", "error").child(error.into_element()),
        }
    }
}

/// What the sender of a request can do about an error (RFC 6120 §8.3.2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Auth,
    Cancel,
    Modify,
    Wait,
}

/// Why a request has no result.
#[derive(Clone, Debug)]
pub(super) struct StanzaError {
    kind: Kind,
    condition: &'static str,
    text: String,
    /// Boxed, since errors are seldom.
    more: Option<Box<Element>>,
}

impl StanzaError {
    fn new(kind: Kind, condition: &'static str, text: impl Into<String>) -> Self {
        Self { kind, condition, text: text.into(), more: None }
    }

    /// Nothing here takes such requests.
    pub(super) fn not_served() -> Self {
        Self::new(Kind::Cancel, "service-unavailable", "")
    }

    /// The request is not of the form its standard has.
    pub(super) fn bad_request(text: impl Into<String>) -> Self {
        Self::new(Kind::Modify, "bad-request", text)
    }

    /// A command's stage cannot be done, by the condition XEP-0050 §4.4 has for it.
    pub(super) fn bad_stage(condition: &'static str, text: impl Into<String>) -> Self {
        Self { more: Some(Box::new(Element::new(COMMANDS, condition))), ..Self::bad_request(text) }
    }

    /// The session was left alone for too long.
    pub(super) fn session_expired() -> Self {
        let more = Some(Box::new(Element::new(COMMANDS, "session-expired")));
        Self { more, ..Self::new(Kind::Cancel, "not-allowed", "the session has expired; begin again") }
    }

    /// Too much at once.
    pub(super) fn too_much(text: impl Into<String>) -> Self {
        Self::new(Kind::Wait, "resource-constraint", text)
    }

    /// More than is taken.
    pub(super) fn too_large(bytes_max: usize) -> Self {
        let text = format!("the request is too large (at most {bytes_max} bytes) or too deeply nested");
        Self::new(Kind::Modify, "not-acceptable", text)
    }

    /// A call that failed. Written out, so that a new kind must be thought about.
    pub(super) fn of(error: &CallError, request_id: &RequestId) -> Self {
        let (kind, condition) = match error {
            CallError::Malformed(_) | CallError::InvalidArguments(_) => (Kind::Modify, "bad-request"),
            CallError::Unauthenticated { .. } => (Kind::Auth, "not-authorized"),
            CallError::Forbidden { .. } | CallError::Denied(_) => (Kind::Auth, "forbidden"),
            CallError::UnknownCommand(_) | CallError::NotFound(_) => (Kind::Cancel, "item-not-found"),
            CallError::NotReadOnly => (Kind::Cancel, "not-allowed"),
            CallError::Conflict(_) => (Kind::Cancel, "conflict"),
            CallError::TooLarge { .. } => (Kind::Modify, "not-acceptable"),
            CallError::Failed(_) | CallError::PluginRefused { .. } => (Kind::Cancel, "undefined-condition"),
            // To wait does not help.
            CallError::LimitExceeded { .. } => (Kind::Modify, "policy-violation"),
            CallError::TooManyCalls | CallError::Throttled { .. } | CallError::RateLimited { .. } => {
                (Kind::Wait, "resource-constraint")
            }
            CallError::Unavailable(_) | CallError::Quarantined { .. } => (Kind::Wait, "service-unavailable"),
            CallError::Deadline { .. } => (Kind::Wait, "remote-server-timeout"),
            CallError::PluginFault { .. } | CallError::Internal { .. } => (Kind::Cancel, "internal-server-error"),
        };
        let more = Element::new(PROBLEM, error.code()).with("request-id", request_id.as_str());
        Self { kind, condition, text: error.detail(), more: Some(Box::new(more)) }
    }

    fn into_element(self) -> Element {
        let kind = match self.kind {
            Kind::Auth => "auth",
            Kind::Cancel => "cancel",
            Kind::Modify => "modify",
            Kind::Wait => "wait",
        };
        let text =
            (!self.text.is_empty()).then(|| Element::new(STANZA_ERRORS, "text").with("xml:lang", "en").text(self.text));
        Element::new(COMPONENT, "error")
            .with("type", kind)
            .child(Element::new(STANZA_ERRORS, self.condition))
            .children(text)
            .children(self.more.map(|more| *more))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failures::one_of_each;

    /// Kind, condition and application's condition of each failure, and none of them with internal text.
    #[test]
    fn each_failure_has_its_condition() {
        let request_id = RequestId::parse("r-1").unwrap();
        let shown: Vec<String> = one_of_each()
            .iter()
            .map(|error| {
                let element = StanzaError::of(error, &request_id).into_element();
                assert!(!element.write("").contains("secret"));
                let names: Vec<&str> =
                    element.elements().filter(|one| one.name() != "text").map(Element::name).collect();
                format!("{} {}", element.attribute("type").unwrap(), names.join(" "))
            })
            .collect();
        insta::assert_snapshot!("stanza_errors", shown.join("\n"));
    }

    #[test]
    fn only_requests_that_can_be_answered_are_taken() {
        let stanza = |kind: &str, from: &str| {
            Element::new(COMPONENT, "iq").with("type", kind).with("from", from).with("to", "m").with("id", "1")
        };
        assert!(Request::read(&stanza("get", "ann@h/r")).is_some_and(|request| !request.is_set));
        assert!(Request::read(&stanza("set", "ann@h/r")).is_some_and(|request| request.is_set));
        for stanza in [
            stanza("result", "ann@h/r"),
            stanza("error", "ann@h/r"),
            stanza("get", "@h"),
            Element::new(COMPONENT, "iq")
                .with("type", "get")
                .with("from", "h")
                .with("to", "m")
                .with("id", "1".repeat(1025)),
            Element::new(COMPONENT, "iq").with("type", "get").with("from", "h"),
            Element::new(COMPONENT, "message").with("type", "get").with("from", "h").with("to", "m").with("id", "1"),
            Element::new("jabber:client", "iq").with("type", "get").with("from", "h").with("to", "m").with("id", "1"),
        ] {
            assert!(Request::read(&stanza).is_none(), "{stanza:?}");
        }
    }
}
