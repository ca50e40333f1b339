//! Sessions, as revisions of the protocol before 2026-07-28 have them: the owner of each, and how long it was idle. A
//! session is its owner's: for everybody else there is none of that name. It gives no rights; those are looked up with
//! each request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::http::HeaderMap;
use muster_core::caller::{Authority, Caller, Identity};
use muster_core::error::CallError;
use rmcp::transport::streamable_http_server::session::SessionManager;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;

use super::session_limits::{Place, Places};
use crate::http::problem::Refusal;

/// The header that names a session.
pub(super) const SESSION_ID: &str = "mcp-session-id";
/// Longest time between two searches for idle sessions.
const LOOK_EVERY_MAX: Duration = Duration::from_secs(30);

/// The sessions there are.
pub(super) struct Sessions {
    manager: Arc<LocalSessionManager>,
    open: Mutex<HashMap<String, Session>>,
    places: Arc<Places>,
    idle_max: Duration,
}

/// One of them.
struct Session {
    /// Who opened it, and how much of their rights their credential carried.
    owner: (Identity, Authority),
    /// When it was used last.
    used: Instant,
    /// Calls that are running: it is in use as long as there are some.
    running: usize,
    _place: Place,
}

impl Sessions {
    /// `manager` closes no session by itself: what is idle is known here.
    pub(super) fn new(manager: Arc<LocalSessionManager>, most: usize, idle_max: Duration) -> Self {
        Self { manager, open: Mutex::default(), places: Places::new(most), idle_max }
    }

    fn open(&self) -> MutexGuard<'_, HashMap<String, Session>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The session the request names, if it names one; that counts as its use.
    ///
    /// # Errors
    /// When it is not the caller's, or none at all: the error does not tell which.
    pub(super) fn of(&self, headers: &HeaderMap, caller: &Caller) -> Result<Option<String>, Refusal> {
        let mut values = headers.get_all(SESSION_ID).iter();
        let id = match (values.next(), values.next()) {
            (None, _) => return Ok(None),
            (Some(value), None) => value.to_str().unwrap_or_default(),
            (Some(_), Some(_)) => "",
        };
        match self.open().get_mut(id) {
            Some(session) if session.owner.0 == caller.identity && session.owner.1 == caller.authority => {
                session.used = Instant::now();
                Ok(Some(id.to_owned()))
            }
            Some(_) | None => Err(Refusal::NoSession),
        }
    }

    /// Takes a place for a session, or for a stream of a client that has none.
    ///
    /// # Errors
    /// When there is none.
    pub(super) async fn place(&self, caller: &Caller) -> Result<Place, CallError> {
        self.forget_ended().await;
        self.places.take(caller)
    }

    /// Notes whose the session is that began.
    pub(super) fn begin(&self, id: &str, caller: &Caller, place: Place) {
        let owner = (caller.identity.clone(), caller.authority.clone());
        let session = Session { owner, used: Instant::now(), running: 0, _place: place };
        self.open().insert(id.to_owned(), session);
    }

    /// Keeps the session in use until what this gives is dropped.
    pub(super) fn run(self: &Arc<Self>, id: String) -> Running {
        if let Some(session) = self.open().get_mut(&id) {
            session.running += 1;
        }
        Running { sessions: Arc::clone(self), id }
    }

    /// Ends a session, and every stream of it.
    async fn end(&self, id: &str) {
        self.open().remove(id);
        if let Err(error) = self.manager.close_session(&id.into()).await {
            tracing::debug!(error = %error, "closing an MCP session that has already ended");
        }
    }

    /// Ends idle sessions, for ever.
    pub(super) async fn end_idle(&self) {
        loop {
            tokio::time::sleep(LOOK_EVERY_MAX.min(self.idle_max / 4)).await;
            self.forget_ended().await;
            let is_idle = |session: &Session| session.running == 0 && session.used.elapsed() >= self.idle_max;
            let idle: Vec<String> =
                self.open().iter().filter(|(_, session)| is_idle(session)).map(|(id, _)| id.clone()).collect();
            for id in idle {
                self.end(&id).await;
            }
        }
    }

    /// Some end by themselves.
    async fn forget_ended(&self) {
        // Looked at together: one that begins meanwhile must not be taken for one that ended.
        let there = self.manager.sessions.read().await;
        self.open().retain(|id, _| there.contains_key(id.as_str()));
    }
}

/// A call that is running in a session.
pub(super) struct Running {
    sessions: Arc<Sessions>,
    id: String,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Running")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(session) = self.sessions.open().get_mut(&self.id) {
            session.running = session.running.saturating_sub(1);
            session.used = Instant::now();
        }
    }
}
