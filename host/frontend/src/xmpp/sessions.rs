//! Commands that were begun and wait for their form: bound to who began them, bounded in number and in time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use muster_core::error::CallError;
use muster_core::random::Random;

use super::jid::Jid;

/// Most sessions.
pub(super) const SESSIONS_MAX: usize = 1000;
/// Most sessions of one account, whatever its resource; a further one ends its oldest.
pub(super) const SESSIONS_PER_JID_MAX: usize = 10;
/// How long a form may be filled in.
const LIFETIME: Duration = Duration::from_mins(10);
/// How long it is remembered that a session has expired.
const REMEMBERED: Duration = Duration::from_mins(10);
/// Bytes of an id: it cannot be guessed.
const ID_BYTES: usize = 16;

/// Why a session cannot go on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum SessionError {
    /// There is none with that id, or it belongs to another sender.
    Unknown,
    /// It was left alone for too long.
    Expired,
}

/// The sessions there are.
#[derive(Debug)]
pub(super) struct Sessions {
    random: Arc<dyn Random>,
    open: Mutex<HashMap<String, Session>>,
}

#[derive(Debug)]
struct Session {
    jid: Jid,
    node: String,
    expires: Instant,
}

impl Sessions {
    pub(super) fn new(random: Arc<dyn Random>) -> Self {
        Self { random, open: Mutex::default() }
    }

    /// Begins one, and gives its id.
    ///
    /// # Errors
    /// [`CallError::TooManyCalls`] when there are too many; another error when there is no randomness to be had.
    pub(super) fn open(&self, jid: &Jid, node: &str, now: Instant) -> Result<String, CallError> {
        let mut bytes = [0_u8; ID_BYTES];
        self.random.fill(&mut bytes)?;
        let id = format!("{:032x}", u128::from_be_bytes(bytes));
        self.keep(id.clone(), jid, node, now)?;
        Ok(id)
    }

    /// Begins one of this id, or goes on with it.
    ///
    /// # Errors
    /// [`CallError::TooManyCalls`] when there are too many.
    pub(super) fn keep(&self, id: String, jid: &Jid, node: &str, now: Instant) -> Result<(), CallError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, session| session.expires + REMEMBERED > now);
        let own = || open.iter().filter(|(_, session)| session.jid.bare() == jid.bare());
        if own().count() >= SESSIONS_PER_JID_MAX
            && let Some(oldest) = own().min_by_key(|(_, session)| session.expires).map(|(id, _)| id.clone())
        {
            open.remove(&oldest);
        }
        if open.len() >= SESSIONS_MAX {
            open.retain(|_, session| session.expires > now);
        }
        if open.len() >= SESSIONS_MAX {
            return Err(CallError::TooManyCalls);
        }
        open.insert(id, Session { jid: jid.clone(), node: node.to_owned(), expires: now + LIFETIME });
        Ok(())
    }

    /// Ends one, for the one who began it.
    ///
    /// # Errors
    /// When it is not there, not theirs, not about this node, or expired.
    pub(super) fn take(&self, id: &str, jid: &Jid, node: &str, now: Instant) -> Result<(), SessionError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        match open.get(id) {
            Some(session) if session.jid == *jid && session.node == node => {
                if session.expires <= now {
                    return Err(SessionError::Expired);
                }
                open.remove(id);
                Ok(())
            }
            _ => Err(SessionError::Unknown),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU8, Ordering};

    use super::*;

    #[derive(Debug, Default)]
    struct Counting(AtomicU8);

    impl Random for Counting {
        fn fill(&self, bytes: &mut [u8]) -> Result<(), CallError> {
            bytes.fill(self.0.fetch_add(1, Ordering::Relaxed));
            Ok(())
        }
    }

    fn jid(text: &str) -> Jid {
        Jid::parse(text).unwrap()
    }

    #[test]
    fn a_session_is_its_beginners_alone_and_ends_once() {
        let (sessions, now) = (Sessions::new(Arc::new(Counting::default())), Instant::now());
        let ann = jid("ann@h/one");
        let id = sessions.open(&ann, "hello", now).unwrap();
        for (who, node) in [("ann@h/two", "hello"), ("bob@h/one", "hello"), ("ann@h/one", "stop")] {
            assert_eq!(sessions.take(&id, &jid(who), node, now), Err(SessionError::Unknown), "{who} {node}");
        }
        assert_eq!(sessions.take("x", &ann, "hello", now), Err(SessionError::Unknown));
        assert_eq!(sessions.take(&id, &ann, "hello", now), Ok(()));
        assert_eq!(sessions.take(&id, &ann, "hello", now), Err(SessionError::Unknown));
    }

    #[test]
    fn a_session_expires_and_is_forgotten_at_last() {
        let (sessions, now) = (Sessions::new(Arc::new(Counting::default())), Instant::now());
        let ann = jid("ann@h/one");
        let id = sessions.open(&ann, "hello", now).unwrap();
        let short = Duration::from_millis(1);
        assert_eq!(sessions.take(&id, &ann, "hello", now + LIFETIME), Err(SessionError::Expired));
        sessions.open(&jid("bob@h/x"), "hello", now + LIFETIME + REMEMBERED.saturating_sub(short)).unwrap();
        assert_eq!(sessions.take(&id, &ann, "hello", now + LIFETIME), Err(SessionError::Expired));
        sessions.open(&jid("bob@h/x"), "hello", now + LIFETIME + REMEMBERED).unwrap();
        assert_eq!(sessions.take(&id, &ann, "hello", now + LIFETIME), Err(SessionError::Unknown));
    }

    #[test]
    fn the_number_of_sessions_is_bounded() {
        let (sessions, now) = (Sessions::new(Arc::new(Counting::default())), Instant::now());
        for count in 0..SESSIONS_PER_JID_MAX + 5 {
            sessions.keep(format!("a{count}"), &jid("ann@h/one"), "hello", now + Duration::from_millis(1)).unwrap();
        }
        let open = |sessions: &Sessions| sessions.open.lock().unwrap().len();
        assert_eq!(open(&sessions), SESSIONS_PER_JID_MAX);
        for count in SESSIONS_PER_JID_MAX..SESSIONS_MAX {
            sessions.keep(format!("b{count}"), &jid(&format!("b{count}@h/x")), "hello", now).unwrap();
        }
        assert!(sessions.keep("c".to_owned(), &jid("c@h/x"), "hello", now).is_err());
        // Those that expired make room.
        let later = now + LIFETIME;
        assert!(sessions.keep("c".to_owned(), &jid("c@h/x"), "hello", later).is_ok());
        assert_eq!(open(&sessions), SESSIONS_PER_JID_MAX + 1);
    }
}
