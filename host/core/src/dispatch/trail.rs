//! The record of one call as it comes into being. It hands itself over when the call ends, and when it is dropped
//! before, because the caller went away: every call leaves a record.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use crate::audit::{ABANDONED, Audit, CallRecord, OK, Record, Subject};
use crate::authn::{Credential, Source};
use crate::caller::Caller;
use crate::clock::Clock;
use crate::error::CallError;
use crate::name::AccountId;
use crate::permission::Permit;
use crate::registry::Registered;

/// Longest name of a command that does not exist, in bytes.
const NAME_BYTES_MAX: usize = 80;

/// What is known of a call so far; nothing where nothing is recorded.
#[derive(Debug, Default)]
pub(super) struct CallRecorder(Option<Box<Open>>);

#[derive(Debug)]
struct Open {
    audit: Arc<dyn Audit>,
    clock: Arc<dyn Clock>,
    started: Instant,
    /// The account the credential names, as sent.
    claimed: Option<String>,
    call: Box<CallRecord>,
}

impl CallRecorder {
    pub(super) fn begin(
        audit: Option<&Arc<dyn Audit>>,
        clock: &Arc<dyn Clock>,
        source: &Source,
        credential: &Credential,
        started: Instant,
    ) -> Self {
        let Some(audit) = audit else { return Self(None) };
        let claimed = match credential {
            Credential::Basic { account, .. } | Credential::BearerOf { account, .. } => Some(account.clone()),
            Credential::Certificate(account) | Credential::Asserted(account) => Some(account.as_ref().to_owned()),
            Credential::Absent
            | Credential::Bearer(_)
            | Credential::Unusable
            | Credential::Console
            | Credential::Authenticated(_) => None,
        };
        let call = Box::new(CallRecord {
            source: source.clone(),
            caller: None,
            rejected: None,
            claimed: None,
            name: String::new(),
            registered: None,
            allowed: false,
            group: None,
            arguments: None,
            outcome: ABANDONED,
            duration_us: 0,
        });
        Self(Some(Box::new(Open { audit: Arc::clone(audit), clock: Arc::clone(clock), started, claimed, call })))
    }

    /// The credential was accepted.
    pub(super) fn caller(&mut self, caller: &Arc<Caller>) {
        self.note(|open| open.call.caller = Some(Arc::clone(caller)));
    }

    /// The credential was not accepted. Which account it named is kept where that can be one of `ours`: people type
    /// passwords where names belong.
    pub(super) fn rejected(&mut self, error: &CallError, name: String, ours: impl Fn(&AccountId) -> bool) {
        self.note(|open| {
            open.call.rejected = error.rejection();
            let account = open.claimed.take().and_then(|claimed| AccountId::parse(&claimed).ok());
            open.call.claimed = account.filter(|account| ours(account));
        });
        self.name(name);
    }

    /// There is such a command.
    pub(super) fn registered(&mut self, registered: &Arc<Registered>) {
        self.note(|open| open.call.registered = Some(Arc::clone(registered)));
    }

    /// What was asked for, by the name that was sent. A command that is known needs no other name.
    pub(super) fn name(&mut self, mut name: String) {
        self.note(|open| {
            if open.call.registered.is_some() {
                return;
            }
            name.truncate(name.floor_char_boundary(NAME_BYTES_MAX));
            open.call.name = name;
        });
    }

    /// No command is called after all.
    pub(super) fn unnamed(&mut self) {
        self.note(|open| {
            open.call.registered = None;
            open.call.name.clear();
        });
    }

    /// Some arguments at least are allowed.
    pub(super) fn admitted(&mut self) {
        self.note(|open| open.call.allowed = true);
    }

    /// These arguments are, or are not.
    pub(super) fn judged(&mut self, arguments: &Bytes, permit: Option<&Permit>) {
        self.note(|open| {
            open.call.arguments = Some(arguments.clone());
            open.call.allowed = permit.is_some();
            open.call.group = permit.map(|permit| Arc::clone(permit.group()));
        });
    }

    fn note(&mut self, note: impl FnOnce(&mut Open)) {
        if let Some(open) = &mut self.0 {
            note(open);
        }
    }

    /// The call failed, or has a result.
    pub(super) fn end(mut self, error: Option<&CallError>) {
        if let Some(open) = self.0.take() {
            let audit = Arc::clone(&open.audit);
            audit.record(open.into_record(outcome(error)));
        }
    }

    /// Nothing happened that would be worth a record.
    pub(super) fn forget(mut self) {
        self.0 = None;
    }

    /// As [`CallRecorder::end`], and waits until the record cannot get lost.
    pub(super) async fn end_durably(mut self) -> Result<(), CallError> {
        let Some(open) = self.0.take() else { return Ok(()) };
        let audit = Arc::clone(&open.audit);
        audit.record_durably(open.into_record(OK)).await
    }
}

impl Drop for CallRecorder {
    fn drop(&mut self) {
        if let Some(open) = self.0.take() {
            let audit = Arc::clone(&open.audit);
            audit.record(open.into_record(ABANDONED));
        }
    }
}

impl Open {
    fn into_record(self, outcome: &'static str) -> Record {
        let mut call = self.call;
        call.outcome = outcome;
        call.duration_us = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        Record { time: self.clock.since_epoch(), subject: Subject::Call(call) }
    }
}

fn outcome(error: Option<&CallError>) -> &'static str {
    error.map_or(OK, CallError::code)
}
