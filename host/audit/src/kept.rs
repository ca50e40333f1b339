//! What is kept of everything that happens: a chain of all records, and a second one of changes alone, so that no flood of
//! calls pushes out who changed what; refusals of one network beyond a few are summed up before they are written.
//!
//! A **change** is what the host did, and what a built-in command that is not read-only was told to do and did. It stands in
//! both chains. Each has a retention of its own; what the first one dropped is still found in the second.
//!
//! A **refusal** is a call no rule let through. Of each network, [`REFUSALS_MAX`] in [`WINDOW`] are recorded as they are;
//! the rest becomes one record with their number, the first and the last moment, what they were told, and some of the
//! accounts they named. Refusals of callers on this machine are never summed up.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use muster_core::BoxFuture;
use muster_core::address::network;
use muster_core::audit::{Audit, CallRecord, OK, Page, Query, Record, Subject, Verification};
use muster_core::clock::Clock;
use muster_core::command::Origin;
use muster_core::error::CallError;
use muster_core::storage::Storage;
use serde_json::{Value, json};

use crate::line::time_text;
use crate::{CHANGES, FileAudit, Options, chain};

/// Refusals of a network that are recorded one by one in a window.
const REFUSALS_MAX: u32 = 20;
/// How long refusals are summed up before the sum is written.
const WINDOW: Duration = Duration::from_mins(1);
/// How often it is looked which sums are due.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Most networks that are counted apart at a time; others are one.
const NETWORKS_MAX: usize = 4096;
/// Most accounts a sum names.
const ACCOUNTS_MAX: usize = 8;

/// The record of a host.
#[derive(Debug)]
pub struct KeptAudit {
    all: Arc<FileAudit>,
    changes: FileAudit,
    sums: Arc<Mutex<Sums>>,
    /// Ends with its sender.
    watch: Mutex<Option<(mpsc::Sender<()>, JoinHandle<()>)>>,
}

impl KeptAudit {
    /// Continues both chains in `folder`, as [`FileAudit::open`] does.
    ///
    /// # Errors
    /// As [`FileAudit::open`].
    pub async fn open(
        folder: &Path,
        options: Options,
        storage: Arc<dyn Storage>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, String> {
        let all = FileAudit::open(folder, options.clone(), Arc::clone(&storage), Arc::clone(&clock)).await?;
        let options = Options { files_max: options.changes_files_max, ..options };
        let anchor = format!("{}-{CHANGES}", chain::ANCHOR);
        let changes = FileAudit::open_chain(&folder.join(CHANGES), options, storage, anchor, clock).await?;
        let kept = Self { all: Arc::new(all), changes, sums: Arc::default(), watch: Mutex::default() };
        kept.watch_sums()?;
        Ok(kept)
    }

    /// Writes and anchors what is waiting, and ends. Records that come later are lost.
    pub fn close(&self) {
        if let Some((end, thread)) = self.watch.lock().unwrap_or_else(PoisonError::into_inner).take() {
            drop(end);
            let _ = thread.join();
        }
        self.write_sums(true);
        self.all.close();
        self.changes.close();
    }

    fn watch_sums(&self) -> Result<(), String> {
        let (end, ended) = mpsc::channel::<()>();
        let (sums, all) = (Arc::clone(&self.sums), Arc::clone(&self.all));
        let thread = std::thread::Builder::new().name("audit-sums".to_owned()).spawn(move || {
            while ended.recv_timeout(LOOK_EVERY) == Err(mpsc::RecvTimeoutError::Timeout) {
                let due = sums.lock().unwrap_or_else(PoisonError::into_inner).due(Instant::now(), false);
                for record in due {
                    all.record(record);
                }
            }
        });
        let thread = thread.map_err(|error| error.to_string())?;
        *self.watch.lock().unwrap_or_else(PoisonError::into_inner) = Some((end, thread));
        Ok(())
    }

    fn write_sums(&self, all: bool) {
        let due = self.sums.lock().unwrap_or_else(PoisonError::into_inner).due(Instant::now(), all);
        for record in due {
            self.all.record(record);
        }
    }

    /// The changes that were dropped from the chain of everything and still stand in their own, as the query wants them.
    async fn dropped(&self, query: &Query) -> Result<Vec<Value>, CallError> {
        let first = Query { after_seq: Some(0), limit: 1, ..Query::default() };
        let first = self.all.search(first).await?.records.into_iter().next().unwrap_or_default();
        if first.get("seq").and_then(Value::as_u64).is_none_or(|seq| seq <= 1) {
            return Ok(Vec::new());
        }
        let wanted = Query { before_seq: None, after_seq: query.after_seq.map(|_| 0), ..query.clone() };
        let found = self.changes.search(wanted).await?.records;
        let begins = first.get("time").and_then(Value::as_str).unwrap_or_default();
        let is_dropped = |record: &Value| record.get("time").and_then(Value::as_str).is_some_and(|time| time < begins);
        let marked = found.into_iter().filter(is_dropped).map(|mut record| {
            if let Some(members) = record.as_object_mut() {
                members.insert("kept".to_owned(), CHANGES.into());
            }
            record
        });
        Ok(marked.collect())
    }
}

impl Audit for KeptAudit {
    fn is_ready(&self) -> bool {
        self.all.is_ready() && self.changes.is_ready()
    }

    fn record(&self, record: Record) {
        // Most calls are no refusals, and have no part in the lock.
        if let Subject::Call(call) = &record.subject
            && !call.allowed
            && !self.sums.lock().unwrap_or_else(PoisonError::into_inner).passes(call, record.time, Instant::now())
        {
            return;
        }
        if is_change(&record) {
            self.changes.record(record.clone());
        }
        self.all.record(record);
    }

    fn record_durably(&self, record: Record) -> BoxFuture<'_, Result<(), CallError>> {
        let in_changes = is_change(&record).then(|| self.changes.record_durably(record.clone()));
        let in_all = self.all.record_durably(record);
        Box::pin(async move {
            in_all.await?;
            match in_changes {
                Some(written) => written.await,
                None => Ok(()),
            }
        })
    }

    fn search(&self, query: Query) -> BoxFuture<'_, Result<Page, CallError>> {
        Box::pin(async move {
            self.write_sums(false);
            let mut page = self.all.search(query.clone()).await?;
            // Numbers are those of the chain of everything: what is behind its beginning comes before it or at the end.
            let forward = query.after_seq.is_some();
            if (forward && query.after_seq != Some(0)) || (!forward && page.next.is_some()) {
                return Ok(page);
            }
            let mut dropped = self.dropped(&query).await?;
            if !forward {
                dropped.truncate(query.limit.saturating_sub(page.records.len()));
                page.records.append(&mut dropped);
                return Ok(page);
            }
            dropped.truncate(query.limit);
            let room = query.limit - dropped.len();
            let seq = |record: &Value| record.get("seq").and_then(Value::as_u64).unwrap_or_default();
            if let Some(cut) = page.records.get(room) {
                // What is cut comes with the next page, which goes on behind what is not.
                let before = seq(cut).saturating_sub(1).max(1);
                page.next = Some(page.records.get(..room).and_then(<[_]>::last).map_or(before, seq));
                page.records.truncate(room);
            }
            dropped.append(&mut page.records);
            page.records = dropped;
            Ok(page)
        })
    }

    fn verify(&self) -> BoxFuture<'_, Result<Verification, CallError>> {
        Box::pin(async move {
            let all = self.all.verify().await?;
            Ok(with_changes(all, self.changes.verify().await?))
        })
    }
}

/// The verification of both chains: numbers and head are those of the one of everything.
pub(crate) fn with_changes(all: Verification, changes: Verification) -> Verification {
    let in_changes = changes.problem.map(|mut problem| {
        problem.file = format!("{CHANGES}/{}", problem.file);
        problem
    });
    Verification { files: all.files + changes.files, problem: all.problem.or(in_changes), ..all }
}

/// Whether a record is about something that was changed.
fn is_change(record: &Record) -> bool {
    match &record.subject {
        Subject::Event { .. } => true,
        Subject::Call(call) => call.registered.as_ref().is_some_and(|registered| {
            let command = &registered.command;
            call.outcome == OK && command.origin == Origin::Builtin && !command.effects.read_only
        }),
    }
}

/// Refusals that were not recorded one by one, by network; nothing for those of too many networks.
#[derive(Debug, Default)]
struct Sums(HashMap<Option<IpAddr>, Sum>);

#[derive(Debug)]
struct Sum {
    began: Instant,
    /// Those recorded as they are.
    one_by_one: u32,
    /// The others.
    number: u64,
    first: Duration,
    last: Duration,
    outcomes: BTreeMap<&'static str, u64>,
    accounts: BTreeSet<String>,
}

impl Sums {
    /// Whether the call is to be recorded as it is. Otherwise it was added to the sum of its network.
    fn passes(&mut self, call: &CallRecord, time: Duration, now: Instant) -> bool {
        let Some(address) = call.source.address.filter(|_| !call.allowed) else { return true };
        let key = Some(network(address));
        let key = key.filter(|key| self.0.len() < NETWORKS_MAX || self.0.contains_key(&Some(*key)));
        let sum = self.0.entry(key).or_insert_with(|| Sum {
            began: now,
            one_by_one: 0,
            number: 0,
            first: time,
            last: time,
            outcomes: BTreeMap::new(),
            accounts: BTreeSet::new(),
        });
        if sum.one_by_one < REFUSALS_MAX {
            sum.one_by_one += 1;
            return true;
        }
        if sum.number == 0 {
            sum.first = time;
        }
        (sum.number, sum.last) = (sum.number + 1, time);
        *sum.outcomes.entry(call.outcome).or_default() += 1;
        let named = call.claimed.as_ref().or_else(|| call.caller.as_ref().and_then(|caller| caller.account()));
        if let Some(account) = named.filter(|_| sum.accounts.len() < ACCOUNTS_MAX) {
            sum.accounts.insert(account.as_str().to_owned());
        }
        false
    }

    /// Takes out the sums whose window is over, or all, as records.
    fn due(&mut self, now: Instant, all: bool) -> Vec<Record> {
        let over = self.0.extract_if(|_, sum| all || now.saturating_duration_since(sum.began) >= WINDOW);
        let written = over.filter(|(_, sum)| sum.number > 0).map(|(network, sum)| {
            let network = network.map_or_else(|| "others".to_owned(), |network| network.to_string());
            let detail = json!({
                "network": network,
                "number": sum.number,
                "first": time_text(sum.first),
                "last": time_text(sum.last),
                "outcomes": sum.outcomes,
                "accounts": sum.accounts,
            });
            Record { time: sum.last, subject: Subject::Event { name: "refusals-summed-up", detail } }
        });
        written.collect()
    }
}
