//! The `Authorization` header, read in one way by every wire over HTTP.

use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderValue};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use muster_core::authn::Credential;

/// The challenge of Basic authentication (RFC 7617 §2).
pub(crate) const BASIC_CHALLENGE: &str = "Basic realm=\"muster\", charset=\"UTF-8\"";

/// What the `Authorization` header has (RFC 9110 §11.6.2, RFC 7617, RFC 6750 §2.1). Anything presented and not
/// understood is unusable, never absent; so is what is presented twice.
pub(crate) fn credential(headers: &HeaderMap) -> Credential {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = match (values.next(), values.next()) {
        (None, _) => return Credential::Absent,
        (Some(value), None) => value,
        (Some(_), Some(_)) => return Credential::Unusable,
    };
    let usable = || {
        let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
        if scheme.eq_ignore_ascii_case("bearer") {
            return Some(Credential::Bearer(token.trim().to_owned()));
        }
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let text = String::from_utf8(STANDARD.decode(token.trim()).ok()?).ok()?;
        let (account, password) = text.split_once(':')?;
        Some(Credential::Basic { account: account.to_owned(), password: password.to_owned() })
    };
    usable().unwrap_or(Credential::Unusable)
}

/// Whether the request brings a token or key (RFC 6750 §2.1), right or wrong.
pub(crate) fn presents_bearer(headers: &HeaderMap) -> bool {
    let value = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
    value.and_then(|value| value.get(..7)).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"bearer "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_presented_credential_is_never_absent() {
        let header = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(AUTHORIZATION, value.parse().unwrap());
            }
            format!("{:?}", credential(&headers))
        };
        assert_eq!(header(&[]), "Absent");
        assert_eq!(header(&["Basic YTpi"]), "Basic");
        assert_eq!(header(&["bAsIc YTpi"]), "Basic");
        assert_eq!(header(&["bEaReR x"]), "Bearer");
        for bad in ["", "Basic", "Basic ", "Basic !!", "Basic YQ==", "Basic /zph", "Bearer", "Digest a=b"] {
            assert_eq!(header(&[bad]), "Unusable", "{bad:?}");
        }
        assert_eq!(header(&["Basic YTpi", "Basic YTpi"]), "Unusable");
    }
}
