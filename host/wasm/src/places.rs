//! How many calls run at a time: of all plugins, of each, and of each caller.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use muster_core::caller::{Caller, Identity};
use muster_core::error::CallError;
use tokio::sync::Semaphore;

use crate::limits::Limits;

/// The places of a host.
#[derive(Debug)]
pub(crate) struct Places {
    /// One for each call that can run at a time, of all plugins.
    pub(crate) all: Arc<Semaphore>,
    per_caller_max: usize,
    callers: Mutex<HashMap<String, usize>>,
}

/// One place of a caller, free again when it is dropped.
#[derive(Debug)]
pub(crate) struct CallerPlace {
    places: Arc<Places>,
    caller: String,
}

impl Places {
    pub(crate) fn new(limits: &Limits) -> Self {
        let callers = Mutex::default();
        Self { all: Arc::new(Semaphore::new(limits.calls_max)), per_caller_max: limits.calls_per_caller_max, callers }
    }

    /// Takes one of the caller's places. The console has as many as it likes.
    ///
    /// # Errors
    /// [`CallError::TooManyCalls`] when all of them are taken.
    pub(crate) fn of_caller(self: &Arc<Self>, caller: &Caller) -> Result<Option<CallerPlace>, CallError> {
        let caller = match &caller.identity {
            Identity::Console => return Ok(None),
            // Nobody knows who they are, but where they are.
            Identity::Anonymous => caller.address.map(|address| address.to_string()).unwrap_or_default(),
            // No account is named without an `@`, and no address has one.
            Identity::Account(account) => account.as_str().to_owned(),
            Identity::Client(client) => format!("client {client}"),
        };
        let mut callers = self.lock();
        match callers.get_mut(&caller) {
            Some(taken) if *taken >= self.per_caller_max => return Err(CallError::TooManyCalls),
            Some(taken) => *taken += 1,
            None => drop(callers.insert(caller.clone(), 1)),
        }
        drop(callers);
        Ok(Some(CallerPlace { places: Arc::clone(self), caller }))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.callers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for CallerPlace {
    fn drop(&mut self) {
        let mut callers = self.places.lock();
        if let Some(taken) = callers.get_mut(&self.caller) {
            *taken -= 1;
            if *taken == 0 {
                callers.remove(&self.caller);
            }
        }
    }
}
