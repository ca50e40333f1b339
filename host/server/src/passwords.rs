//! Password hashes by argon2id, on threads of their own and only a few at a time: hashing is slow on purpose, and must
//! not let a flood of logins take the processors from everybody else.

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use muster_core::BoxFuture;
use muster_core::authn::Passwords;
use muster_core::error::CallError;
use tokio::sync::Semaphore;

/// Hashes computed at a time.
const HASHES_MAX: usize = 2;

#[derive(Debug)]
pub(crate) struct Argon2Passwords {
    places: Arc<Semaphore>,
    /// The hash of a random password: checking against it takes as long as against any other.
    decoy: String,
}

impl Argon2Passwords {
    pub(crate) fn new() -> Result<Self, String> {
        let mut password = [0_u8; 32];
        getrandom::fill(&mut password).map_err(|error| error.to_string())?;
        Ok(Self { places: Arc::new(Semaphore::new(HASHES_MAX)), decoy: hash(&password)? })
    }

    async fn compute<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, CallError> {
        let _place = self.places.acquire().await.map_err(CallError::internal_from)?;
        tokio::task::spawn_blocking(work).await.map_err(CallError::internal_from)
    }
}

fn hash(password: &[u8]) -> Result<String, String> {
    // The crate's default is argon2id with OWASP's parameters and a random salt.
    Argon2::default().hash_password(password).map(|hash| hash.to_string()).map_err(|error| error.to_string())
}

impl Passwords for Argon2Passwords {
    fn hash(&self, password: String) -> BoxFuture<'_, Result<String, CallError>> {
        Box::pin(
            async move { self.compute(move || hash(password.as_bytes())).await?.map_err(CallError::internal_from) },
        )
    }

    fn verify(&self, password: String, hash: Option<String>) -> BoxFuture<'_, Result<bool, CallError>> {
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| self.decoy.clone());
        Box::pin(async move {
            let right = self
                .compute(move || {
                    let parsed = PasswordHash::new(&hash).map_err(|error| error.to_string())?;
                    Ok::<_, String>(Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok())
                })
                .await?
                .map_err(CallError::internal_from)?;
            Ok(right && known)
        })
    }
}
