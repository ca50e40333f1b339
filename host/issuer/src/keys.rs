//! The keys an issuer publishes: fetched in the background, kept, and looked for again when they are old or a token
//! names one that is not there, since issuers change their keys (RFC 7517, OpenID-Connect §10.1.1).
//!
//! Whoever sends tokens with made-up keys causes at most one look per [`KeySet::refetch_after`]. A look that fails leaves
//! the keys as they were.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::Value;
use tokio::sync::watch;

use crate::KeySource;

/// Longest key set, in bytes.
const KEY_SET_BYTES_MAX: u64 = 256 << 10;
/// Most keys of a set.
const KEYS_MAX: usize = 64;
/// Longest time fetching may take.
const FETCH_TIME_MAX: Duration = Duration::from_secs(5);
/// Longest time a call waits for keys that are being fetched.
const WAIT_TIME_MAX: Duration = Duration::from_secs(3);
/// When keys are looked for again without a reason.
const OLD_AFTER: Duration = Duration::from_mins(15);

/// One published key.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) id: Option<String>,
    /// The one algorithm it is for, where it says so.
    pub(crate) algorithm: Option<Algorithm>,
    pub(crate) decoding: DecodingKey,
}

#[derive(Debug)]
pub(crate) struct KeySet {
    source: KeySource,
    refetch_after: Duration,
    keys: ArcSwap<Vec<Arc<Key>>>,
    /// When the last look began, and whether it still goes on.
    looking: Mutex<(Option<Instant>, bool)>,
    /// Counts looks that ended, for those who wait.
    looks: watch::Sender<u64>,
}

impl KeySet {
    pub(crate) fn new(source: KeySource, refetch_after: Duration) -> Self {
        Self { source, refetch_after, keys: ArcSwap::default(), looking: Mutex::default(), looks: watch::channel(0).0 }
    }

    /// The key of that id; without one, the only key there is. One that is not here is looked for, if that was not done
    /// a moment ago.
    pub(crate) async fn find(self: &Arc<Self>, id: Option<&str>) -> Option<Arc<Key>> {
        let found = self.known(id);
        if found.is_some() {
            if self.is_old() {
                self.refetch();
            }
            return found;
        }
        let mut looks = self.looks.subscribe();
        self.refetch();
        if self.is_looking() {
            // Whether a look ends in time or not, what is there then counts.
            let _ = tokio::time::timeout(WAIT_TIME_MAX, looks.changed()).await;
        }
        self.known(id)
    }

    fn known(&self, id: Option<&str>) -> Option<Arc<Key>> {
        let keys = self.keys.load();
        match (id, keys.as_slice()) {
            (Some(id), keys) => keys.iter().find(|key| key.id.as_deref() == Some(id)).cloned(),
            (None, [only]) => Some(Arc::clone(only)),
            (None, _) => None,
        }
    }

    fn is_old(&self) -> bool {
        let (began, _) = *self.looking.lock().unwrap_or_else(PoisonError::into_inner);
        began.is_none_or(|began| began.elapsed() >= OLD_AFTER)
    }

    fn is_looking(&self) -> bool {
        self.looking.lock().unwrap_or_else(PoisonError::into_inner).1
    }

    /// Looks for keys in the background, unless somebody does or did a moment ago.
    pub(crate) fn refetch(self: &Arc<Self>) {
        {
            let mut looking = self.looking.lock().unwrap_or_else(PoisonError::into_inner);
            let too_soon = looking.0.is_some_and(|began| began.elapsed() < self.refetch_after);
            if looking.1 || too_soon {
                return;
            }
            *looking = (Some(Instant::now()), true);
        }
        let own = Arc::clone(self);
        // A thread of its own, since it waits: it ends by itself, in bounded time.
        tokio::task::spawn_blocking(move || {
            match fetch(&own.source) {
                Ok(keys) => own.keys.store(Arc::new(keys)),
                Err(error) => tracing::warn!(source = ?own.source, error, "an issuer's keys cannot be had"),
            }
            own.looking.lock().unwrap_or_else(PoisonError::into_inner).1 = false;
            own.looks.send_modify(|looks| *looks += 1);
        });
    }
}

fn fetch(source: &KeySource) -> Result<Vec<Arc<Key>>, String> {
    let text = match source {
        KeySource::File(path) => {
            use std::io::Read;
            let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
            let mut bytes = Vec::new();
            file.take(KEY_SET_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
            if bytes.len() as u64 > KEY_SET_BYTES_MAX {
                return Err(format!("it has more than {KEY_SET_BYTES_MAX} bytes"));
            }
            bytes
        }
        KeySource::Url(url) => {
            let agent = ureq::Agent::config_builder()
                .timeout_global(Some(FETCH_TIME_MAX))
                // An issuer says where its keys are; who sends us elsewhere is not that issuer.
                .max_redirects(0)
                .max_redirects_will_error(true)
                .https_only(url.starts_with("https:"))
                .proxy(None)
                .tls_config(ureq::tls::TlsConfig::builder().root_certs(trusted()).build())
                .build()
                .new_agent();
            let mut response = agent.get(url).call().map_err(|error| error.to_string())?;
            let body = response.body_mut().with_config().limit(KEY_SET_BYTES_MAX).read_to_vec();
            body.map_err(|error| error.to_string())?
        }
    };
    parse(&text)
}

/// Whom this machine trusts; where it trusts nobody, whom browsers do.
fn trusted() -> ureq::tls::RootCerts {
    let native = rustls_native_certs::load_native_certs().certs;
    if native.is_empty() {
        return ureq::tls::RootCerts::WebPki;
    }
    native.iter().map(|certificate| ureq::tls::Certificate::from_der(certificate).to_owned()).collect::<Vec<_>>().into()
}

/// Reads a key set. Keys of a kind that is not known here are left out, as the standard asks (RFC 7517 §5), and so are
/// shared secrets and keys for encryption.
fn parse(text: &[u8]) -> Result<Vec<Arc<Key>>, String> {
    let set: Value = serde_json::from_slice(text).map_err(|error| format!("it is no key set: {error}"))?;
    let keys = set.get("keys").and_then(Value::as_array).ok_or("it is no key set: it has no list `keys`")?;
    if keys.len() > KEYS_MAX {
        return Err(format!("it has more than {KEYS_MAX} keys"));
    }
    Ok(keys.iter().filter_map(|key| usable(serde_json::from_value(key.clone()).ok()?)).map(Arc::new).collect())
}

fn usable(jwk: Jwk) -> Option<Key> {
    let signs = matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature));
    let public = matches!(
        jwk.algorithm,
        AlgorithmParameters::RSA(_) | AlgorithmParameters::EllipticCurve(_) | AlgorithmParameters::OctetKeyPair(_)
    );
    if !signs || !public {
        return None;
    }
    let decoding = DecodingKey::from_jwk(&jwk).ok()?;
    let algorithm = jwk.common.key_algorithm.map(Algorithm::try_from).transpose().ok()?;
    Some(Key { id: jwk.common.key_id, algorithm, decoding })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_keys_for_signatures_are_taken() {
        let ec = r#""kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0""#;
        for (key, taken) in [
            (format!("{{{ec}}}"), 1),
            (format!("{{{ec},\"use\":\"sig\",\"alg\":\"ES256\",\"kid\":\"a\"}}"), 1),
            (format!("{{{ec},\"use\":\"enc\"}}"), 0),
            (format!("{{{ec},\"alg\":\"ECDH-ES\"}}"), 0),
            (r#"{"kty":"oct","k":"c2VjcmV0","alg":"HS256"}"#.to_owned(), 0),
            (r#"{"kty":"new","z":"1"}"#.to_owned(), 0),
            (r#"{"kty":"RSA"}"#.to_owned(), 0),
            ("1".to_owned(), 0),
        ] {
            assert_eq!(parse(format!("{{\"keys\":[{key}]}}").as_bytes()).unwrap().len(), taken, "{key}");
        }
        for no_set in ["", "[]", "{}", r#"{"keys":1}"#] {
            assert!(parse(no_set.as_bytes()).is_err(), "{no_set}");
        }
        let many = format!("{{\"keys\":[{}]}}", vec![format!("{{{ec}}}"); KEYS_MAX + 1].join(","));
        assert!(parse(many.as_bytes()).is_err());
    }
}
