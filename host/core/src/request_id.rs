//! Names of calls.

use std::sync::Arc;

/// Names one call in logs and answers: 1 to 64 visible ASCII characters.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RequestId {
    id: Arc<str>,
    /// What a caller calls it, whose word is not taken: another request may have it too.
    sent: Option<Arc<str>>,
}

impl RequestId {
    /// Takes an id from outside when it is 1 to 64 characters of `[A-Za-z0-9._:-]`.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=64).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte));
        fits.then(|| Self { id: Arc::from(text), sent: None })
    }

    /// Makes an id from 128 random bits, as 32 hexadecimal digits.
    pub fn from_random(bits: u128) -> Self {
        let mut digits = const_hex::Buffer::<16>::new();
        let id: &str = digits.format(&bits.to_be_bytes());
        Self { id: Arc::from(id), sent: None }
    }

    /// This id, with another one beside it that the caller sent.
    #[must_use]
    pub fn beside(self, sent: &Self) -> Self {
        Self { sent: Some(Arc::clone(&sent.id)), ..self }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.id
    }

    /// What the caller calls the request, where their word is not taken: of the same form as an id.
    pub fn sent(&self) -> Option<&str> {
        self.sent.as_deref()
    }
}
