//! Addresses: the bare JID of RFC 7622, in the spelling two equal addresses share.
//!
//! Upper and lower case are one, as in XMPP. Deliberately absent: the full PRECIS profiles, whose tables are larger than
//! this plugin. The server that knows the account has applied them.

use std::fmt;

/// The bound of RFC 7622 §3, for each part.
const PART_BYTES_MAX: usize = 1023;

/// The part before the `@`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[muster_sdk::data]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("minLength" = 1, "maxLength" = 1023, "pattern" = r#"^[^\u0000-\u0020\u007f-\u00a0"&'/:<>@]+$"#))]
pub(crate) struct Local(String);

impl TryFrom<String> for Local {
    type Error = String;

    /// RFC 7622 §3.3.1: no white space, no control characters, none of `"&'/:<>@`.
    fn try_from(text: String) -> Result<Self, String> {
        part(&text, |c| r#""&'/:<>@"#.contains(c)).map(Self)
    }
}

impl From<Local> for String {
    fn from(Local(text): Local) -> Self {
        text
    }
}

/// The part after the `@`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[muster_sdk::data]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("minLength" = 1, "maxLength" = 1023, "pattern" = r"^[^\u0000-\u0020\u007f-\u00a0/@]+$"))]
pub(crate) struct Domain(String);

impl TryFrom<String> for Domain {
    type Error = String;

    /// No white space, no control characters, and nothing that would end the part early.
    fn try_from(text: String) -> Result<Self, String> {
        part(&text, |c| "/@".contains(c)).map(Self)
    }
}

impl From<Domain> for String {
    fn from(Domain(text): Domain) -> Self {
        text
    }
}

fn part(text: &str, forbidden: impl Fn(char) -> bool) -> Result<String, String> {
    let text = text.to_lowercase();
    if text.is_empty() || text.len() > PART_BYTES_MAX {
        return Err(format!("expected 1 to {PART_BYTES_MAX} bytes, here {}", text.len()));
    }
    match text.chars().find(|c| c.is_control() || c.is_whitespace() || forbidden(*c)) {
        Some(c) => Err(format!("{c:?} cannot be in this part of an address")),
        None => Ok(text),
    }
}

/// A bare address: `user@host`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Jid(String);

impl Jid {
    pub(crate) fn new(Local(local): Local, Domain(domain): Domain) -> Self {
        Self(format!("{local}@{domain}"))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Jid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(local: &str, expected: Option<&str>) {
        let local = Local::try_from(local.to_owned()).ok();
        assert_eq!(local.map(String::from).as_deref(), expected);
    }

    #[test]
    fn local_parts() {
        check("ann", Some("ann"));
        check("Änn", Some("änn"));
        check("", None);
        check("a b", None);
        check("a@b", None);
        check("a/b", None);
        check("a\u{1}", None);
        check("a\u{a0}", None);
        check(&"a".repeat(1023), Some(&"a".repeat(1023)));
        check(&"a".repeat(1024), None);
        check(&"ä".repeat(512), None);
    }

    #[test]
    fn domains() {
        assert!(Domain::try_from("[::1]".to_owned()).is_ok());
        assert!(Domain::try_from("a:b".to_owned()).is_ok());
        assert!(Domain::try_from("a@b".to_owned()).is_err());
    }
}
