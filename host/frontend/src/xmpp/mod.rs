//! XMPP: Muster as a component of a server (XEP-0114) that runs commands (XEP-0050) for people with ordinary clients.
//!
//! A stanza goes `connection` → `stanza` → `disco` or `command` → dispatcher → `form`, `result` → `connection`. Who
//! sent it is what the server says, for the domains it is believed about; senders of other domains are anonymous.
//! Everything is bounded: stanzas, calls at a time, in total and of one account, sessions and how long they last.
//!
//! The stanzas are made by hand over [`crate::xml`]: the crates for XMPP are under the MPL, none of them speaks XEP-0050 or
//! XEP-0122, and the component of `tokio-xmpp` has no TLS.

mod command;
mod connection;
mod disco;
mod form;
mod jid;
mod names;
mod result;
mod sessions;
mod stanza;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use muster_core::authn::{Credential, Source};
use muster_core::caller::RequestId;
use muster_core::dispatch::{Dispatcher, Head, Listed};
use muster_core::name::FrontendName;
use muster_core::random::Random;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::http::request_id::RequestIds;
use crate::xml::{Element, Piece};
use connection::{ConnectionError, Incoming, Outgoing, STANZA};
use jid::Jid;
use names::{COMMANDS, COMPONENT, DISCO_INFO, DISCO_ITEMS, PING};
use sessions::Sessions;
use stanza::{Request, StanzaError};

/// The interface's name in rules.
const XMPP: FrontendName = FrontendName("xmpp");

/// Requests worked on at a time.
const REQUESTS_MAX: usize = 64;
/// Requests of one account worked on at a time, whatever its resource.
const REQUESTS_PER_JID_MAX: usize = 4;
/// Longest form of a result, in bytes: servers take stanzas of 256 KiB and more.
const ANSWER_BYTES_MAX: usize = 240 << 10;
/// How often the server is asked whether it is still there.
const PING_EVERY: Duration = Duration::from_mins(1);
/// How long it may be silent.
const SILENCE_MAX: Duration = Duration::from_secs(150);
/// Time until the first attempt to connect again, at most.
const RETRY_FIRST: Duration = Duration::from_secs(1);
/// Time until any further one, at most: it doubles until then.
const RETRY_MAX: Duration = Duration::from_mins(1);
/// A connection that lasted so long makes the next attempt a first one again.
const STEADY_AFTER: Duration = Duration::from_mins(1);

/// Which server, and as whom.
#[derive(Clone)]
pub struct Settings {
    /// Where it takes components, as `HOST:PORT`.
    pub server: String,
    /// The component's domain.
    pub domain: String,
    /// What the server knows this component by.
    pub secret: String,
    /// The server's name in its certificate and whom to believe about it; without, the stream is not encrypted.
    pub tls: Option<(ServerName<'static>, Arc<ClientConfig>)>,
    /// Domains for which the server authenticates the accounts. Senders of other domains are anonymous.
    pub trusted_domains: Vec<String>,
    /// Time for calls to end when the host stops.
    pub drain_deadline: Duration,
}

impl fmt::Debug for Settings {
    // By hand: the secret must not reach a log.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { server, domain, secret: _, tls, trusted_domains, drain_deadline: _ } = self;
        formatter
            .debug_struct("Settings")
            .field("server", server)
            .field("domain", domain)
            .field("tls", &tls.is_some())
            .field("trusted_domains", trusted_domains)
            .finish_non_exhaustive()
    }
}

/// The component.
#[derive(Debug)]
pub struct Xmpp {
    wire: Arc<Wire>,
}

/// What every request needs.
#[derive(Debug)]
struct Wire {
    dispatcher: Arc<Dispatcher>,
    settings: Settings,
    sessions: Sessions,
    request_ids: RequestIds,
}

impl Xmpp {
    /// A component in front of the dispatcher. `seed`: random bits that set this process's request ids apart.
    pub fn new(dispatcher: Arc<Dispatcher>, settings: Settings, seed: u64, random: Arc<dyn Random>) -> Self {
        let (sessions, request_ids) = (Sessions::new(random), RequestIds::new(seed));
        Self { wire: Arc::new(Wire { dispatcher, settings, sessions, request_ids }) }
    }

    /// Connects, and connects again, until `stopping` says so; then lets running calls end.
    pub async fn run(self, mut stopping: watch::Receiver<bool>) {
        let settings = &self.wire.settings;
        let (server, domain) = (settings.server.as_str(), settings.domain.as_str());
        let mut retry = RETRY_FIRST;
        loop {
            let opened = tokio::select! {
                opened = connection::open(settings) => opened,
                _ = stopping.wait_for(|stop| *stop) => return,
            };
            let connected = Instant::now();
            let error = match opened {
                Ok(streams) => {
                    tracing::info!(server, domain, "connected to the XMPP server");
                    match serve(&self.wire, streams, &mut stopping).await {
                        Ok(()) => return,
                        Err(error) => error,
                    }
                }
                Err(error) => error,
            };
            if connected.elapsed() >= STEADY_AFTER {
                retry = RETRY_FIRST;
            }
            // Between a half and all of it, so that not everybody comes back at the same time.
            let wait = retry.mul_f64(0.5 + fastrand::f64() / 2.0);
            let retry_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            tracing::warn!(server, domain, retry_ms, error = %error, "no connection to the XMPP server");
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                _ = stopping.wait_for(|stop| *stop) => return,
            }
            retry = (retry * 2).min(RETRY_MAX);
        }
    }
}

/// Serves one connection until it ends, or until `stopping` says so and every request was answered.
async fn serve(
    wire: &Arc<Wire>,
    (mut incoming, mut outgoing): (Incoming, Outgoing),
    stopping: &mut watch::Receiver<bool>,
) -> Result<(), ConnectionError> {
    let mut requests = Requests::default();
    let mut pings = tokio::time::interval(PING_EVERY);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    pings.reset();
    let mut heard = Instant::now();
    loop {
        tokio::select! {
            piece = incoming.next() => {
                heard = Instant::now();
                if let Some(answer) = requests.take(wire, piece?)? {
                    outgoing.send(&answer).await?;
                }
            }
            answer = requests.next() => outgoing.send(&answer).await?,
            _ = pings.tick() => {
                if heard.elapsed() > SILENCE_MAX {
                    return Err(ConnectionError::Silent);
                }
                outgoing.send(&ping(&wire.settings.domain)).await?;
            }
            _ = stopping.wait_for(|stop| *stop) => break,
        }
    }
    let draining = async {
        while !requests.is_empty() {
            outgoing.send(&requests.next().await).await?;
        }
        outgoing.close().await
    };
    match tokio::time::timeout(wire.settings.drain_deadline, draining).await {
        Ok(closed) => closed.or(Ok(())),
        Err(_) => Ok(()),
    }
}

/// A ping to the component itself, which takes the way through the server.
fn ping(domain: &str) -> Element {
    let stanza = Element::new(COMPONENT, "iq").with("from", domain).with("to", domain);
    stanza.with("type", "get").with("id", "ping").child(Element::new(PING, "ping"))
}

/// The requests that are worked on. Dropped with the connection, which ends them.
#[derive(Default)]
struct Requests {
    tasks: JoinSet<(String, Element)>,
    per_jid: HashMap<String, usize>,
}

impl Requests {
    fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// The next answer; never, when there is none to come.
    async fn next(&mut self) -> Element {
        loop {
            match self.tasks.join_next().await {
                Some(Ok((bare, answer))) => {
                    if let Some(count) = self.per_jid.get_mut(&bare) {
                        *count -= 1;
                        if *count == 0 {
                            self.per_jid.remove(&bare);
                        }
                    }
                    return answer;
                }
                // A task that panicked or was ended has no answer.
                Some(Err(_)) => {}
                None => std::future::pending().await,
            }
        }
    }

    /// Begins what a piece of the stream asks for, or answers at once.
    fn take(&mut self, wire: &Arc<Wire>, piece: Piece) -> Result<Option<Element>, ConnectionError> {
        let stanza = match piece {
            Piece::Whole(stanza) => stanza,
            Piece::Oversized(stanza) => {
                let refused = Request::read(&stanza);
                return Ok(refused.map(|request| request.answer(Err(StanzaError::too_large(STANZA.bytes_max)))));
            }
            Piece::Opened(_) => return Ok(None),
            Piece::Closed => return Err(ConnectionError::Closed),
        };
        if let Some(error) = connection::stream_error(&stanza) {
            return Err(error);
        }
        let Some(request) = Request::read(&stanza) else { return Ok(None) };
        let bare = request.from.bare().to_owned();
        let of_jid = self.per_jid.get(&bare).copied().unwrap_or_default();
        if self.tasks.len() >= REQUESTS_MAX || of_jid >= REQUESTS_PER_JID_MAX {
            let text = "too many concurrent requests; retry when one was answered";
            return Ok(Some(request.answer(Err(StanzaError::too_much(text)))));
        }
        self.per_jid.insert(bare.clone(), of_jid + 1);
        let wire = Arc::clone(wire);
        self.tasks.spawn(async move { (bare, request.answer(wire.answer(&request).await)) });
        Ok(None)
    }
}

impl Wire {
    async fn answer(&self, request: &Request) -> Result<Option<Element>, StanzaError> {
        let payload = &request.payload;
        if request.to != self.settings.domain {
            return Err(StanzaError::not_served());
        }
        let (from, node) = (&request.from, payload.attribute("node"));
        match (payload.namespace(), payload.name(), request.is_set) {
            (DISCO_INFO, "query", false) => disco::info(self, from, node).await.map(Some),
            (DISCO_ITEMS, "query", false) => disco::items(self, from, node).await.map(Some),
            (COMMANDS, "command", true) => command::run(self, request).await.map(Some),
            (PING, "ping", false) => Ok(None),
            _ => Err(StanzaError::not_served()),
        }
    }

    fn domain(&self) -> &str {
        &self.settings.domain
    }

    fn request_id(&self) -> RequestId {
        self.request_ids.next()
    }

    /// Who a sender is.
    fn caller(&self, from: &Jid, request_id: &RequestId) -> (Credential, Source) {
        let is_trusted = self.settings.trusted_domains.iter().any(|domain| domain == from.domain());
        let credential = if is_trusted && from.has_local() {
            Credential::Asserted(Arc::from(from.bare()))
        } else {
            Credential::Absent
        };
        (credential, Source { via: XMPP, tag: None, address: None, request_id: request_id.clone(), trace: None })
    }

    /// The command a node stands for, if the sender may run it.
    async fn find(&self, from: &Jid, node: &str) -> Result<Listed, StanzaError> {
        self.find_as(from, node, &self.request_id()).await
    }

    async fn find_as(&self, from: &Jid, node: &str, request_id: &RequestId) -> Result<Listed, StanzaError> {
        let (credential, source) = self.caller(from, request_id);
        let (name, version) = command::name_and_version(node);
        let head = Head { source, credential, name: name.to_owned(), version, safe: false };
        self.dispatcher.find(head).await.map_err(|error| StanzaError::of(&error, request_id))
    }
}
