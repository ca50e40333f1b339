//! The keys an issuer publishes: fetched in the background, kept, and looked for again when they are old or a token
//! names one that is not there, since issuers change their keys (RFC 7517, OpenID-Connect §10.1.1). Tokens with made-up
//! keys cause at most one fetch per [`KeySet::refetch_after`]. A failed fetch leaves the keys as they were.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use muster_core::authn::Rejection;
use serde_json::Value;
use tokio::sync::watch;

use crate::signature::PublicKey;
use crate::{Algorithm, KeySource};

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
    id: Option<String>,
    /// The one algorithm it is for, where it says so.
    algorithm: Option<Algorithm>,
    pub(crate) public: PublicKey,
}

#[derive(Debug)]
pub(crate) struct KeySet {
    source: KeySource,
    refetch_after: Duration,
    keys: ArcSwap<Vec<Arc<Key>>>,
    looking: Mutex<Looking>,
    /// Counts looks that ended, for those who wait.
    looks: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Looking {
    /// When the last look began.
    began: Option<Instant>,
    /// Whether it still goes on.
    goes_on: bool,
    /// Whether there is to be another one behind it.
    again: bool,
    /// Whether the last one that ended failed.
    failed: bool,
}

impl KeySet {
    pub(crate) fn new(source: KeySource, refetch_after: Duration) -> Self {
        Self { source, refetch_after, keys: ArcSwap::default(), looking: Mutex::default(), looks: watch::channel(0).0 }
    }

    /// The keys a signature by this algorithm can be of: first whatever the key says of itself must fit, then its id is
    /// what the token named (RFC 7517 §4.5). Where no key has that id, those without any; where the token names none,
    /// all. If there is none, keys are looked for, unless that was done a moment ago.
    pub(crate) async fn candidates(
        self: &Arc<Self>,
        id: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<Vec<Arc<Key>>, Rejection> {
        let found = self.known(id, algorithm);
        if !found.is_empty() {
            if self.is_old() {
                self.refetch();
            }
            return Ok(found);
        }
        let mut looks = self.looks.subscribe();
        self.refetch();
        if self.looking().goes_on {
            // Whether a look ends in time or not, what is there then counts.
            let _ = tokio::time::timeout(WAIT_TIME_MAX, looks.changed()).await;
        }
        let found = self.known(id, algorithm);
        let looking = self.looking();
        match found.is_empty() {
            false => Ok(found),
            true if looking.failed || looking.goes_on => Err(Rejection::KeysUnavailable),
            true => Err(Rejection::UnknownSigningKey),
        }
    }

    fn known(&self, id: Option<&str>, algorithm: Algorithm) -> Vec<Arc<Key>> {
        let keys = self.keys.load();
        let fits = |key: &&Arc<Key>| key.algorithm.is_none_or(|own| own == algorithm) && key.public.is_for(algorithm);
        let fitting = || keys.iter().filter(fits);
        let Some(id) = id else { return fitting().cloned().collect() };
        let named: Vec<_> = fitting().filter(|key| key.id.as_deref() == Some(id)).cloned().collect();
        if named.is_empty() { fitting().filter(|key| key.id.is_none()).cloned().collect() } else { named }
    }

    fn is_old(&self) -> bool {
        self.looking().began.is_none_or(|began| began.elapsed() >= OLD_AFTER)
    }

    fn looking(&self) -> MutexGuard<'_, Looking> {
        self.looking.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks for keys in the background, unless that goes on or was done a moment ago.
    pub(crate) fn refetch(self: &Arc<Self>) {
        {
            let mut looking = self.looking();
            let too_soon = looking.began.is_some_and(|began| began.elapsed() < self.refetch_after);
            if looking.goes_on || too_soon {
                return;
            }
            (looking.began, looking.goes_on) = (Some(Instant::now()), true);
        }
        self.look();
    }

    /// Looks for keys in the background, however short ago that was done: the operator asked for it.
    pub(crate) fn refetch_now(self: &Arc<Self>) {
        {
            let mut looking = self.looking();
            if looking.goes_on {
                looking.again = true;
                return;
            }
            (looking.began, looking.goes_on) = (Some(Instant::now()), true);
        }
        self.look();
    }

    fn look(self: &Arc<Self>) {
        let own = Arc::clone(self);
        // A thread of its own, since it waits: it ends by itself, in bounded time.
        tokio::task::spawn_blocking(move || {
            loop {
                let fetched = fetch(&own.source);
                let failed = fetched.is_err();
                match fetched {
                    Ok(keys) => own.keys.store(Arc::new(keys)),
                    Err(error) => tracing::warn!(source = ?own.source, error, "cannot fetch the issuer's keys"),
                }
                let mut looking = own.looking();
                looking.failed = failed;
                if !std::mem::take(&mut looking.again) {
                    looking.goes_on = false;
                    break;
                }
                looking.began = Some(Instant::now());
            }
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

/// The certificate authorities of this machine; if it has none, those of browsers.
fn trusted() -> ureq::tls::RootCerts {
    let native = rustls_native_certs::load_native_certs().certs;
    if native.is_empty() {
        return ureq::tls::RootCerts::WebPki;
    }
    native.iter().map(|certificate| ureq::tls::Certificate::from_der(certificate).to_owned()).collect::<Vec<_>>().into()
}

/// Reads a key set. Keys of a kind that is not known here are left out, as the standard asks (RFC 7517 §5), and so are
/// shared secrets and keys that are not for verifying.
fn parse(text: &[u8]) -> Result<Vec<Arc<Key>>, String> {
    let set: Value = serde_json::from_slice(text).map_err(|error| format!("it is not a key set: {error}"))?;
    let keys = set.get("keys").and_then(Value::as_array).ok_or("it is not a key set: it has no list `keys`")?;
    if keys.len() > KEYS_MAX {
        return Err(format!("it has more than {KEYS_MAX} keys"));
    }
    Ok(keys.iter().filter_map(usable).map(Arc::new).collect())
}

/// The key, where it can be used to verify. `use`, `key_ops` and `alg` each may say that it cannot (RFC 7517 §§4.2–4.4).
fn usable(jwk: &Value) -> Option<Key> {
    let signs = jwk.get("use").is_none_or(|of| of == "sig");
    let verifies = jwk.get("key_ops").is_none_or(|operations| {
        operations.as_array().is_some_and(|operations| operations.iter().any(|operation| operation == "verify"))
    });
    let public = PublicKey::of_jwk(jwk).filter(|_| signs && verifies)?;
    let algorithm = match jwk.get("alg") {
        None => None,
        Some(name) => Some(Algorithm::parse(name.as_str()?).filter(|algorithm| public.is_for(*algorithm))?),
    };
    let id = match jwk.get("kid") {
        None => None,
        Some(id) => Some(id.as_str()?.to_owned()),
    };
    Some(Key { id, algorithm, public })
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
            (format!("{{{ec},\"alg\":\"ES384\"}}"), 0),
            (format!("{{{ec},\"alg\":\"none\"}}"), 0),
            (format!("{{{ec},\"kid\":7}}"), 0),
            (format!("{{{ec},\"key_ops\":[\"verify\"]}}"), 1),
            (format!("{{{ec},\"key_ops\":[\"sign\",\"verify\"],\"use\":\"sig\"}}"), 1),
            (format!("{{{ec},\"key_ops\":[\"encrypt\"]}}"), 0),
            (format!("{{{ec},\"key_ops\":[\"deriveKey\"],\"use\":\"sig\"}}"), 0),
            (format!("{{{ec},\"key_ops\":[]}}"), 0),
            (format!("{{{ec},\"key_ops\":\"verify\"}}"), 0),
            (
                r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","alg":"Ed25519"}"#
                    .to_owned(),
                1,
            ),
            (
                r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","alg":"EdDSA"}"#
                    .to_owned(),
                1,
            ),
            (r#"{"kty":"OKP","crv":"X25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#.to_owned(), 0),
            (r#"{"kty":"OKP","crv":"Ed25519","x":"11qY"}"#.to_owned(), 0),
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

    /// What a key says of itself comes before its id, and its id before nothing at all.
    #[test]
    fn keys_are_chosen_by_what_they_are_for_and_then_by_id() {
        let p256 = r#""kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0""#;
        let ed = r#""kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo""#;
        let rsa = r#""kty":"RSA","n":"sXch","e":"AQAB""#;
        let set = format!(
            r#"{{"keys":[{{{rsa},"kid":"a","alg":"RS256"}},{{{rsa},"kid":"a","alg":"PS256"}},{{{p256},"kid":"a"}},{{{ed},"kid":"a","alg":"Ed25519"}},{{{ed}}},{{{p256},"kid":"b","alg":"ES256"}},{{{rsa},"kid":"c"}}]}}"#
        );
        let keys = KeySet::new(KeySource::Url(String::new()), Duration::ZERO);
        keys.keys.store(Arc::new(parse(set.as_bytes()).unwrap()));
        let all = keys.keys.load_full();
        for (id, algorithm, expected) in [
            (Some("a"), Algorithm::RS256, &[0][..]),
            (Some("a"), Algorithm::PS256, &[1]),
            (Some("a"), Algorithm::RS512, &[]),
            (Some("a"), Algorithm::ES256, &[2]),
            (Some("a"), Algorithm::ES384, &[]),
            (Some("a"), Algorithm::EdDSA, &[3]),
            (Some("b"), Algorithm::EdDSA, &[4]),
            (Some("b"), Algorithm::ES256, &[5]),
            (Some("b"), Algorithm::RS256, &[]),
            (Some("c"), Algorithm::RS512, &[6]),
            (Some("z"), Algorithm::ES256, &[]),
            (None, Algorithm::ES256, &[2, 5]),
            (None, Algorithm::RS256, &[0, 6]),
            (None, Algorithm::EdDSA, &[3, 4]),
        ] {
            let chosen = keys.known(id, algorithm);
            let chosen: Vec<usize> =
                chosen.iter().filter_map(|key| all.iter().position(|own| Arc::ptr_eq(own, key))).collect();
            assert_eq!(chosen, expected, "{id:?} {algorithm:?}");
        }
    }
}
