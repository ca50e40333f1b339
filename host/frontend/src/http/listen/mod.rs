//! Sockets: accepts connections, bounds how many there are, how slowly they may greet, send a request's head and read an
//! answer, and lets them end their calls before the host stops.

mod connections;
mod drain;
mod line;
mod proxy;
mod tls;
mod unsent;

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use muster_core::address::network;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::watch;

pub use connections::Connections;
pub use proxy::{BrokenChain, HOPS_MAX, TrustedProxies};
pub use tls::{ClientAccount, Tls, TlsError, TlsFiles};
pub use unsent::Unsent;

use crate::http::entrance::{Site, normal};
use connections::Place;
use line::{Exchange, Line};
use unsent::Answer;

/// Who is at the other end of a connection.
#[derive(Clone, Debug)]
pub enum Peer {
    /// A machine on the network, or this one.
    Network {
        /// Where it is.
        address: SocketAddr,
        /// What its certificate names as its account: nothing when it presented none, an empty text when the one it
        /// presented names none.
        account: Option<Arc<str>>,
        /// What it came to.
        door: Arc<ListenerConfig>,
    },
    /// The owner of this process, on this machine.
    Owner,
}

/// What sets one listening socket apart from the others.
#[derive(Debug, Default)]
pub struct ListenerConfig {
    /// How rules name it.
    pub tag: Option<Arc<str>>,
    /// Whose word is taken for who called them.
    pub trusted_proxies: TrustedProxies,
    /// How it speaks TLS, if it does.
    pub tls: Option<Arc<Tls>>,
}

/// Bounds on connections.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// Connections open at a time; others wait to be served. The local socket has places of its own.
    pub connections_max: usize,
    /// Connections open at a time from one network (of IPv6, one /64); others are closed. Trusted proxies have no such bound.
    pub connections_per_address_max: usize,
    /// Time for the greeting of TLS, in milliseconds.
    pub greeting_deadline_ms: u64,
    /// Time for the head of a request from its first byte, in milliseconds; for the first one from the beginning of the
    /// connection.
    pub head_deadline_ms: u64,
    /// Time a connection may wait for its next request, in milliseconds.
    pub idle_deadline_ms: u64,
    /// Time in which a client must read something of an answer that waits for it, in milliseconds.
    pub write_deadline_ms: u64,
    /// Length of the head of a request, in bytes.
    pub head_bytes_max: usize,
    /// Time for calls to end when the host stops, in milliseconds.
    pub drain_deadline_ms: u64,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            connections_max: 10_000,
            connections_per_address_max: 2500,
            greeting_deadline_ms: 10_000,
            head_deadline_ms: 10_000,
            idle_deadline_ms: 75_000,
            write_deadline_ms: 30_000,
            head_bytes_max: 64 << 10,
            drain_deadline_ms: 30_000,
        }
    }
}

/// Opens the local socket: only its owner can connect (mode 0600).
///
/// # Errors
/// When another host answers on it, or the path cannot be used.
pub fn bind_local(path: &Path) -> io::Result<UnixListener> {
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        return Err(io::Error::new(io::ErrorKind::AddrInUse, "another host uses this data directory"));
    }
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Serves TCP connections until `stopping` says so, then lets running calls end.
pub async fn serve_tcp(
    listener: TcpListener,
    door: Arc<ListenerConfig>,
    site: Site,
    connections: Arc<Connections>,
    stopping: watch::Receiver<bool>,
) {
    let limits = connections.limits();
    let proxies = Arc::clone(&door);
    let accept = async move || {
        let (stream, address) = listener.accept().await?;
        let network = (!proxies.trusted_proxies.has(address.ip())).then(|| network(address.ip()));
        let Some(place) = connections.come(network) else { return Ok(None) };
        stream.set_nodelay(true)?;
        Ok(Some(((stream, address), place)))
    };
    let open = move |(stream, address), connection: Connection| connection.greet(stream, address, Arc::clone(&door));
    serve(accept, open, site, limits, stopping).await;
}

/// Serves local connections of `owner` (a user id) and root until `stopping` says so, then lets running calls end.
pub async fn serve_local(
    listener: UnixListener,
    owner: u32,
    site: Site,
    limits: ConnectionLimits,
    stopping: watch::Receiver<bool>,
) {
    let connections = Connections::new(ConnectionLimits { connections_max: Connections::LOCAL_MAX, ..limits });
    let accept = async move || {
        let (stream, _) = listener.accept().await?;
        let uid = stream.peer_cred()?.uid();
        if uid != owner && uid != 0 {
            tracing::warn!(uid, "rejected a connection of another user to the local socket");
            return Ok(None);
        }
        Ok(connections.come(None).map(|place| (stream, place)))
    };
    let open = |stream, connection: Connection| connection.serve(stream, Peer::Owner);
    serve(accept, open, site, limits, stopping).await;
}

/// What a connection needs besides its stream.
struct Connection {
    site: Site,
    limits: ConnectionLimits,
    watcher: Watcher,
}

impl Connection {
    /// Speaks TLS first where the door does.
    async fn greet(self, stream: TcpStream, address: SocketAddr, door: Arc<ListenerConfig>) {
        let Some(tls) = door.tls.clone() else {
            return self.serve(stream, Peer::Network { address, account: None, door }).await;
        };
        match tls.accept(stream, Duration::from_millis(self.limits.greeting_deadline_ms)).await {
            Ok((stream, account)) => self.serve(stream, Peer::Network { address, account, door }).await,
            Err(error) => tracing::debug!(error = %error, %address, "TLS handshake failed"),
        }
    }

    async fn serve<S>(self, stream: S, peer: Peer)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (site, peer) = (self.site, Arc::new(peer));
        let exchange = Arc::new(Exchange::default());
        let stream = Line::new(stream, Arc::clone(&exchange), &self.limits);
        let service = service_fn(move |request: Request<Incoming>| {
            exchange.begin(request.body());
            let (mut request, unread) = drain::lend(request);
            if let Some(target) = normal(request.uri()) {
                *request.uri_mut() = target;
            }
            let answering = site.clone().answer(Arc::clone(&peer), request);
            let exchange = Arc::clone(&exchange);
            async move {
                let mut response = answering.await;
                if let Some(unread) = unread {
                    unread.settle(&mut response).await;
                }
                Ok::<_, Infallible>(Answer::of(response, &exchange))
            }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            // The line knows better: it tells an idle connection from a head that is under way.
            .header_read_timeout(None)
            .max_buf_size(self.limits.head_bytes_max)
            .serve_connection(TokioIo::new(stream), service);
        if let Err(error) = self.watcher.watch(connection).await {
            tracing::debug!(error = %error, "a connection ended early");
        }
    }
}

/// The network of the caller: an address, or the /64 of an IPv6 one. Behind trusted proxies it is the caller's own; where
/// their chain leads nowhere, the proxy's.
pub(crate) fn network_of(address: SocketAddr, door: &ListenerConfig, headers: &axum::http::HeaderMap) -> IpAddr {
    network(door.trusted_proxies.caller(address.ip(), headers).unwrap_or_else(|BrokenChain| address.ip()))
}

/// Accepts, and opens each connection in a task of its own once there is a place for it. `accept` gives nothing for a client
/// that may not come in.
async fn serve<A, F>(
    accept: impl AsyncFn() -> io::Result<Option<(A, Place)>>,
    open: impl Fn(A, Connection) -> F,
    site: Site,
    limits: ConnectionLimits,
    mut stopping: watch::Receiver<bool>,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = accept() => accepted,
            _ = stopping.wait_for(|stop| *stop) => break,
        };
        let (accepted, mut place) = match accepted {
            Ok(Some(accepted)) => accepted,
            Ok(None) => continue,
            Err(error) => {
                // Out of file descriptors, or the peer went away: the next attempt may fare better.
                tracing::warn!(error = %error, "accepting a connection failed");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        tokio::select! {
            () = place.wait() => {}
            _ = stopping.wait_for(|stop| *stop) => break,
        }
        // The watcher is taken here, so that a connection that still greets is waited for as well.
        let connection = Connection { site: site.clone(), limits, watcher: graceful.watcher() };
        let opened = open(accepted, connection);
        #[expect(
            clippy::disallowed_methods,
            reason = "connections are owned by the graceful shutdown that watches them"
        )]
        tokio::spawn(async move {
            opened.await;
            drop(place);
        });
    }
    // Closes the socket: who comes now is told so by the system.
    drop(accept);
    let drained = tokio::time::timeout(Duration::from_millis(limits.drain_deadline_ms), graceful.shutdown()).await;
    if drained.is_err() {
        tracing::warn!("some calls did not end in time and were aborted");
    }
}
