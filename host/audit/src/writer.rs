//! The thread that writes: takes what is waiting, makes lines of it, writes them in one go, and syncs where a caller
//! waits for that. It alone knows the chain's end.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use muster_core::audit::{Record, Subject};
use muster_core::clock::Clock;
use muster_core::storage::Storage;
use serde_json::json;
use tokio::sync::oneshot;

use crate::chain::{Anchor, Head, Link};
use crate::line::Lines;
use crate::{Message, Options, Shared, files, verify};

/// How often the head is anchored while it moves.
const ANCHOR_EVERY: Duration = Duration::from_secs(1);
/// How long the writer lets records gather before it looks again: a caller that hands one over meanwhile need not wake it.
const GATHER: Duration = Duration::from_millis(5);
/// Most bytes gathered before they are written.
const BATCH_BYTES_MAX: usize = 1 << 20;
/// How long to wait before a failed write is tried again.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// The host's store, from a thread that is not of the runtime.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) storage: Arc<dyn Storage>,
    /// The key of the anchor.
    pub(crate) anchor: String,
    pub(crate) runtime: tokio::runtime::Handle,
}

#[derive(Debug)]
pub(crate) struct Writer {
    folder: PathBuf,
    options: Options,
    store: Store,
    shared: Arc<Shared>,
    file: File,
    /// Length of the file without what is being written.
    file_bytes: u64,
    /// The newest line, of those in `batch` if there are any.
    head: Head,
    anchor: Anchor,
    anchored_at: Instant,
    /// When the newest record was made.
    last_time: Duration,
    /// Lines that are not in the file yet.
    batch: Vec<u8>,
    lines: Lines,
    /// Whether lines were written that are not synced.
    unsynced: bool,
    /// Whether the last anchor could not be written.
    anchor_fails: bool,
}

/// What a crash or an edit did to the chain, found when it is continued.
#[derive(Debug, Default)]
struct Found {
    events: Vec<(&'static str, serde_json::Value)>,
}

impl Writer {
    pub(crate) fn open(
        folder: PathBuf,
        options: Options,
        anchor: Option<Anchor>,
        store: Store,
        clock: &dyn Clock,
        shared: Arc<Shared>,
    ) -> io::Result<Self> {
        files::make_folder(&folder)?;
        let mut found = Found::default();
        let (mut head, mut current) = found.last_line(&folder)?;
        if let Some(anchor) = anchor {
            if head.seq < anchor.head.seq {
                let (from, to) = (head.seq + 1, anchor.head.seq);
                found.events.push(("records-missing", json!({ "from": from, "to": to })));
                // What is missing stays missing: the chain goes on behind it, and never verifies across the gap.
                (head, current) = (anchor.head, anchor.head.seq + 1);
            } else {
                found.check_last_file(&folder, current, &anchor)?;
                if head.seq == anchor.head.seq {
                    // Whatever the last line says now, the chain goes on behind what it said.
                    head = anchor.head;
                }
            }
        }
        let before_first = match anchor {
            Some(anchor) => anchor.before_first,
            None => before_first(&folder)?.unwrap_or(head),
        };
        let file = files::append(&files::path(&folder, current))?;
        files::sync_folder(&folder)?;
        let file_bytes = file.metadata()?.len();
        let anchor = Anchor { head: anchor.map_or_else(Head::default, |anchor| anchor.head), before_first };
        let mut writer = Self {
            folder,
            options,
            store,
            shared,
            file,
            file_bytes,
            head,
            anchor,
            anchored_at: Instant::now(),
            last_time: clock.since_epoch(),
            batch: Vec::new(),
            lines: Lines::default(),
            unsynced: false,
            anchor_fails: false,
        };
        for (name, detail) in found.events {
            tracing::warn!(event = name, %detail, "the audit record was not as it was left");
            writer.append(&Record { time: clock.since_epoch(), subject: Subject::Event { name, detail } });
        }
        writer.write_batch()?;
        Ok(writer)
    }

    /// Works until it is told to stop, or its last sender is gone.
    pub(crate) fn run(mut self, waiting: &mpsc::Receiver<Message>) {
        let (mut answers, mut settling) = (Vec::new(), Vec::new());
        let mut stopped = false;
        while !stopped {
            let until_anchor = ANCHOR_EVERY.saturating_sub(self.anchored_at.elapsed());
            let first = match waiting.recv_timeout(if self.is_anchored() { ANCHOR_EVERY } else { until_anchor }) {
                Ok(message) => Some(message),
                Err(mpsc::RecvTimeoutError::Timeout) => None,
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
            };
            let gathered = first.is_some();
            let mut next = first;
            while let Some(message) = next {
                self.shared.waiting.fetch_sub(1, Ordering::Relaxed);
                match message {
                    Message::Record(record) => self.append_and_say_lost(&record),
                    Message::Durably(record, answer) => {
                        self.append_and_say_lost(&record);
                        answers.push(answer);
                    }
                    Message::Settle(answer) => settling.push(answer),
                    Message::Stop => stopped = true,
                }
                let full = self.batch.len() >= BATCH_BYTES_MAX || self.file_is_full();
                next = if full || stopped { None } else { waiting.try_recv().ok() };
            }
            self.persist(!answers.is_empty());
            if !self.shared.failing.load(Ordering::Relaxed) {
                answers.drain(..).for_each(answer);
            }
            if self.file_is_full() {
                self.rotate();
            }
            if !settling.is_empty() || stopped || self.anchored_at.elapsed() >= ANCHOR_EVERY {
                self.write_anchor();
            }
            for answer in settling.drain(..) {
                let _ = answer.send(Anchor { head: self.head, before_first: self.anchor.before_first });
            }
            if gathered && !stopped {
                std::thread::sleep(GATHER);
            }
        }
    }

    /// As [`Writer::append`], after a record of what was lost before, if anything was.
    fn append_and_say_lost(&mut self, record: &Record) {
        let lost = self.shared.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            tracing::error!(lost, "audit records were lost: they came faster than the disk took them");
            let subject = Subject::Event { name: "records-lost", detail: json!({ "number": lost }) };
            self.append(&Record { time: record.time, subject });
        }
        self.append(record);
    }

    fn append(&mut self, record: &Record) {
        self.last_time = record.time;
        let text = self.lines.text(record, self.options.arguments);
        self.head.append(text, &mut self.batch);
    }

    fn file_is_full(&self) -> bool {
        self.file_bytes + self.batch.len() as u64 >= self.options.file_bytes_max
    }

    fn is_anchored(&self) -> bool {
        self.anchor.head == self.head && self.batch.is_empty()
    }

    /// Writes the batch, again and again until the disk takes it or the host stops. Meanwhile calls are refused.
    fn persist(&mut self, sync: bool) {
        loop {
            let shared = Arc::clone(&self.shared);
            let written = shared.busy(|| self.write_batch().and_then(|()| if sync { self.sync() } else { Ok(()) }));
            match written {
                Ok(()) => {
                    if self.shared.failing.swap(false, Ordering::Relaxed) {
                        tracing::info!("the audit record is written again");
                    }
                    return;
                }
                Err(error) => {
                    if !self.shared.failing.swap(true, Ordering::Relaxed) {
                        tracing::error!(error = %error, "the audit record cannot be written; calls are refused until it can");
                    }
                    if self.shared.giving_up.load(Ordering::Relaxed) {
                        return;
                    }
                    std::thread::sleep(RETRY_AFTER);
                }
            }
        }
    }

    fn write_batch(&mut self) -> io::Result<()> {
        if self.batch.is_empty() {
            return Ok(());
        }
        // A write that failed in the middle left a part behind. A file that is shorter was cut by hand, which verification finds.
        if self.file.metadata()?.len() > self.file_bytes {
            self.file.set_len(self.file_bytes)?;
        }
        self.file.write_all(&self.batch)?;
        self.file_bytes += self.batch.len() as u64;
        self.batch.clear();
        self.unsynced = true;
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        if self.unsynced {
            self.file.sync_data()?;
            self.unsynced = false;
        }
        Ok(())
    }

    /// Remembers the head, once what it speaks of cannot get lost any more.
    fn write_anchor(&mut self) {
        self.anchored_at = Instant::now();
        if self.is_anchored() {
            return;
        }
        self.persist(true);
        if self.shared.failing.load(Ordering::Relaxed) {
            return;
        }
        let anchor = Anchor { head: self.head, before_first: self.anchor.before_first };
        let written =
            self.shared.busy(|| self.store.runtime.block_on(anchor.write(&*self.store.storage, &self.store.anchor)));
        let failed_before = std::mem::replace(&mut self.anchor_fails, written.is_err());
        match written {
            Ok(()) => self.anchor = anchor,
            Err(error) if !failed_before => tracing::error!(error, "the head of the audit record cannot be anchored"),
            // Said once, and tried again every second.
            Err(_) => {}
        }
    }

    fn rotate(&mut self) {
        self.write_anchor();
        let rotated = (|| {
            let file = files::append(&files::path(&self.folder, self.head.seq + 1))?;
            files::sync_folder(&self.folder)?;
            self.file = file;
            self.file_bytes = 0;
            self.remove_old_files()
        })();
        if let Err(error) = rotated {
            tracing::error!(error = %error, "the audit record cannot go on in another file");
        }
    }

    fn remove_old_files(&mut self) -> io::Result<()> {
        let first_seqs = files::list(&self.folder)?;
        let Some(too_many) = first_seqs.len().checked_sub(self.options.files_max) else { return Ok(()) };
        let (old, kept) = first_seqs.split_at(too_many);
        let Some(oldest_kept) = kept.first().filter(|_| !old.is_empty()) else { return Ok(()) };
        let before_first = if *oldest_kept == self.head.seq + 1 {
            self.head
        } else {
            Head { seq: oldest_kept - 1, hash: first_link(&self.folder, *oldest_kept)?.prev }
        };
        // Remembered first: files that are there too long are no harm, files that are missing look like one.
        let anchor = Anchor { before_first, ..self.anchor };
        self.store
            .runtime
            .block_on(anchor.write(&*self.store.storage, &self.store.anchor))
            .map_err(io::Error::other)?;
        self.anchor = anchor;
        for first_seq in old {
            std::fs::remove_file(files::path(&self.folder, *first_seq))?;
        }
        files::sync_folder(&self.folder)?;
        let detail = json!({ "files": old.len(), "from": old.first(), "to": oldest_kept - 1 });
        self.append(&Record { time: self.last_time, subject: Subject::Event { name: "records-dropped", detail } });
        Ok(())
    }
}

fn answer(waits: oneshot::Sender<()>) {
    // The caller may have gone away.
    let _ = waits.send(());
}

fn first_link(folder: &std::path::Path, first_seq: u64) -> io::Result<Link> {
    use std::io::BufRead;
    let mut bytes = Vec::new();
    io::BufReader::new(File::open(files::path(folder, first_seq))?).read_until(b'\n', &mut bytes)?;
    let link = bytes.strip_suffix(b"\n").and_then(Link::read);
    link.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the oldest file has no first record"))
}

/// Where a chain without an anchor begins, by its oldest file.
fn before_first(folder: &std::path::Path) -> io::Result<Option<Head>> {
    let Some(oldest) = files::list(folder)?.first().copied() else { return Ok(None) };
    Ok(first_link(folder, oldest).ok().map(|link| Head { seq: oldest.saturating_sub(1), hash: link.prev }))
}

impl Found {
    /// The newest whole line, and the number its file is named after. Takes away what follows it.
    fn last_line(&mut self, folder: &std::path::Path) -> io::Result<(Head, u64)> {
        for first_seq in files::list(folder)?.into_iter().rev() {
            let path = files::path(folder, first_seq);
            let bytes = std::fs::read(&path)?;
            let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            let (lines, torn) = bytes.split_at_checked(whole).unwrap_or_default();
            if !torn.is_empty() {
                let hash = const_hex::encode(<sha2::Sha256 as sha2::Digest>::digest(torn));
                let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                self.events.push(("torn-line-removed", json!({ "file": file, "bytes": torn.len(), "sha256": hash })));
                std::fs::OpenOptions::new().write(true).open(&path)?.set_len(whole as u64)?;
            }
            let last = lines.strip_suffix(b"\n").unwrap_or_default();
            let last = last.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
            match Link::read(last) {
                Some(link) => return Ok((link.head, first_seq)),
                // A file begun just before the end.
                None if lines.is_empty() => std::fs::remove_file(&path)?,
                None => {
                    let text = "the last line is no line of an audit record; look at it, and move the file away";
                    return Err(io::Error::new(io::ErrorKind::InvalidData, text));
                }
            }
        }
        Ok((Head::default(), 1))
    }

    /// Holds the newest file against the anchor: what was changed while the host did not run is said at once.
    fn check_last_file(&mut self, folder: &std::path::Path, first_seq: u64, anchor: &Anchor) -> io::Result<()> {
        let head = Some(anchor.head).filter(|head| head.seq >= first_seq);
        if let Some(problem) = verify::verify_file(folder, first_seq, head)? {
            let detail = json!({ "file": problem.file, "seq": problem.seq, "reason": problem.reason });
            self.events.push(("record-changed", detail));
        }
        Ok(())
    }
}
