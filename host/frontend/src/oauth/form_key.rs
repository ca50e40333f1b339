//! The key of a page's form: proof that the form that comes back is one this server made, for this browser and for this
//! very request.
//!
//! The page has the key in a hidden field, the browser has a cookie that only same-site requests carry; one is an HMAC
//! that covers the other and every field of the request. Nothing is kept here. A page outlives neither ten minutes nor
//! the process.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use muster_core::error::CallError;
use muster_core::random::Random;
use sha2::Sha256;

/// How long a page can be answered.
pub(super) const PAGE_TIME_MAX: Duration = Duration::from_mins(10);

pub(super) struct FormKey {
    keyed: Hmac<Sha256>,
    random: Arc<dyn Random>,
    /// What moments are counted from.
    started: Instant,
}

impl std::fmt::Debug for FormKey {
    // By hand: the key must not reach a log.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("FormKey")
    }
}

impl FormKey {
    pub(super) fn new(random: Arc<dyn Random>) -> Result<Self, CallError> {
        let mut key = [0_u8; 64];
        random.fill(&mut key)?;
        Ok(Self { keyed: <Hmac<Sha256> as KeyInit>::new(&key.into()), random, started: Instant::now() })
    }

    /// A cookie and the key that goes with it and these fields.
    pub(super) fn make(&self, fields: &[(&str, &str)]) -> Result<(String, String), CallError> {
        let mut bytes = [0_u8; 32];
        self.random.fill(&mut bytes)?;
        let cookie = URL_SAFE_NO_PAD.encode(bytes);
        let until = (self.started.elapsed() + PAGE_TIME_MAX).as_secs();
        let mac = self.mac(until, &cookie, fields).finalize().into_bytes();
        let mut key = URL_SAFE_NO_PAD.encode(mac);
        // Writing to a string does not fail.
        let _ = write!(key, ".{until}");
        Ok((cookie, key))
    }

    /// Whether the key was made with this cookie and these fields, not long ago.
    pub(super) fn fits(&self, cookie: &str, key: &str, fields: &[(&str, &str)]) -> bool {
        let parts = key
            .split_once('.')
            .and_then(|(mac, until)| Some((URL_SAFE_NO_PAD.decode(mac).ok()?, until.parse::<u64>().ok()?)));
        let Some((mac, until)) = parts else { return false };
        until >= self.started.elapsed().as_secs() && self.mac(until, cookie, fields).verify_slice(&mac).is_ok()
    }

    fn mac(&self, until: u64, cookie: &str, fields: &[(&str, &str)]) -> Hmac<Sha256> {
        let mut mac = self.keyed.clone();
        mac.update(&until.to_le_bytes());
        // Lengths keep `ab` + `c` apart from `a` + `bc`.
        for text in std::iter::once(cookie).chain(fields.iter().flat_map(|(name, value)| [*name, *value])) {
            mac.update(&(text.len() as u64).to_le_bytes());
            mac.update(text.as_bytes());
        }
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Counting(std::sync::atomic::AtomicU8);

    impl Random for Counting {
        fn fill(&self, bytes: &mut [u8]) -> Result<(), CallError> {
            bytes.fill(self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
            Ok(())
        }
    }

    #[test]
    fn a_key_fits_its_cookie_and_fields_alone() {
        let form_key = FormKey::new(Arc::new(Counting(1.into()))).unwrap();
        let fields = [("client_id", "shop"), ("scope", "status")];
        let (cookie, key) = form_key.make(&fields).unwrap();
        let (other_cookie, other_key) = form_key.make(&fields).unwrap();
        assert!(form_key.fits(&cookie, &key, &fields));
        assert!(!form_key.fits(&other_cookie, &key, &fields));
        assert!(!form_key.fits(&cookie, &other_key, &fields));
        assert!(!form_key.fits(&cookie, &key, &[("client_id", "shop"), ("scope", "statu"), ("s", "")]));
        assert!(!form_key.fits(&cookie, &key, &fields[..1]));
        let (mac, until) = key.split_once('.').unwrap();
        assert!(!form_key.fits(&cookie, &format!("{mac}.{}", until.parse::<u64>().unwrap() + 1), &fields));
        for garbage in ["", ".", "x", "x.1", &format!("{mac}.x")] {
            assert!(!form_key.fits(&cookie, garbage, &fields), "{garbage}");
        }
    }
}
