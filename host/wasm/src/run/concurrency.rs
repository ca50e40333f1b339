//! How many calls run at a time: of all plugins, of each, and of each caller.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use muster_core::caller::{Caller, Principal};
use muster_core::error::CallError;
use tokio::sync::Semaphore;

use crate::limits::Limits;

/// The places of a host.
#[derive(Debug)]
pub(crate) struct ConcurrencyLimits {
    /// One for each call that can run at a time, of all plugins.
    pub(crate) all: Arc<Semaphore>,
    per_caller_max: usize,
    callers: Mutex<HashMap<Principal, usize>>,
}

/// One place of a caller, free again when it is dropped.
#[derive(Debug)]
pub(crate) struct CallerSlot {
    places: Arc<ConcurrencyLimits>,
    caller: Principal,
}

impl ConcurrencyLimits {
    pub(crate) fn new(limits: &Limits) -> Self {
        let callers = Mutex::default();
        Self { all: Arc::new(Semaphore::new(limits.calls_max)), per_caller_max: limits.calls_per_caller_max, callers }
    }

    /// Takes one of the caller's places. The console has as many as it likes.
    ///
    /// # Errors
    /// [`CallError::TooManyCalls`] when all of them are taken.
    pub(crate) fn of_caller(self: &Arc<Self>, caller: &Caller) -> Result<Option<CallerSlot>, CallError> {
        let caller = caller.principal();
        if caller == Principal::Console {
            return Ok(None);
        }
        let mut callers = self.lock();
        match callers.get_mut(&caller) {
            Some(taken) if *taken >= self.per_caller_max => return Err(CallError::TooManyCalls),
            Some(taken) => *taken += 1,
            None => drop(callers.insert(caller.clone(), 1)),
        }
        drop(callers);
        Ok(Some(CallerSlot { places: Arc::clone(self), caller }))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Principal, usize>> {
        self.callers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for CallerSlot {
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

#[cfg(test)]
mod tests {
    use muster_core::caller::{Authority, Identity, RequestId};
    use muster_core::name::{AccountId, FrontendName};

    use super::*;

    #[test]
    fn a_caller_has_so_many_places_and_a_network_is_one() {
        let places = Arc::new(ConcurrencyLimits::new(&Limits { calls_per_caller_max: 2, ..Limits::default() }));
        let take = |account: Option<&str>, address: &str| {
            let account = account.map(|account| Identity::Account(AccountId::parse(account).unwrap()));
            places.of_caller(&Caller {
                identity: account.unwrap_or(Identity::Anonymous),
                authority: Authority::Full,
                record: None,
                via: FrontendName("rest"),
                tag: None,
                through_plugin: false,
                address: Some(address.parse().unwrap()),
                request_id: RequestId::from_random(1),
                trace: None,
            })
        };
        let kept = (take(None, "2001:db8::1").unwrap(), take(None, "2001:db8::2").unwrap());
        assert!(take(None, "2001:db8::3").is_err() && take(None, "2001:db8:0:0:ffff::").is_err());
        assert!(take(None, "2001:db8:0:1::").is_ok() && take(Some("ann@localhost"), "2001:db8::1").is_ok());
        drop(kept);
        assert!(take(None, "2001:db8::3").is_ok() && places.lock().is_empty());
    }
}
