//! Documents that were made already. Many callers have the same rights, and see the same document.

use std::sync::{Arc, Mutex, PoisonError};

use axum::http::HeaderValue;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use muster_core::dispatch::Listed;
use muster_core::oauth::Settings;
use muster_core::registry::Snapshot;
use sha2::{Digest, Sha256};

use super::document::document;

/// Most documents that are kept.
const DOCUMENTS_MAX: usize = 16;
/// Longest text, in bytes, that is kept; a longer one is made each time.
const DOCUMENT_BYTES_MAX: usize = 4 << 20;

/// A text and what tells it from others.
#[derive(Clone, Debug)]
pub(super) struct Text {
    pub(super) bytes: Bytes,
    /// A digest of the text, so that it stays the same over restarts.
    pub(super) etag: HeaderValue,
}

impl Text {
    pub(super) fn new(text: impl Into<Bytes>) -> Self {
        let bytes = text.into();
        let digest = URL_SAFE_NO_PAD.encode(Sha256::digest(&bytes));
        let etag = HeaderValue::from_str(&format!("\"{digest}\""));
        Self { bytes, etag: etag.unwrap_or(HeaderValue::from_static("\"\"")) }
    }
}

/// What a document was made of, and the document.
#[derive(Debug)]
struct Entry {
    listed: Vec<Listed>,
    /// The settings are exchanged whole when the configuration is read again.
    settings: Arc<Settings>,
    text: Text,
}

impl Entry {
    fn is_of(&self, listed: &[Listed], settings: &Arc<Settings>) -> bool {
        Arc::ptr_eq(&self.settings, settings)
            && self.listed.len() == listed.len()
            && self.listed.iter().zip(listed).all(|(one, other)| one.is_same(other))
    }
}

/// Documents, the one that was asked for last first.
#[derive(Debug, Default)]
pub(super) struct Cache(Mutex<Vec<Entry>>);

impl Cache {
    /// The document about these commands. `snapshot` is asked for what scopes mean, where the document must be made.
    pub(super) fn get(
        &self,
        listed: Vec<Listed>,
        settings: &Arc<Settings>,
        snapshot: impl FnOnce() -> Arc<Snapshot>,
    ) -> Text {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = entries.iter().position(|entry| entry.is_of(&listed, settings)) {
            if let Some(newest) = entries.get_mut(..=at) {
                newest.rotate_right(1);
            }
            return entries.first().map_or_else(|| Text::new(Bytes::new()), |entry| entry.text.clone());
        }
        drop(entries);
        let text = Text::new(document(&listed, settings, &snapshot()).to_string());
        if text.bytes.len() <= DOCUMENT_BYTES_MAX {
            let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            entries.truncate(DOCUMENTS_MAX - 1);
            entries.insert(0, Entry { listed, settings: Arc::clone(settings), text: text.clone() });
        }
        text
    }
}
