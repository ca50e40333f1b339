//! From a token's text to what it says, or nothing.

use std::sync::Arc;

use jsonwebtoken::{Validation, dangerous, decode, decode_header};
use muster_core::authn::External;
use muster_core::name::AccountId;
use muster_core::oauth::parse_scopes;
use serde_json::{Map, Value};

use crate::keys::KeySet;
use crate::{Algorithm, IssuerSettings};

type Claims = Map<String, Value>;

/// The issuer a token names. Believed only as far as to choose whose keys it is held against.
pub(crate) fn issuer_of(token: &str) -> Option<String> {
    let claims: Claims = dangerous::insecure_decode_claims(token).ok()?;
    claims.get("iss")?.as_str().map(str::to_owned)
}

/// What the token says, if this issuer made it, for one of its audiences, and it is valid now.
pub(crate) async fn verify(token: &str, settings: &IssuerSettings, keys: &Arc<KeySet>) -> Option<External> {
    let header = decode_header(token).ok()?;
    // Extensions a token declares critical are not understood here (RFC 7515 §4.1.11).
    if header.crit.is_some() || !settings.algorithms.iter().any(|own| theirs(*own) == header.alg) {
        return None;
    }
    let key = keys.find(header.kid.as_deref()).await?;
    if key.algorithm.is_some_and(|own| own != header.alg) {
        return None;
    }
    let mut validation = Validation::new(header.alg);
    validation.leeway = settings.clock_skew.as_secs();
    validation.validate_nbf = true;
    validation.set_issuer(&[&settings.issuer]);
    validation.set_audience(&settings.audiences);
    validation.set_required_spec_claims(&["exp", "iss", "aud"]);
    match decode::<Claims>(token, &key.decoding, &validation) {
        Ok(verified) => meaning(&verified.claims, settings),
        Err(error) => {
            tracing::debug!(issuer = settings.issuer, %error, "a token of this issuer is not valid");
            None
        }
    }
}

/// What claims mean here.
fn meaning(claims: &Claims, settings: &IssuerSettings) -> Option<External> {
    let name = claims.get(&settings.account_claim)?.as_str()?;
    let account = match &settings.account_host {
        Some(host) => AccountId::new(name, host),
        None => AccountId::parse(name),
    };
    let scopes = match claims.get(&settings.scope_claim) {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::String(text)) if text.trim().is_empty() => Vec::new(),
        Some(Value::String(text)) => parse_scopes(text).ok()?,
        Some(Value::Array(scopes)) if scopes.is_empty() => Vec::new(),
        Some(Value::Array(scopes)) => {
            let scopes: Option<Vec<&str>> = scopes.iter().map(Value::as_str).collect();
            parse_scopes(&scopes?.join(" ")).ok()?
        }
        Some(_) => return None,
    };
    Some(External { account: account.ok()?, scopes, elsewhere: settings.elsewhere })
}

fn theirs(own: Algorithm) -> jsonwebtoken::Algorithm {
    match own {
        Algorithm::RS256 => jsonwebtoken::Algorithm::RS256,
        Algorithm::RS384 => jsonwebtoken::Algorithm::RS384,
        Algorithm::RS512 => jsonwebtoken::Algorithm::RS512,
        Algorithm::PS256 => jsonwebtoken::Algorithm::PS256,
        Algorithm::PS384 => jsonwebtoken::Algorithm::PS384,
        Algorithm::PS512 => jsonwebtoken::Algorithm::PS512,
        Algorithm::ES256 => jsonwebtoken::Algorithm::ES256,
        Algorithm::ES384 => jsonwebtoken::Algorithm::ES384,
        Algorithm::EdDSA => jsonwebtoken::Algorithm::EdDSA,
    }
}
