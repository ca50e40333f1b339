//! Documents that were made already. Many callers have the same rights, and see the same document.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use axum::http::HeaderValue;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use muster_core::dispatch::Listed;
use muster_core::oauth::Settings;
use muster_core::registry::Registered;
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

/// A command a document is about, as it was then.
#[derive(Debug)]
struct Known {
    /// A weak reference, so that the code of a removed plugin is freed. As long as this is here, no other command has
    /// its place in memory.
    registered: Weak<Registered>,
    only_where: Vec<String>,
    needs_credential: bool,
}

impl Known {
    fn of(listed: Listed) -> Self {
        let Listed { registered, only_where, needs_credential } = listed;
        Self { registered: Arc::downgrade(&registered), only_where, needs_credential }
    }

    fn is(&self, listed: &Listed) -> bool {
        std::ptr::eq(self.registered.as_ptr(), Arc::as_ptr(&listed.registered))
            && self.only_where == listed.only_where
            && self.needs_credential == listed.needs_credential
    }
}

/// What a document was made of, and the document.
#[derive(Debug)]
struct Entry {
    known: Vec<Known>,
    /// The settings are exchanged whole when the configuration is read again.
    settings: Arc<Settings>,
    text: Text,
}

impl Entry {
    fn is_of(&self, listed: &[Listed], settings: &Arc<Settings>) -> bool {
        Arc::ptr_eq(&self.settings, settings)
            && self.known.len() == listed.len()
            && self.known.iter().zip(listed).all(|(known, one)| known.is(one))
    }
}

/// Documents, the one that was asked for last first.
#[derive(Debug, Default)]
pub(super) struct Cache(Mutex<Vec<Entry>>);

impl Cache {
    /// The document about these commands.
    pub(super) fn get(&self, listed: Vec<Listed>, settings: &Arc<Settings>) -> Text {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = entries.iter().position(|entry| entry.is_of(&listed, settings)) {
            if let Some(newest) = entries.get_mut(..=at) {
                newest.rotate_right(1);
            }
            return entries.first().map_or_else(|| Text::new(Bytes::new()), |entry| entry.text.clone());
        }
        drop(entries);
        let text = Text::new(document(&listed, settings).to_string());
        if text.bytes.len() <= DOCUMENT_BYTES_MAX {
            let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            entries.truncate(DOCUMENTS_MAX - 1);
            let known = listed.into_iter().map(Known::of).collect();
            entries.insert(0, Entry { known, settings: Arc::clone(settings), text: text.clone() });
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use muster_core::BoxFuture;
    use muster_core::command::{Audience, Command, Effects, Origin};
    use muster_core::error::CallError;
    use muster_core::invoke::{Invocation, Invoke, Output};
    use muster_core::name::CommandName;
    use muster_core::schema::Schema;
    use serde_json::json;

    use super::*;

    #[derive(Debug)]
    struct Code(#[expect(dead_code, reason = "it is only counted")] Arc<()>);

    impl Invoke for Code {
        fn invoke(&self, _invocation: Invocation) -> BoxFuture<'_, Result<Output, CallError>> {
            Box::pin(std::future::ready(Err(CallError::TooManyCalls)))
        }
    }

    #[test]
    fn a_document_is_kept_and_the_code_of_a_plugin_is_not() {
        let code = Arc::new(());
        let registered = Arc::new(Registered {
            command: Command {
                name: CommandName::parse("hello").unwrap(),
                version: 0,
                summary: "x".to_owned(),
                description: String::new(),
                tags: vec![],
                rule_tags: vec![],
                audience: Audience::Open,
                effects: Effects::default(),
                input: Schema::input(json!({"type": "object"})).unwrap(),
                output: Schema::output(json!({})).unwrap(),
                examples: vec![],
                deprecated: None,
                input_bytes_max: None,
                deadline_least: None,
                origin: Origin::Builtin,
            },
            invoke: Arc::new(Code(Arc::clone(&code))),
        });
        let (cache, settings) = (Cache::default(), Arc::new(Settings::default()));
        let listed = |only_where: &[&str]| {
            let only_where = only_where.iter().map(|&text| text.to_owned()).collect();
            vec![Listed { registered: Arc::clone(&registered), only_where, needs_credential: true }]
        };
        let kept = || cache.0.lock().unwrap().len();
        let first = cache.get(listed(&[]), &settings);
        assert_eq!((cache.get(listed(&[]), &settings).etag, kept()), (first.etag, 1));
        cache.get(listed(&["user is ann"]), &settings);
        cache.get(listed(&[]), &Arc::new(Settings::default()));
        assert_eq!(kept(), 3);
        drop(registered);
        assert_eq!((Arc::strong_count(&code), kept()), (1, 3));
    }
}
