//! Namespaces.

/// Stanzas on a component's stream (XEP-0114).
pub(super) const COMPONENT: &str = "jabber:component:accept";
/// The stream (RFC 6120 §4.8.1).
pub(super) const STREAM: &str = "http://etherx.jabber.org/streams";
/// Conditions of errors about a stream (RFC 6120 §4.9.2).
pub(super) const STREAM_ERRORS: &str = "urn:ietf:params:xml:ns:xmpp-streams";
/// Conditions of errors about a stanza (RFC 6120 §8.3.2).
pub(super) const STANZA_ERRORS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";
/// What an entity is and can do (XEP-0030).
pub(super) const DISCO_INFO: &str = "http://jabber.org/protocol/disco#info";
/// What belongs to an entity (XEP-0030).
pub(super) const DISCO_ITEMS: &str = "http://jabber.org/protocol/disco#items";
/// Commands, and the node that lists them (XEP-0050).
pub(super) const COMMANDS: &str = "http://jabber.org/protocol/commands";
/// Forms (XEP-0004).
pub(super) const FORMS: &str = "jabber:x:data";
/// What fields of forms take (XEP-0122).
pub(super) const VALIDATION: &str = "http://jabber.org/protocol/xdata-validate";
/// Pings (XEP-0199).
pub(super) const PING: &str = "urn:xmpp:ping";
/// Muster's stable codes of failures, as application-specific conditions (RFC 6120 §8.3.4).
pub(super) const PROBLEM: &str = "urn:muster:problem";
