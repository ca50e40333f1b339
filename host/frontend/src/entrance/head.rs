//! What the entrance looks at in the head of a request, read in one pass: most of it is in no request, and a search for
//! what is not there costs as much as one that finds.

use axum::http::header::{CONTENT_ENCODING, HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderName, HeaderValue};

use crate::request_id::X_REQUEST_ID;

/// Whose page sent a request, as its browser sees it.
pub(super) const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The headers that say where a request comes from, and for whom it is.
#[derive(Debug, Default)]
pub(super) struct Head<'a> {
    pub(super) host: Sent<'a>,
    pub(super) origin: Sent<'a>,
    pub(super) site: Sent<'a>,
    pub(super) request_id: Sent<'a>,
    /// The body is in a coding that would have to be undone first (RFC 9110 §8.4). What it says could not be bounded
    /// before it is, and no client has to compress.
    pub(super) is_encoded: bool,
}

/// A header that is there once, or should not be there.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Sent<'a> {
    #[default]
    Never,
    Once(&'a HeaderValue),
    Again,
}

impl<'a> Head<'a> {
    pub(super) fn of(headers: &'a HeaderMap) -> Self {
        let mut head = Self::default();
        for (name, value) in headers {
            if *name == HOST {
                head.host.add(value);
            } else if *name == ORIGIN {
                head.origin.add(value);
            } else if *name == SEC_FETCH_SITE {
                head.site.add(value);
            } else if *name == X_REQUEST_ID {
                head.request_id.add(value);
            } else if *name == CONTENT_ENCODING {
                let codings = value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
                head.is_encoded |=
                    codings.filter(|coding| !coding.is_empty()).any(|coding| !coding.eq_ignore_ascii_case(b"identity"));
            }
        }
        head
    }
}

impl<'a> Sent<'a> {
    fn add(&mut self, value: &'a HeaderValue) {
        *self = if matches!(self, Self::Never) { Self::Once(value) } else { Self::Again };
    }

    /// Its text, where it is there; an empty one where it is there twice, or is no text.
    pub(super) fn text(self) -> Option<&'a str> {
        match self {
            Self::Never => None,
            Self::Once(value) => Some(value.to_str().unwrap_or_default()),
            Self::Again => Some(""),
        }
    }
}
