//! Tampering, crashes, rotation.
