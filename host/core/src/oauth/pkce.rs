//! Proof Key for Code Exchange (RFC 7636), method `S256` only: with `plain`, the request itself would contain the
//! proof.

use subtle::ConstantTimeEq;

use crate::authn::secret;

/// Whether the text can be a challenge: the base64url of a SHA-256.
pub(super) fn is_challenge(text: &str) -> bool {
    text.len() == secret::SECRET_CHARS && is_unreserved(text)
}

/// Whether the verifier is the one the challenge was made of.
pub(super) fn proves(verifier: &str, challenge: &str) -> bool {
    let fits = (43..=128).contains(&verifier.len()) && is_unreserved(verifier);
    fits && bool::from(secret::hash(verifier).as_bytes().ct_eq(challenge.as_bytes()))
}

fn is_unreserved(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_standard_holds() {
        let (verifier, challenge) =
            ("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
        assert!(is_challenge(challenge) && proves(verifier, challenge));
        for wrong in ["", challenge, "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXl", &"a".repeat(129)] {
            assert!(!proves(wrong, challenge), "{wrong}");
        }
        for wrong in ["", "short", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-c=", &"a".repeat(44)] {
            assert!(!is_challenge(wrong), "{wrong}");
        }
    }
}
