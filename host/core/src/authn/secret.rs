//! Secret texts of tokens, keys, codes and clients: made at random, handed out once, kept as hashes.
//!
//! A secret of 256 random bits cannot be guessed, so one round of SHA-256 is right for it, and cheap enough for every
//! call. What people choose goes through [`super::Passwords`] instead.
//!
//! A text is `PREFIX ID SECRET`: the prefix tells its kind (and lets a scanner find leaked ones), the id finds its
//! record and is no secret, the hash in the record is of the whole text.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::error::CallError;
use crate::random::Random;

/// Characters of an id: 96 bits in hexadecimal.
pub(crate) const ID_CHARS: usize = 24;
/// Characters of a secret: 256 bits in base64url.
pub(crate) const SECRET_CHARS: usize = 43;

/// A fresh id.
pub(crate) fn new_id(random: &dyn Random) -> Result<String, CallError> {
    let mut bytes = [0_u8; ID_CHARS / 2];
    random.fill(&mut bytes)?;
    Ok(bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect())
}

/// A fresh secret.
pub(crate) fn new_secret(random: &dyn Random) -> Result<String, CallError> {
    let mut bytes = [0_u8; 32];
    random.fill(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// What is kept of a secret text.
pub(crate) fn hash(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(text.as_bytes()))
}

/// Whether the hash is of the text; takes the same time wherever they differ.
pub(crate) fn is_hash_of(hash: &str, text: &str) -> bool {
    hash.as_bytes().ct_eq(self::hash(text).as_bytes()).into()
}

/// The id in a text of this form: prefix, id, then `rest_chars` more of base64url.
pub(crate) fn id_in<'a>(text: &'a str, prefix: &str, rest_chars: usize) -> Option<&'a str> {
    let rest = text.strip_prefix(prefix)?;
    let fits = rest.len() == ID_CHARS + rest_chars
        && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    let id = rest.get(..ID_CHARS).filter(|_| fits)?;
    is_id(id).then_some(id)
}

/// Whether the text can be an id.
pub(crate) fn is_id(text: &str) -> bool {
    text.len() == ID_CHARS && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}
