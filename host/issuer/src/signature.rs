//! Public keys and what they verify (RFC 7518 §§3, 6; RFC 8037), by `ring`: the same library that does TLS here.
//!
//! There are no shared secrets here and no `none`, so neither can be mistaken for a public key (RFC 8725 §§3.1, 3.2).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512,
    RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
};
use serde_json::Value;

use crate::Algorithm;

/// The public half of a key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum PublicKey {
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
    /// A point on P-256, uncompressed.
    P256(Vec<u8>),
    /// A point on P-384, uncompressed.
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

impl PublicKey {
    /// The key a JWK describes by `kty`, `crv` and its numbers; nothing where it is of a kind that is not known here.
    pub(crate) fn of_jwk(jwk: &Value) -> Option<Self> {
        let text = |name| jwk.get(name)?.as_str();
        let bytes = |name| base64(text(name)?);
        match (text("kty")?, text("crv")) {
            ("RSA", _) => Some(Self::Rsa { modulus: number(bytes("n")?), exponent: number(bytes("e")?) }),
            ("EC", Some("P-256")) => point(&bytes("x")?, &bytes("y")?, 32).map(Self::P256),
            ("EC", Some("P-384")) => point(&bytes("x")?, &bytes("y")?, 48).map(Self::P384),
            ("OKP", Some("Ed25519")) => bytes("x").filter(|key| key.len() == 32).map(Self::Ed25519),
            _ => None,
        }
    }

    /// Whether a key of this kind can sign in this way.
    pub(crate) fn is_for(&self, algorithm: Algorithm) -> bool {
        match (Way::of(algorithm), self) {
            (Way::Rsa(_), Self::Rsa { .. }) | (Way::Ed, Self::Ed25519(_)) => true,
            (Way::Ec(_), Self::P256(_)) => algorithm == Algorithm::ES256,
            (Way::Ec(_), Self::P384(_)) => algorithm == Algorithm::ES384,
            _ => false,
        }
    }

    /// Whether the signature of the message is by this key.
    pub(crate) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        if !self.is_for(algorithm) {
            return false;
        }
        let verified = match (Way::of(algorithm), self) {
            (Way::Rsa(parameters), Self::Rsa { modulus: n, exponent: e }) => {
                RsaPublicKeyComponents { n, e }.verify(parameters, message, signature)
            }
            (Way::Ec(way), Self::P256(key) | Self::P384(key)) => {
                UnparsedPublicKey::new(way, key).verify(message, signature)
            }
            (Way::Ed, Self::Ed25519(key)) => UnparsedPublicKey::new(&ED25519, key).verify(message, signature),
            _ => return false,
        };
        verified.is_ok()
    }
}

/// How an algorithm is done.
#[derive(Clone, Copy)]
enum Way {
    Rsa(&'static RsaParameters),
    Ec(&'static dyn VerificationAlgorithm),
    Ed,
}

impl Way {
    fn of(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::RS256 => Self::Rsa(&RSA_PKCS1_2048_8192_SHA256),
            Algorithm::RS384 => Self::Rsa(&RSA_PKCS1_2048_8192_SHA384),
            Algorithm::RS512 => Self::Rsa(&RSA_PKCS1_2048_8192_SHA512),
            Algorithm::PS256 => Self::Rsa(&RSA_PSS_2048_8192_SHA256),
            Algorithm::PS384 => Self::Rsa(&RSA_PSS_2048_8192_SHA384),
            Algorithm::PS512 => Self::Rsa(&RSA_PSS_2048_8192_SHA512),
            Algorithm::ES256 => Self::Ec(&ECDSA_P256_SHA256_FIXED),
            Algorithm::ES384 => Self::Ec(&ECDSA_P384_SHA384_FIXED),
            Algorithm::EdDSA => Self::Ed,
        }
    }
}

/// The bytes a text stands for in base64url without padding (RFC 7515 §2).
pub(crate) fn base64(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// A whole number without zeros before it, which some write (RFC 7518 §6.3.1.1) and `ring` refuses.
fn number(mut bytes: Vec<u8>) -> Vec<u8> {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.drain(..zeros);
    bytes
}

/// An uncompressed point of two coordinates, each as long as the curve wants it.
fn point(x: &[u8], y: &[u8], bytes: usize) -> Option<Vec<u8>> {
    (x.len() == bytes && y.len() == bytes).then(|| [&[4], x, y].concat())
}
