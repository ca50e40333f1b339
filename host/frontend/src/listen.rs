//! Sockets: accepts connections, bounds how many there are and how slowly they may send a request's head, and lets
//! them end their calls before the host stops.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Semaphore, watch};
use tower_service::Service;

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Peer {
    /// A machine on the network, or this one.
    Network(SocketAddr),
    /// The owner of this process, on this machine.
    Owner,
}

/// Bounds on connections.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// Connections open at a time; others wait to be accepted.
    pub connections_max: usize,
    /// Time for the head of a request, in milliseconds.
    pub head_deadline_ms: u64,
    /// Length of the head of a request, in bytes.
    pub head_bytes_max: usize,
    /// Time for calls to end when the host stops, in milliseconds.
    pub drain_deadline_ms: u64,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self { connections_max: 10_000, head_deadline_ms: 10_000, head_bytes_max: 64 << 10, drain_deadline_ms: 30_000 }
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
    router: Router,
    limits: ConnectionLimits,
    stopping: watch::Receiver<bool>,
) {
    let accept = async move || {
        let (stream, address) = listener.accept().await?;
        stream.set_nodelay(true)?;
        Ok((stream, Some(Peer::Network(address))))
    };
    serve(accept, router, limits, stopping).await;
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
        let peer = (uid == owner || uid == 0).then_some(Peer::Owner);
        if peer.is_none() {
            tracing::warn!(uid, "another user tried the local socket");
        }
        Ok((stream, peer))
    };
    serve(accept, router, limits, stopping).await;
}

async fn serve<S>(
    accept: impl AsyncFn() -> io::Result<(S, Option<Peer>)>,
    router: Router,
    limits: ConnectionLimits,
    mut stopping: watch::Receiver<bool>,
) where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
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
        let (stream, peer) = match accepted {
            Ok((stream, Some(peer))) => (stream, peer),
            Ok((_, None)) => continue,
            Err(error) => {
                // Out of file descriptors, or the peer went away: the next attempt may fare better.
                tracing::warn!(error = %error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let router = router.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(peer);
            router.clone().call(request)
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(Duration::from_millis(limits.head_deadline_ms))
            .max_buf_size(limits.head_bytes_max)
            .serve_connection(TokioIo::new(stream), service);
        let connection = graceful.watch(connection);
        #[expect(
            clippy::disallowed_methods,
            reason = "connections are owned by the graceful shutdown that watches them"
        )]
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(error = %error, "a connection ended early");
            }
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
