//! Finds records by reading lines, a bounded number of bytes at a time.

use std::path::Path;

use muster_core::audit::{Page, Query};
use muster_core::error::CallError;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::chain::Link;
use crate::files;

/// Most bytes of files read for one page.
const BYTES_MAX: u64 = 256 << 20;

pub(crate) fn search(folder: &Path, query: &Query) -> Result<Page, CallError> {
    let wanted = Wanted::new(query)?;
    let forward = query.after_seq.is_some();
    let mut first_seqs = files::list(folder).map_err(CallError::internal_from)?;
    // A file ends before the next one's first line.
    let after = query.after_seq.unwrap_or(0);
    let begin = first_seqs.partition_point(|first| *first <= after.saturating_add(1)).saturating_sub(1);
    first_seqs.drain(..begin);
    first_seqs.retain(|first| query.before_seq.is_none_or(|before| *first < before));
    if !forward {
        first_seqs.reverse();
    }
    let (mut page, mut bytes_read) = (Page::default(), 0);
    let mut last_seen = None;
    for first_seq in first_seqs {
        if bytes_read > BYTES_MAX {
            return Ok(Page { next: last_seen, ..page });
        }
        let text = match std::fs::read(files::path(folder, first_seq)) {
            // Retention was faster.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            text => text.map_err(CallError::internal_from)?,
        };
        bytes_read += text.len() as u64;
        let mut lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
        if !forward {
            lines.reverse();
        }
        for line in lines {
            let Some(seq) = Link::seq(line) else { continue };
            if seq <= after || query.before_seq.is_some_and(|before| seq >= before) {
                continue;
            }
            if page.records.len() >= query.limit {
                return Ok(Page { next: last_seen, ..page });
            }
            last_seen = Some(seq);
            if wanted.could_be(line)
                && let Ok(record) = serde_json::from_slice::<Value>(line)
                && wanted.is(&record)
            {
                page.records.push(record);
            }
        }
    }
    page.next = None;
    Ok(page)
}

struct Wanted {
    texts: Vec<(&'static str, String)>,
    since: Option<OffsetDateTime>,
    until: Option<OffsetDateTime>,
}

impl Wanted {
    fn new(query: &Query) -> Result<Self, CallError> {
        let texts = [
            ("request_id", &query.request_id),
            ("caller", &query.caller),
            ("command", &query.command),
            ("outcome", &query.outcome),
        ];
        let texts = texts.into_iter().filter_map(|(key, text)| Some((key, text.clone()?))).collect();
        let moment = |key: &str, text: &Option<String>| match text {
            None => Ok(None),
            Some(text) => OffsetDateTime::parse(text, &Rfc3339)
                .map(Some)
                .map_err(|_| CallError::argument(format!("/{key}"), "is not a moment such as 2026-11-23T20:00:00Z")),
        };
        Ok(Self { texts, since: moment("since", &query.since)?, until: moment("until", &query.until)? })
    }

    /// A cheap look at the bytes, which most lines do not survive.
    fn could_be(&self, line: &[u8]) -> bool {
        self.texts.iter().all(|(_, text)| {
            let text = text.as_bytes();
            // What JSON escapes would not be found.
            !text.iter().all(|byte| byte.is_ascii_graphic() && !b"\"\\".contains(byte))
                || text.is_empty()
                || line.windows(text.len()).any(|window| window == text)
        })
    }

    fn is(&self, record: &Value) -> bool {
        let text = |key: &str| record.get(key).and_then(Value::as_str);
        let time = || OffsetDateTime::parse(text("time")?, &Rfc3339).ok();
        self.texts.iter().all(|(key, wanted)| text(key) == Some(wanted))
            && self.since.is_none_or(|since| time().is_some_and(|time| time >= since))
            && self.until.is_none_or(|until| time().is_some_and(|time| time <= until))
    }
}
