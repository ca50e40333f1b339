//! From a token's text to what it says, or the reason it says nothing (RFC 7519 §7.2, RFC 7515 §5.2).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use muster_core::authn::{External, Rejection};
use muster_core::name::AccountId;
use muster_core::oauth::is_scope;
use muster_core::schema::parse_json;
use serde_json::{Map, Value};

use crate::keys::KeySet;
use crate::signature::base64;
use crate::{Algorithm, IssuerSettings};

/// Most arrays and objects in one another in a token.
const DEPTH_MAX: usize = 32;
/// Most scopes of a token that are looked at; a token that may be presented at all has hardly room for more.
const SCOPES_MAX: usize = 4096;

/// A token that was taken apart, of which nothing is verified.
pub(crate) struct Token<'a> {
    header: Map<String, Value>,
    claims: Map<String, Value>,
    /// What is signed.
    message: &'a str,
    signature: Vec<u8>,
}

impl<'a> Token<'a> {
    /// Takes the text apart: three parts in base64url, the first two of them JSON objects with no member twice.
    pub(crate) fn read(text: &'a str) -> Result<Self, Rejection> {
        let (message, signature) = text.rsplit_once('.').ok_or(Rejection::Unusable)?;
        let (header, claims) = message.split_once('.').ok_or(Rejection::Unusable)?;
        let object = |part: &str| match parse_json(&base64(part)?, DEPTH_MAX) {
            Ok(Value::Object(object)) => Some(object),
            Ok(_) | Err(_) => None,
        };
        Ok(Self {
            header: object(header).ok_or(Rejection::Unusable)?,
            claims: object(claims).ok_or(Rejection::Unusable)?,
            message,
            signature: base64(signature).ok_or(Rejection::Unusable)?,
        })
    }

    /// The issuer it names. Believed only as far as to choose whose keys it is held against.
    pub(crate) fn issuer(&self) -> Option<&str> {
        self.claims.get("iss")?.as_str()
    }
}

/// What the token says, if this issuer made it, for one of its audiences, and it is valid at `now`, the time since 1970.
pub(crate) async fn verify(
    token: &Token<'_>,
    settings: &IssuerSettings,
    keys: &Arc<KeySet>,
    now: Duration,
) -> Result<External, Rejection> {
    // Extensions a token declares critical are not understood here (RFC 7515 §4.1.11).
    let algorithm = token.header.get("alg").and_then(Value::as_str).and_then(Algorithm::parse);
    let algorithm = algorithm
        .filter(|algorithm| settings.algorithms.contains(algorithm) && !token.header.contains_key("crit"))
        .ok_or(Rejection::Algorithm)?;
    let id = match token.header.get("kid") {
        None => None,
        Some(id) => Some(id.as_str().ok_or(Rejection::Unusable)?),
    };
    let candidates = keys.candidates(id, algorithm).await?;
    if !candidates.iter().any(|key| key.public.verifies(algorithm, token.message.as_bytes(), &token.signature)) {
        // The issuer may have changed a key without giving it another name.
        keys.refetch();
        return Err(Rejection::BadSignature);
    }
    check_times(&token.claims, settings.clock_skew, now)?;
    let audiences = |text: &Value| text.as_str().is_some_and(|text| settings.audiences.iter().any(|own| own == text));
    match token.claims.get("aud") {
        Some(Value::Array(items)) if items.iter().any(audiences) => {}
        Some(one) if audiences(one) => {}
        _ => return Err(Rejection::WrongAudience),
    }
    meaning(&token.claims, settings)
}

/// `exp` is needed, `nbf` counts where it is there (RFC 7519 §§4.1.4, 4.1.5).
fn check_times(claims: &Map<String, Value>, skew: Duration, now: Duration) -> Result<(), Rejection> {
    let moment = |name| match claims.get(name) {
        None => Ok(None),
        Some(value) => match value.as_f64() {
            Some(seconds) if seconds >= 0.0 => Ok(Some(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))),
            _ => Err(Rejection::UnusableClaims),
        },
    };
    let (expires, begins) = (moment("exp")?.ok_or(Rejection::UnusableClaims)?, moment("nbf")?);
    if now >= expires.saturating_add(skew) {
        return Err(Rejection::Expired);
    }
    if begins.is_some_and(|begins| begins > now.saturating_add(skew)) {
        return Err(Rejection::NotYetValid);
    }
    Ok(())
}

/// What claims mean here.
fn meaning(claims: &Map<String, Value>, settings: &IssuerSettings) -> Result<External, Rejection> {
    let name = claims.get(&settings.account_claim).and_then(Value::as_str).ok_or(Rejection::UnusableClaims)?;
    let account = match &settings.account_host {
        Some(host) => AccountId::new(name, host),
        None => AccountId::parse(name),
    };
    let account = account.map_err(|_| Rejection::UnknownAccount)?;
    let scopes = scopes(claims.get(&settings.scope_claim))?;
    Ok(External { account, scopes, elsewhere: settings.elsewhere })
}

/// A text is a list of scopes with blanks between them (RFC 6749 §3.3); an item of a list is one scope. What can be none,
/// such as the name of a group with a blank in it, is left out: it says nothing here, and takes nothing from the others.
fn scopes(claim: Option<&Value>) -> Result<Vec<String>, Rejection> {
    let said: Vec<&str> = match claim {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::String(text)) => text.split(' ').collect(),
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect(),
        Some(Value::Bool(_) | Value::Number(_) | Value::Object(_)) => return Err(Rejection::UnusableClaims),
    };
    let mut seen = BTreeSet::new();
    let usable = said.into_iter().filter(|scope| is_scope(scope) && seen.insert(*scope));
    Ok(usable.take(SCOPES_MAX).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_item_of_a_list_is_one_scope() {
        let long = "x".repeat(200);
        for (claim, expected) in [
            (json!("status muster:user  status"), Some(vec!["status", "muster:user"])),
            (json!(""), Some(vec![])),
            (json!(null), Some(vec![])),
            (json!([]), Some(vec![])),
            (json!(["status"]), Some(vec!["status"])),
            (json!(["Team muster:admin"]), Some(vec![])),
            (json!(["Team\tmuster:admin", " muster:admin", "muster:admin ", "", "status"]), Some(vec!["status"])),
            (json!(["Team muster:admin", "status", "Größe", "a\"b", "a\\b", long]), Some(vec!["status"])),
            (json!([7, null, ["muster:admin"], {"muster:admin": 1}, "status"]), Some(vec!["status"])),
            (json!("Größe status a\"b\tmuster:admin"), Some(vec!["status"])),
            (json!(7), None),
            (json!({"muster:admin": true}), None),
            (json!(true), None),
        ] {
            let read = scopes(Some(&claim));
            let expected = expected.map(|scopes| scopes.into_iter().map(str::to_owned).collect::<Vec<_>>());
            assert_eq!(read.ok(), expected, "{claim}");
        }
        let mut many: Vec<String> = (0..500).map(|number| format!("group-{number}")).collect();
        many.push("status".to_owned());
        assert!(scopes(Some(&json!(many))).unwrap().contains(&"status".to_owned()));
    }

    #[test]
    fn times_are_held_against_the_clock_with_its_skew() {
        let (now, skew) = (Duration::from_secs(1_000_000), Duration::from_secs(5));
        for (claims, expected) in [
            (json!({"exp": 1_000_001}), Ok(())),
            (json!({"exp": 999_996}), Ok(())),
            (json!({"exp": 999_995}), Err(Rejection::Expired)),
            (json!({"exp": 999_995.5}), Ok(())),
            (json!({"exp": 1e300}), Ok(())),
            (json!({"exp": -1}), Err(Rejection::UnusableClaims)),
            (json!({"exp": "1000001"}), Err(Rejection::UnusableClaims)),
            (json!({"exp": null}), Err(Rejection::UnusableClaims)),
            (json!({}), Err(Rejection::UnusableClaims)),
            (json!({"exp": 1_000_001, "nbf": 1_000_005}), Ok(())),
            (json!({"exp": 1_000_001, "nbf": 1_000_006}), Err(Rejection::NotYetValid)),
            (json!({"exp": 1_000_001, "nbf": "x"}), Err(Rejection::UnusableClaims)),
        ] {
            assert_eq!(check_times(claims.as_object().unwrap(), skew, now), expected, "{claims}");
        }
    }

    #[test]
    fn only_three_parts_of_which_two_are_objects_are_a_token() {
        for text in
            ["", "..", "e30.e30", "W10.e30.", "e30.W10.", "e30.e30.!", "eyJhIjoxLCJhIjoyfQ.e30.", "e30.e30.e30.e30"]
        {
            assert!(matches!(Token::read(text), Err(Rejection::Unusable)), "{text}");
        }
        assert!(Token::read("e30.e30.AA").is_ok());
        let deep = URL_SAFE.encode(format!("{{\"a\":{}{}}}", "[".repeat(5_000), "]".repeat(5_000)));
        assert!(Token::read(&format!("e30.{deep}.AA")).is_err());
    }

    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD as URL_SAFE;
}
