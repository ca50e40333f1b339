//! From requests to what the authorization server takes. Everything here is outside text: all of it is bounded.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use axum::http::header::{CONTENT_TYPE, COOKIE};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use muster_core::authn::Credential;
use muster_core::oauth::{AuthorizationRequest, OAuthError};

use crate::http::entrance::Arrival;
use crate::http::listen::Peer;

/// Longest form, in bytes.
const FORM_BYTES_MAX: usize = 64 << 10;
/// Most fields of a form.
const FIELDS_MAX: usize = 64;
/// Longest value of a field, in bytes.
const FIELD_BYTES_MAX: usize = 16 << 10;
/// Longest time a form may take to arrive.
const FORM_TIME_MAX: Duration = Duration::from_secs(10);

/// Why there is no form.
#[derive(Clone, Copy, Debug)]
pub(super) enum FormRefusal {
    /// It is of another type.
    Type,
    /// It is too long.
    TooLarge,
    /// It came too slowly, or broke off.
    Slow,
    /// It is no form, or one field is too long.
    Unreadable(&'static str),
}

impl FormRefusal {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Type => "send a form as application/x-www-form-urlencoded",
            Self::TooLarge => "the form is too long",
            Self::Slow => "the form is incomplete, or its transfer timed out",
            Self::Unreadable(text) => text,
        }
    }
}

/// Fields of a form or a query (WHATWG URL §5.1).
#[derive(Debug)]
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, &'static str> {
        let mut fields = Vec::new();
        for (name, value) in form_urlencoded::parse(bytes) {
            if fields.len() >= FIELDS_MAX || name.len() > 64 || value.len() > FIELD_BYTES_MAX {
                return Err("the form has too many fields, or a field is too long");
            }
            fields.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(fields))
    }

    /// The field of that name. An empty one counts as absent, and none may be there twice (RFC 6749 §3.1).
    pub(super) fn one(&self, name: &str) -> Result<Option<String>, &'static str> {
        let mut values = self.0.iter().filter(|(own, _)| own == name).map(|(_, value)| value);
        match (values.next(), values.next()) {
            (_, Some(_)) => Err("duplicate field"),
            (value, None) => Ok(value.filter(|value| !value.is_empty()).cloned()),
        }
    }

    /// Every field of that name that is not empty.
    pub(super) fn many(&self, name: &str) -> Vec<String> {
        let values = self.0.iter().filter(|(own, value)| own == name && !value.is_empty());
        values.map(|(_, value)| value.clone()).collect()
    }
}

/// Reads a form, within bounds of size and time.
pub(super) async fn form(request: Request<Body>) -> Result<Form, FormRefusal> {
    let kind = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(FormRefusal::Type);
    }
    let reading = Limited::new(request.into_body(), FORM_BYTES_MAX).collect();
    match tokio::time::timeout(FORM_TIME_MAX, reading).await {
        Ok(Ok(body)) => Form::parse(&body.to_bytes()).map_err(FormRefusal::Unreadable),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(FormRefusal::TooLarge),
        Ok(Err(_)) | Err(_) => Err(FormRefusal::Slow),
    }
}

/// What a browser asks for, with what is needed to ask for it again in the page's form.
#[derive(Debug)]
pub(super) struct Authorization {
    pub(super) request: AuthorizationRequest,
}

impl Authorization {
    /// `inside`: what a resource is called here.
    pub(super) fn of(form: &Form, inside: impl Fn(String) -> String) -> Result<Self, &'static str> {
        Ok(Self {
            request: AuthorizationRequest {
                response_type: form.one("response_type")?,
                client_id: form.one("client_id")?,
                redirect_uri: form.one("redirect_uri")?,
                scope: form.one("scope")?,
                state: form.one("state")?,
                code_challenge: form.one("code_challenge")?,
                code_challenge_method: form.one("code_challenge_method")?,
                response_mode: form.one("response_mode")?,
                request_object: form.one("request")?.is_some(),
                request_uri: form.one("request_uri")?.is_some(),
                resources: form.many("resource").into_iter().map(inside).collect(),
            },
        })
    }

    /// Its fields, by name, those that are absent left out. The same fields make the same request.
    pub(super) fn fields(&self) -> Vec<(&'static str, &str)> {
        let request = &self.request;
        [
            ("response_type", &request.response_type),
            ("client_id", &request.client_id),
            ("redirect_uri", &request.redirect_uri),
            ("scope", &request.scope),
            ("state", &request.state),
            ("code_challenge", &request.code_challenge),
            ("code_challenge_method", &request.code_challenge_method),
            ("response_mode", &request.response_mode),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.as_deref()?)))
        .chain(request.resources.iter().map(|resource| ("resource", resource.as_str())))
        .collect()
    }
}

/// The credential of a caller that is not an OAuth client: a token, a key, or the password of an account. A client's id
/// has no `@`, an account's name has one.
pub(super) fn caller(presented: &Credential) -> Option<Credential> {
    match presented {
        Credential::Bearer(_) => Some(presented.clone()),
        Credential::Basic { account, .. } if account.contains('@') => Some(presented.clone()),
        Credential::Basic { .. }
        | Credential::Absent
        | Credential::Unusable
        | Credential::BearerOf { .. }
        | Credential::Asserted(_)
        | Credential::Certificate(_)
        | Credential::Console
        | Credential::Authenticated(_) => None,
    }
}

/// A client and what it proves itself with, neither checked.
pub(super) struct Presented {
    pub(super) id: String,
    pub(super) secret: Option<String>,
}

/// Who the client says it is (RFC 6749 §2.3.1): in the header or in the form, not in both.
pub(super) fn client(form: &Form, presented: Credential) -> Result<Presented, OAuthError> {
    let field = |name| form.one(name).map_err(OAuthError::InvalidRequest);
    let (id, secret) = (field("client_id")?, field("client_secret")?);
    match presented {
        Credential::Absent => {
            let id = id.ok_or(OAuthError::InvalidRequest("client authentication is missing"))?;
            Ok(Presented { id, secret })
        }
        Credential::Basic { account, password } => {
            let name = form_decoded(&account);
            if secret.is_some() || id.is_some_and(|id| id != name) {
                return Err(OAuthError::InvalidRequest("the client authenticates with two different methods"));
            }
            // An empty secret is none (RFC 6749 §2.3.1), as an empty field of a form is.
            Ok(Presented { id: name, secret: Some(form_decoded(&password)).filter(|secret| !secret.is_empty()) })
        }
        Credential::Bearer(_)
        | Credential::Unusable
        | Credential::BearerOf { .. }
        | Credential::Asserted(_)
        | Credential::Certificate(_)
        | Credential::Console
        | Credential::Authenticated(_) => Err(OAuthError::InvalidClient),
    }
}

/// Id and secret of a client are encoded as in a form before they go into the header.
fn form_decoded(text: &str) -> String {
    form_urlencoded::parse(text.replace('=', "%3D").replace('&', "%26").as_bytes())
        .next()
        .map(|(name, _)| name.into_owned())
        .unwrap_or_default()
}

/// Where the request came from; nothing for local ones.
pub(super) fn address(request: &Request<Body>, arrival: &Arrival) -> Option<IpAddr> {
    match arrival.peer.as_deref() {
        // A chain of proxies without an address gives the unspecified address: not the proxy's, which rules may favour.
        Some(Peer::Network { address, door, .. }) => {
            let caller = door.trusted_proxies.caller(address.ip(), request.headers());
            Some(caller.unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED)))
        }
        Some(Peer::Owner) | None => None,
    }
}

/// The one cookie of that name. Two with one name count as none: one of them was probably planted.
pub(super) fn cookie(request: &Request<Body>, name: &str) -> Option<String> {
    let values = request.headers().get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut found = values
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(own, _)| *own == name)
        .map(|(_, value)| value.to_owned());
    match (found.next(), found.next()) {
        (Some(value), None) => Some(value),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_there_once_or_not() {
        let form = Form::parse(b"a=1&b=&c=x+y%26&d=1&d=2").unwrap();
        for (name, expected) in [
            ("a", Ok(Some("1"))),
            ("b", Ok(None)),
            ("c", Ok(Some("x y&"))),
            ("d", Err("duplicate field")),
            ("e", Ok(None)),
        ] {
            assert_eq!(form.one(name), expected.map(|value| value.map(str::to_owned)), "{name}");
        }
        assert_eq!(form.many("d"), ["1", "2"]);
        assert!(Form::parse("a=1&".repeat(65).as_bytes()).is_err());
        assert!(Form::parse(format!("a={}", "x".repeat(FIELD_BYTES_MAX + 1)).as_bytes()).is_err());
    }

    #[test]
    fn what_is_encoded_for_the_header_is_decoded() {
        for (text, expected) in [("shop", "shop"), ("a%3Ab", "a:b"), ("a+b", "a b"), ("a=b&c", "a=b&c"), ("", "")] {
            assert_eq!(form_decoded(text), expected);
        }
    }

    #[test]
    fn a_cookie_that_is_there_twice_is_not_there() {
        let with = |cookies: &[&str]| {
            let request = cookies.iter().fold(Request::get("/"), |request, value| request.header("cookie", *value));
            cookie(&request.body(Body::empty()).unwrap(), "key")
        };
        assert_eq!(with(&["a=1; key=x; b=2"]).as_deref(), Some("x"));
        assert_eq!(with(&["key=x; key=y"]), None);
        assert_eq!(with(&["key=x", "key=x"]), None);
        assert_eq!(with(&["keys=x"]), None);
    }
}
