//! Randomness, as the outside world gives it, so that tests own it.

use std::fmt::Debug;

use crate::error::CallError;

/// Returns unpredictable random bytes.
pub trait Random: Debug + Send + Sync {
    /// Fills the bytes.
    ///
    /// # Errors
    /// [`CallError::Internal`] when there is no randomness to be had; nothing may be made of the bytes then.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), CallError>;
}
