//! [`Audit`] in files: one JSON line per record, each with the hash of the line before it.
//!
//! Terms: a **line** has a number (`seq`, from 1, without gaps) and `prev`, the SHA-256 of the bytes of the line before
//! (of nothing: zeros). The **head** is the newest line's number and hash. Changing, removing, inserting or swapping
//! lines breaks the chain at a place [`verify`] names. What a chain cannot show, that its end was cut off, the **anchor**
//! shows: the head, kept in the host's store, at least every second and after what it speaks of was synced.
//!
//! The files are for their owner alone (folder 0700, files 0600). That owner, and root, can replace files and
//! anchor together; who wants to be sure of that as well keeps heads elsewhere (`audit_verify` tells them).
//!
//! In reading order: [`chain`] (lines and hashes), [`line`] (from a record to JSON), [`files`] (names, rotation),
//! [`writer`] (the thread that writes), [`verify`], [`search`], [`kept`] (what a host keeps: two chains).

mod chain;
mod files;
mod kept;
mod line;
mod search;
mod verify;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use muster_core::BoxFuture;
use muster_core::audit::{Audit, Page, Query, Record, Verification};
use muster_core::clock::Clock;
use muster_core::error::CallError;
use muster_core::storage::Storage;
use tokio::sync::oneshot;

pub use chain::Head;
pub use kept::KeptAudit;
pub use verify::verify;

/// Most records waiting to be written. What comes then waits for a disk that works; where the disk stalls it is lost, and a
/// record says how many were.
const RECORDS_WAITING_MAX: usize = 16 * 1024;
/// Records waiting with which calls are still let through: the rest is room for those that were let through before.
const RECORDS_READY_MAX: usize = RECORDS_WAITING_MAX / 2;
/// How long the disk may take for one write before calls are refused.
const STALL: Duration = Duration::from_secs(2);
/// How long to wait for room in the queue before looking again.
const ROOM_AFTER: Duration = Duration::from_millis(1);
/// How long a change waits for its record to be on disk, and a search for what is waiting.
const WRITTEN_WITHIN: Duration = Duration::from_secs(10);

/// The folder of the chain of changes, in that of everything.
pub(crate) const CHANGES: &str = "changes";

/// How records are kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Options {
    /// Length at which a file is followed by another, in bytes.
    pub file_bytes_max: u64,
    /// Files kept; the oldest goes when there are more.
    pub files_max: usize,
    /// The same for those with changes alone, which are kept beside the others.
    pub changes_files_max: usize,
    /// Whether arguments are recorded, masked.
    pub arguments: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { file_bytes_max: 64 << 20, files_max: 32, changes_files_max: 8, arguments: true }
    }
}

/// The record of calls in a folder.
#[derive(Debug)]
pub struct FileAudit {
    folder: PathBuf,
    waiting: mpsc::SyncSender<Message>,
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

/// What both sides of the queue see.
#[derive(Debug)]
struct Shared {
    /// What moments are counted from.
    began: Instant,
    /// Whether the disk does not take what is to be written.
    failing: AtomicBool,
    /// Milliseconds since `began` when the writer began what it does with the disk; 0 while it does nothing.
    busy_since_ms: AtomicU64,
    /// Records and questions that wait for the writer.
    waiting: AtomicUsize,
    /// Records that were lost since the last record that says so.
    lost: AtomicU64,
    /// Whether the writer should give up instead of trying again.
    giving_up: AtomicBool,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            failing: AtomicBool::default(),
            busy_since_ms: AtomicU64::default(),
            waiting: AtomicUsize::default(),
            lost: AtomicU64::default(),
            giving_up: AtomicBool::default(),
        }
    }
}

impl Shared {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX).max(1)
    }

    /// Whether the disk takes longer for a write than it may.
    fn is_stalled(&self) -> bool {
        let since = self.busy_since_ms.load(Ordering::Relaxed);
        since > 0 && u128::from(self.now_ms().saturating_sub(since)) > STALL.as_millis()
    }

    /// Does something with the disk, which calls are refused for where it takes too long.
    fn busy<T>(&self, work: impl FnOnce() -> T) -> T {
        self.busy_since_ms.store(self.now_ms(), Ordering::Relaxed);
        let result = work();
        self.busy_since_ms.store(0, Ordering::Relaxed);
        result
    }
}

#[derive(Debug)]
enum Message {
    Record(Record),
    Durably(Record, oneshot::Sender<()>),
    /// Write and anchor everything, then tell where the chain begins and ends.
    Settle(oneshot::Sender<chain::Anchor>),
    Stop,
}

impl FileAudit {
    /// Continues the chain in `folder`, which is made if needed, and heals what a crash left: a line that was not
    /// written to its end is taken away, and a record says so. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// A sentence for the operator when the folder or the store cannot be used.
    pub async fn open(
        folder: &Path,
        options: Options,
        storage: Arc<dyn Storage>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, String> {
        Self::open_chain(folder, options, storage, chain::ANCHOR.to_owned(), clock).await
    }

    /// The same for a chain whose anchor has this key.
    async fn open_chain(
        folder: &Path,
        options: Options,
        storage: Arc<dyn Storage>,
        anchor_key: String,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, String> {
        let anchor = chain::Anchor::read(&*storage, &anchor_key).await?;
        let (waiting, records) = mpsc::sync_channel(RECORDS_WAITING_MAX);
        let shared = Arc::new(Shared::default());
        let store = writer::Store { storage, anchor: anchor_key, runtime: tokio::runtime::Handle::current() };
        let begin = {
            let (folder, shared) = (folder.to_path_buf(), Arc::clone(&shared));
            move || writer::Writer::open(folder, options, anchor, store, &*clock, shared)
        };
        let writer = tokio::task::spawn_blocking(begin).await.map_err(|error| error.to_string())?;
        let writer = writer.map_err(|error| format!("the audit record in {}: {error}", folder.display()))?;
        let thread = std::thread::Builder::new()
            .name("audit-writer".to_owned())
            .spawn(move || writer.run(&records))
            .map_err(|error| error.to_string())?;
        Ok(Self { folder: folder.to_path_buf(), waiting, shared, writer: Mutex::new(Some(thread)) })
    }

    /// Writes and anchors what is waiting, and ends. Records that come later are lost.
    pub fn close(&self) {
        let thread = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            self.shared.giving_up.store(true, Ordering::Relaxed);
            self.shared.waiting.fetch_add(1, Ordering::Relaxed);
            let _ = self.waiting.send(Message::Stop);
            let _ = thread.join();
        }
    }

    /// Writes and anchors what is waiting; tells where the chain begins and ends then.
    async fn settle(&self) -> Result<chain::Anchor, CallError> {
        let (answer, settled) = oneshot::channel();
        self.send(Message::Settle(answer))?;
        within(settled, "the audit record cannot be read before it is written, and the disk does not take it").await
    }

    /// Whether the disk takes what is written.
    fn is_writing(&self) -> bool {
        !self.shared.failing.load(Ordering::Relaxed) && !self.shared.is_stalled()
    }

    /// Hands something to the writer, without waiting: a disk that stalls must not stop the threads that serve.
    fn send(&self, message: Message) -> Result<(), CallError> {
        self.shared.waiting.fetch_add(1, Ordering::Relaxed);
        self.waiting.try_send(message).map_err(|error| {
            self.shared.waiting.fetch_sub(1, Ordering::Relaxed);
            match error {
                mpsc::TrySendError::Full(_) => {
                    CallError::Unavailable("too many audit records wait for the disk".to_owned())
                }
                mpsc::TrySendError::Disconnected(_) => ended(),
            }
        })
    }
}

/// What the writer answers.
///
/// # Errors
/// [`CallError::Unavailable`] with this text when it does not in time.
async fn within<T>(answer: oneshot::Receiver<T>, otherwise: &str) -> Result<T, CallError> {
    match tokio::time::timeout(WRITTEN_WITHIN, answer).await {
        Ok(answered) => answered.map_err(|_| ended()),
        Err(_) => Err(CallError::Unavailable(otherwise.to_owned())),
    }
}

impl Audit for FileAudit {
    fn is_ready(&self) -> bool {
        self.is_writing() && self.shared.waiting.load(Ordering::Relaxed) < RECORDS_READY_MAX
    }

    fn record(&self, record: Record) {
        // The writer ends after everything else, so nothing can be told that it ended.
        let mut message = Message::Record(record);
        self.shared.waiting.fetch_add(1, Ordering::Relaxed);
        while let Err(error) = self.waiting.try_send(message) {
            match error {
                // Calls are not let through any more; those that were are waited for, as long as the disk goes on.
                mpsc::TrySendError::Full(back) if self.is_writing() => message = back,
                mpsc::TrySendError::Full(_) | mpsc::TrySendError::Disconnected(_) => {
                    self.shared.waiting.fetch_sub(1, Ordering::Relaxed);
                    self.shared.lost.fetch_add(1, Ordering::Relaxed);
                    return;
                }
            }
            std::thread::sleep(ROOM_AFTER);
        }
    }

    fn record_durably(&self, record: Record) -> BoxFuture<'_, Result<(), CallError>> {
        let (answer, written) = oneshot::channel();
        // Handed over now: the record is written even if no caller waits for it.
        let sent = self.send(Message::Durably(record, answer));
        if sent.is_err() {
            self.shared.lost.fetch_add(1, Ordering::Relaxed);
        }
        Box::pin(async move {
            sent?;
            within(written, "it was done, but its audit record is not on disk yet: the disk does not take it").await
        })
    }

    fn search(&self, query: Query) -> BoxFuture<'_, Result<Page, CallError>> {
        Box::pin(async move {
            self.settle().await?;
            let folder = self.folder.clone();
            let search = move || search::search(&folder, &query);
            tokio::task::spawn_blocking(search).await.map_err(CallError::internal_from)?
        })
    }

    fn verify(&self) -> BoxFuture<'_, Result<Verification, CallError>> {
        Box::pin(async move {
            let anchor = self.settle().await?;
            let folder = self.folder.clone();
            let verify = move || verify::verify_to(&folder, Some(&anchor));
            let verified = tokio::task::spawn_blocking(verify).await.map_err(CallError::internal_from)?;
            verified.map_err(CallError::internal_from)
        })
    }
}

impl Drop for FileAudit {
    fn drop(&mut self) {
        self.close();
    }
}

fn ended() -> CallError {
    CallError::internal_from("the audit record is not written any more")
}

#[cfg(test)]
mod tests;
