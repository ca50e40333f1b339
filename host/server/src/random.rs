//! Randomness, from the operating system.

use muster_core::error::CallError;
use muster_core::random::Random;

#[derive(Debug)]
pub(crate) struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), CallError> {
        getrandom::fill(bytes).map_err(CallError::internal_from)
    }
}
