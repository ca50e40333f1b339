//! Looks at every line of a chain and names the first that does not fit.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use muster_core::audit::{Problem, Restored, Verification};
use serde_json::Value;

use crate::chain::{Anchor, Head, Link};
use crate::kept::with_changes;
use crate::{CHANGES, files};

/// Longest line that is read: arguments are cut, so none comes near.
const LINE_BYTES_MAX: u64 = 16 << 20;

/// Most restored backups that are told of.
const RESTORED_MAX: usize = 100;

/// Verifies the chain in a folder no host writes to, and that of changes where there is one. `head`: a line the first is
/// known to have had.
///
/// # Errors
/// When the files cannot be read.
pub fn verify(folder: &Path, head: Option<Head>) -> io::Result<Verification> {
    let all = walk(folder, head, None)?;
    let changes = folder.join(CHANGES);
    Ok(if changes.is_dir() { with_changes(all, walk(&changes, None, None)?) } else { all })
}

/// Verifies the chain up to the anchor's head; lines behind it are being written.
pub(crate) fn verify_to(folder: &Path, anchor: Option<&Anchor>) -> io::Result<Verification> {
    walk(folder, anchor.map(|anchor| anchor.head), anchor)
}

/// Verifies one file. `head`: a line it is known to have.
pub(crate) fn verify_file(folder: &Path, first_seq: u64, head: Option<Head>) -> io::Result<Option<Problem>> {
    let mut walk = Walk { head, ..Walk::default() };
    let problem = walk.file(folder, first_seq)?;
    Ok(problem.or_else(|| walk.ends(None)))
}

fn walk(folder: &Path, head: Option<Head>, anchor: Option<&Anchor>) -> io::Result<Verification> {
    let mut walk = Walk { head, until: anchor.map(|anchor| anchor.head.seq), ..Walk::default() };
    // A file that retention removed meanwhile is older than what was to be kept when the anchor was made.
    let files = files::list(folder)?;
    let broken = files.iter().find_map(|first_seq| walk.file(folder, *first_seq).transpose()).transpose()?;
    let problem = broken.or_else(|| walk.ends(anchor));
    Ok(Verification {
        records: walk.records,
        files: files.len() as u64,
        first_seq: walk.first.map(|link| link.head.seq),
        last_seq: walk.last.map(|last| last.seq),
        head: walk.last.map(|last| const_hex::encode(last.hash)).unwrap_or_default(),
        problem,
        restored: walk.restored,
    })
}

/// What a record tells of a restored backup, if that is what it tells.
fn restored(text: &[u8], seq: u64) -> Option<Restored> {
    const MARK: &[u8] = br#""event":"restored""#;
    text.windows(MARK.len()).any(|window| window == MARK).then_some(())?;
    let record: Value = serde_json::from_slice(text).ok()?;
    (record.get("event")? == "restored").then_some(())?;
    let backup_time = record.pointer("/detail/backup_time")?.as_str()?.to_owned();
    Some(Restored { seq, backup_time })
}

#[derive(Default)]
struct Walk {
    head: Option<Head>,
    until: Option<u64>,
    first: Option<Link>,
    last: Option<Head>,
    last_file: String,
    records: u64,
    /// Whether the line of `head` was met.
    met: bool,
    restored: Vec<Restored>,
}

impl Walk {
    fn is_over(&self) -> bool {
        self.until.zip(self.last).is_some_and(|(until, last)| last.seq >= until)
    }

    fn file(&mut self, folder: &Path, first_seq: u64) -> io::Result<Option<Problem>> {
        if self.is_over() {
            return Ok(None);
        }
        let path = files::path(folder, first_seq);
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.last.is_none() => return Ok(None),
            file => file?,
        };
        self.last_file.clone_from(&name);
        let mut reader = BufReader::with_capacity(1 << 16, file);
        let (mut bytes, mut is_first) = (Vec::new(), true);
        while !self.is_over() {
            bytes.clear();
            let length = io::Read::take(&mut reader, LINE_BYTES_MAX).read_until(b'\n', &mut bytes)?;
            if length == 0 {
                break;
            }
            let expected = self.last.map_or(first_seq, |last| last.seq + 1);
            let problem =
                |reason: &str| Ok(Some(Problem { file: name.clone(), seq: expected, reason: reason.to_owned() }));
            let Some(text) = bytes.strip_suffix(b"\n") else {
                return problem("the line does not end: the file was cut, or the host was killed while it wrote");
            };
            let Some(link) = Link::read(text) else { return problem("this is no line of an audit record") };
            if is_first && link.head.seq != first_seq {
                return problem("the file does not begin with the record it is named after");
            }
            if link.head.seq != expected {
                return problem(&format!("record {} stands in its place", link.head.seq));
            }
            if self.last.is_some_and(|last| last.hash != link.prev) {
                return problem("the record before was changed, or this one was put in its place");
            }
            if self.head.is_some_and(|head| head.seq == link.head.seq) {
                if self.head != Some(link.head) {
                    return problem(&self.why_restored().unwrap_or_else(|| {
                        "the record was changed: its hash is not the one that is remembered".to_owned()
                    }));
                }
                self.met = true;
            }
            if self.restored.len() < RESTORED_MAX
                && let Some(restored) = restored(text, link.head.seq)
            {
                self.restored.push(restored);
            }
            self.first.get_or_insert(link);
            self.last = Some(link.head);
            self.records += 1;
            is_first = false;
        }
        Ok(None)
    }

    /// Why a record that is remembered is not there, where the host was restored from a backup before this place.
    fn why_restored(&self) -> Option<String> {
        let Restored { seq, backup_time } = self.restored.last()?;
        Some(format!(
            "the record that is remembered is not there: the host was restored at record {seq} from a backup of {backup_time}; \
             compare with a head from after that"
        ))
    }

    /// What the chain cannot show by itself: that something is missing before its beginning or behind its end.
    fn ends(&self, anchor: Option<&Anchor>) -> Option<Problem> {
        let problem = |seq, reason: &str| Problem { file: self.last_file.clone(), seq, reason: reason.to_owned() };
        if let Some(anchor) = anchor.filter(|anchor| anchor.head.seq > anchor.before_first.seq) {
            let oldest = anchor.before_first.seq + 1;
            match self.first {
                Some(first) if first.head.seq > oldest => {
                    return Some(problem(oldest, "records are missing before the oldest file"));
                }
                Some(first) if first.head.seq == oldest && first.prev != anchor.before_first.hash => {
                    return Some(problem(oldest, "the oldest record does not follow the one that was removed last"));
                }
                _ => {}
            }
        }
        let head = self.head.filter(|head| head.seq > 0 && !self.met)?;
        if let Some(told) = self.why_restored() {
            return Some(problem(head.seq, &told));
        }
        let last = self.last.map_or(0, |last| last.seq);
        if last < head.seq {
            return Some(problem(
                last + 1,
                &format!("records up to {} were there and are missing at the end", head.seq),
            ));
        }
        Some(problem(head.seq, "the record that is remembered is older than the oldest file"))
    }
}
