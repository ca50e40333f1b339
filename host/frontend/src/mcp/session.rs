//! Sessions, as revisions of the protocol before 2026-07-28 have them: whose each is, and how many there are. A session is
//! its owner's: for everybody else there is none of that name. It gives no rights; those are looked up with each request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::HeaderMap;
use muster_core::caller::{Authority, Caller, Identity};
use muster_core::error::CallError;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;

use crate::problem::Refusal;

/// The header that names a session.
pub(super) const SESSION_ID: &str = "mcp-session-id";
/// Most sessions of one caller.
const PER_CALLER_MAX: usize = 64;

/// Whose a session is: who they are, and how much of their rights their credential carries.
type Owner = (Identity, Authority);

/// The sessions there are.
pub(super) struct Sessions {
    manager: Arc<LocalSessionManager>,
    owners: Mutex<HashMap<String, Owner>>,
    most: usize,
}

impl Sessions {
    pub(super) fn new(manager: Arc<LocalSessionManager>, most: usize) -> Self {
        Self { manager, owners: Mutex::default(), most }
    }

    /// The session the request names, if it names one.
    ///
    /// # Errors
    /// When it is not the caller's, or none at all: which of both is told to nobody.
    pub(super) fn of(&self, headers: &HeaderMap, caller: &Caller) -> Result<Option<String>, Refusal> {
        let mut values = headers.get_all(SESSION_ID).iter();
        let id = match (values.next(), values.next()) {
            (None, _) => return Ok(None),
            (Some(value), None) => value.to_str().unwrap_or_default(),
            (Some(_), Some(_)) => "",
        };
        let owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
        match owners.get(id) {
            Some((identity, authority)) if *identity == caller.identity && *authority == caller.authority => {
                Ok(Some(id.to_owned()))
            }
            Some(_) | None => Err(Refusal::NoSession),
        }
    }

    /// Sees that there is room for one more.
    ///
    /// # Errors
    /// When there is none.
    pub(super) async fn make_room(&self, caller: &Caller) -> Result<(), CallError> {
        let open: Vec<String> = self.manager.sessions.read().await.keys().map(ToString::to_string).collect();
        let mut owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
        // Some ended by themselves.
        owners.retain(|id, _| open.contains(id));
        let own = owners.values().filter(|(identity, _)| *identity == caller.identity).count();
        if open.len() >= self.most || own >= PER_CALLER_MAX {
            return Err(CallError::Unavailable(
                "too many MCP sessions are open; end one, or try again later".to_owned(),
            ));
        }
        Ok(())
    }

    /// Notes whose the session is that began.
    pub(super) fn begin(&self, id: &str, caller: &Caller) {
        let owner = (caller.identity.clone(), caller.authority.clone());
        self.owners.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned(), owner);
    }
}
