//! How much may be open at a time: sessions, and streams of clients that have none. An authenticated caller has a limit
//! of their own. Anonymous callers have a small limit per address, and a fraction of the total together, so that they
//! never lock out others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use muster_core::caller::{Caller, Principal};
use muster_core::error::CallError;

/// Most places of an authenticated caller.
const PER_CALLER_MAX: usize = 64;
/// Most places of anonymous callers from one address (of IPv6, one /64).
const PER_ADDRESS_MAX: usize = 8;
/// The part of all places for anonymous callers: one of so many.
const ANONYMOUS_PART: usize = 4;

/// Whether nothing is known of it but where it is.
fn is_anonymous(party: &Principal) -> bool {
    matches!(party, Principal::Network(_))
}

/// All places.
#[derive(Debug)]
pub(super) struct Places {
    most: usize,
    taken: Mutex<HashMap<Principal, usize>>,
}

impl Places {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, taken: Mutex::default() })
    }

    /// Takes a place, which is free again when it is dropped.
    ///
    /// # Errors
    /// When there is none for the caller.
    pub(super) fn take(self: &Arc<Self>, caller: &Caller) -> Result<Place, CallError> {
        let party = caller.principal();
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let sum = |of: fn(&Principal) -> bool| -> usize {
            taken.iter().filter(|(party, _)| of(party)).map(|(_, count)| count).sum()
        };
        let own = taken.get(&party).copied().unwrap_or_default();
        let is_full = if is_anonymous(&party) {
            own >= PER_ADDRESS_MAX || sum(is_anonymous) >= (self.most / ANONYMOUS_PART).max(1)
        } else {
            own >= PER_CALLER_MAX
        };
        if is_full || sum(|_| true) >= self.most {
            let text = "too many MCP sessions are open; end one, or try again later";
            return Err(CallError::Unavailable(text.to_owned()));
        }
        *taken.entry(party.clone()).or_default() += 1;
        Ok(Place { places: Arc::clone(self), party })
    }
}

/// One place that is taken.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    party: Principal,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.party) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                taken.remove(&self.party);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use muster_core::caller::{Authority, Identity, RequestId};
    use muster_core::name::{AccountId, FrontendName};

    use super::*;

    fn caller(account: Option<&str>, address: &str) -> Caller {
        let identity = account.map_or(Identity::Anonymous, |name| Identity::Account(AccountId::parse(name).unwrap()));
        Caller {
            identity,
            authority: Authority::Full,
            record: None,
            via: FrontendName("mcp"),
            tag: None,
            through_plugin: false,
            address: Some(address.parse().unwrap()),
            request_id: RequestId::from_random(1),
            trace: None,
        }
    }

    /// How many places these callers get, one after the other, of so many.
    fn got(most: usize, callers: &[Caller]) -> usize {
        let places = Places::new(most);
        let kept: Vec<Place> = callers.iter().filter_map(|caller| places.take(caller).ok()).collect();
        kept.len()
    }

    #[test]
    fn authenticated_callers_have_more_places_than_anonymous_ones() {
        let ann = || caller(Some("ann@localhost"), "10.0.0.1");
        assert_eq!(got(1000, &[(); 100].map(|()| ann())), 64);
        assert_eq!(got(10, &[(); 100].map(|()| ann())), 10);
        assert_eq!(got(1000, &[(); 100].map(|()| caller(None, "10.0.0.1"))), 8);
        // A host with one address of such a network can use them all.
        let of_one = (0..100).map(|n| caller(None, &format!("2001:db8::{n:x}"))).collect::<Vec<_>>();
        assert_eq!(got(1000, &of_one), 8);
        let of_many = (0..200).map(|n| caller(None, &format!("10.0.0.{n}"))).collect::<Vec<_>>();
        assert_eq!(got(100, &of_many), 25);
        assert_eq!(got(3, &of_many), 1);
    }

    #[test]
    fn a_place_is_free_when_it_is_dropped() {
        let places = Places::new(1);
        let ann = caller(Some("ann@localhost"), "10.0.0.1");
        let place = places.take(&ann).unwrap();
        assert_eq!(places.take(&ann).unwrap_err().code(), "unavailable");
        drop(place);
        assert!(places.take(&ann).is_ok());
        assert!(places.taken.lock().unwrap().is_empty());
    }
}
