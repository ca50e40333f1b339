//! What is written down about every call and every change of the host: who, through what, which command, what came of
//! it. Core says what is recorded and when; the implementation decides where it is kept, and how a change is noticed.
//!
//! A record is handed over as it is: making a line of it, masking its arguments included, is not the caller's time.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

use crate::BoxFuture;
use crate::authn::{Rejection, Source};
use crate::caller::Caller;
use crate::error::CallError;
use crate::name::AccountId;
use crate::registry::Registered;

/// The outcome of a call that has a result.
pub const OK: &str = "ok";
/// The outcome of a call whose caller went away before it ended.
pub const ABANDONED: &str = "abandoned";

/// One thing that happened.
#[derive(Clone, Debug)]
pub struct Record {
    /// When, since 1970-01-01T00:00:00Z.
    pub time: Duration,
    /// What.
    pub subject: Subject,
}

/// What a record is about.
#[derive(Clone, Debug)]
pub enum Subject {
    /// A call, let through or refused.
    Call(Box<CallRecord>),
    /// Something the host did.
    Event {
        /// What, in a word or two, such as `config-reloaded`.
        name: &'static str,
        /// An object with the particulars; never a secret.
        detail: Value,
    },
}

/// A call, as far as it came.
#[derive(Clone, Debug)]
pub struct CallRecord {
    /// Where it came from.
    pub source: Source,
    /// Who called; nothing when their credential was not accepted.
    pub caller: Option<Arc<Caller>>,
    /// Why their credential was not accepted.
    pub rejected: Option<Rejection>,
    /// The account a credential that was not accepted named.
    pub claimed: Option<AccountId>,
    /// The command's name, as sent, at most 80 bytes, where there is none of that name; empty for the list of commands.
    pub name: String,
    /// The command, where there is one of that name.
    pub registered: Option<Arc<Registered>>,
    /// Whether rules let it through, as far as it came.
    pub allowed: bool,
    /// The rule group that did, once the arguments were known.
    pub group: Option<Arc<str>>,
    /// The arguments as JSON text, where they fit the command's schema.
    pub arguments: Option<Bytes>,
    /// [`OK`], [`ABANDONED`], or the code of the failure.
    pub outcome: &'static str,
    /// How long it took, in microseconds.
    pub duration_us: u64,
}

/// Which records are looked for; everything that is given must fit.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Records behind this one, oldest first.
    pub after_seq: Option<u64>,
    /// Records before this one. Without [`Query::after_seq`], newest first.
    pub before_seq: Option<u64>,
    /// Most records given.
    pub limit: usize,
    /// Named so.
    pub request_id: Option<String>,
    /// By this account, client, or `console`, `anonymous`.
    pub caller: Option<String>,
    /// Of this command.
    pub command: Option<String>,
    /// With this outcome.
    pub outcome: Option<String>,
    /// Not before this moment (RFC 3339).
    pub since: Option<String>,
    /// Not after this moment (RFC 3339).
    pub until: Option<String>,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The records, as objects.
    pub records: Vec<Value>,
    /// Where to go on, as `after_seq` or `before_seq` of the next query; nothing when everything was looked at.
    pub next: Option<u64>,
}

/// Whether anything was changed since it was written.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Verification {
    /// Records looked at.
    pub records: u64,
    /// Files they stand in.
    pub files: u64,
    /// The oldest record kept; nothing when there is none.
    pub first_seq: Option<u64>,
    /// The newest.
    pub last_seq: Option<u64>,
    /// The newest record's hash, in hexadecimal digits; kept elsewhere, it proves later that nothing was taken away.
    pub head: String,
    /// The first thing that does not fit.
    pub problem: Option<Problem>,
    /// When the host was restored from a backup, oldest first: what came after the backup and before that is not there, which
    /// is no problem.
    pub restored: Vec<Restored>,
}

/// A restored backup, as the record tells of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Restored {
    /// The record that tells it; the one before it is the last of the backup.
    pub seq: u64,
    /// When the backup was written, as RFC 3339 writes it.
    pub backup_time: String,
}

/// Something that was changed, removed or put in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// The file.
    pub file: String,
    /// The record that should stand there.
    pub seq: u64,
    /// What does not fit, in words.
    pub reason: String,
}

/// Keeps records.
pub trait Audit: Debug + Send + Sync {
    /// Whether records can be kept. While they cannot, no call is let through.
    fn is_ready(&self) -> bool;

    /// Takes a record, which is written within milliseconds. Where they come faster than they can be written, this waits; where
    /// nothing can be written at all, records are counted instead, and a later one says how many were lost.
    fn record(&self, record: Record);

    /// Takes a record and waits until it survives a power failure.
    ///
    /// The future fails when it was not written.
    fn record_durably(&self, record: Record) -> BoxFuture<'_, Result<(), CallError>>;

    /// Looks for records, within bounded time.
    fn search(&self, query: Query) -> BoxFuture<'_, Result<Page, CallError>>;

    /// Looks at every record.
    fn verify(&self) -> BoxFuture<'_, Result<Verification, CallError>>;
}
