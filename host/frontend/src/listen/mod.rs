//! Sockets: accepts connections, bounds how many there are and how slowly they may greet and send a request's head, and
//! lets them end their calls before the host stops.

mod proxy;
mod tls;
mod unread;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::{Semaphore, watch};
use tower_service::Service;

pub use proxy::{BrokenChain, HOPS_MAX, TrustedProxies};
pub use tls::{ClientAccount, Tls, TlsError, TlsFiles};

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
        door: Arc<Door>,
    },
    /// The owner of this process, on this machine.
    Owner,
}

/// What sets one listening socket apart from the others.
#[derive(Debug, Default)]
pub struct Door {
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
    /// Connections open at a time; others wait to be accepted.
    pub connections_max: usize,
    /// Time for the greeting of TLS, in milliseconds.
    pub greeting_deadline_ms: u64,
    /// Time for the head of a request, in milliseconds.
    pub head_deadline_ms: u64,
    /// Length of the head of a request, in bytes.
    pub head_bytes_max: usize,
    /// Time for calls to end when the host stops, in milliseconds.
    pub drain_deadline_ms: u64,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            connections_max: 10_000,
            greeting_deadline_ms: 10_000,
            head_deadline_ms: 10_000,
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
        return Err(io::Error::new(io::ErrorKind::AddrInUse, "another host is running here"));
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
    door: Arc<Door>,
    router: Router,
    limits: ConnectionLimits,
    stopping: watch::Receiver<bool>,
) {
    let accept = async move || {
        let (stream, address) = listener.accept().await?;
        stream.set_nodelay(true)?;
        Ok(Some((stream, address)))
    };
    let open = move |(stream, address), connection: Connection| connection.greet(stream, address, Arc::clone(&door));
    serve(accept, open, router, limits, stopping).await;
}

/// Serves local connections of `owner` (a user id) and root until `stopping` says so, then lets running calls end.
pub async fn serve_local(
    listener: UnixListener,
    owner: u32,
    router: Router,
    limits: ConnectionLimits,
    stopping: watch::Receiver<bool>,
) {
    let accept = async move || {
        let (stream, _) = listener.accept().await?;
        let uid = stream.peer_cred()?.uid();
        if uid != owner && uid != 0 {
            tracing::warn!(uid, "another user tried the local socket");
            return Ok(None);
        }
        Ok(Some(stream))
    };
    let open = |stream, connection: Connection| connection.serve(stream, Peer::Owner);
    serve(accept, open, router, limits, stopping).await;
}

/// What a connection needs besides its stream.
struct Connection {
    router: Router,
    limits: ConnectionLimits,
    watcher: Watcher,
}

impl Connection {
    /// Speaks TLS first where the door does.
    async fn greet(self, stream: TcpStream, address: SocketAddr, door: Arc<Door>) {
        let Some(tls) = door.tls.clone() else {
            return self.serve(stream, Peer::Network { address, account: None, door }).await;
        };
        match tls.accept(stream, Duration::from_millis(self.limits.greeting_deadline_ms)).await {
            Ok((stream, account)) => self.serve(stream, Peer::Network { address, account, door }).await,
            Err(error) => tracing::debug!(error = %error, %address, "no TLS came about"),
        }
    }

    async fn serve<S>(self, stream: S, peer: Peer)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let router = self.router;
        let service = service_fn(move |request: Request<Incoming>| {
            let (mut request, unread) = unread::lend(request);
            request.extensions_mut().insert(peer.clone());
            let answering = router.clone().call(request);
            async move {
                let mut response = answering.await?;
                if let Some(unread) = unread {
                    unread.settle(&mut response).await;
                }
                Ok::<_, Infallible>(response)
            }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(Duration::from_millis(self.limits.head_deadline_ms))
            .max_buf_size(self.limits.head_bytes_max)
            .serve_connection(TokioIo::new(stream), service);
        if let Err(error) = self.watcher.watch(connection).await {
            tracing::debug!(error = %error, "a connection ended early");
        }
    }
}

/// Accepts, as many at a time as there are places, and opens each connection in a task of its own. `accept` gives
/// nothing for somebody who may not come in.
async fn serve<A, F>(
    accept: impl AsyncFn() -> io::Result<Option<A>>,
    open: impl Fn(A, Connection) -> F,
    router: Router,
    limits: ConnectionLimits,
    mut stopping: watch::Receiver<bool>,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(limits.connections_max));
    loop {
        // Nobody closes the semaphore, so there is always a place in the end.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { break };
        let accepted = tokio::select! {
            accepted = accept() => accepted,
            _ = stopping.wait_for(|stop| *stop) => break,
        };
        let accepted = match accepted {
            Ok(Some(accepted)) => accepted,
            Ok(None) => continue,
            Err(error) => {
                // Out of file descriptors, or the peer went away: the next attempt may fare better.
                tracing::warn!(error = %error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        // The watcher is taken here, so that a connection that still greets is waited for as well.
        let connection = Connection { router: router.clone(), limits, watcher: graceful.watcher() };
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
        tracing::warn!("some calls did not end in time and were cut off");
    }
}
