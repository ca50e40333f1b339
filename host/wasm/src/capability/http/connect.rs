//! Connections of a plugin: the host resolves the name itself, holds every address against what the grants allow, and
//! connects to one it has just checked. The name is not resolved a second time, so a name that changes its mind in
//! between gains nothing.

use std::fmt::Debug;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use muster_component::grants::{Destination, Grants, Host, Scheme};
use muster_core::BoxFuture;
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::TlsConnector;

use super::address::{Reach, reach};

/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 8;
/// Names of one plugin that are looked up at a time: each takes a thread, also after its caller is gone.
const LOOKUPS_MAX: usize = 4;

/// Why there is no connection.
#[derive(Debug, Error)]
pub(super) enum Failed {
    #[error("the destination is not a host and port")]
    Unreadable,
    #[error("the name has no address: {0}")]
    Resolve(String),
    #[error("the name resolves to {0}, which the grant does not allow")]
    Prohibited(IpAddr),
    #[error("connection failed: {0}")]
    Connect(io::Error),
    #[error("TLS failed: {0}")]
    Tls(io::Error),
    #[error("no connection within {0:?}")]
    Timeout(Duration),
}

/// Who knows the addresses of names.
pub(super) trait Resolve: Debug + Send + Sync {
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, Failed>>;
}

/// The machine's own resolver.
#[derive(Debug)]
pub(super) struct SystemResolver(Arc<Semaphore>);

impl SystemResolver {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(LOOKUPS_MAX)))
    }
}

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, Failed>> {
        Box::pin(async move {
            let failed = |error: String| Failed::Resolve(error);
            let place = Arc::clone(&self.0).acquire_owned().await.map_err(|error| failed(error.to_string()))?;
            let name = name.to_owned();
            let look_up = move || {
                let found = (name.as_str(), 0).to_socket_addrs();
                drop(place);
                found.map(|addresses| addresses.map(|address| address.ip()).collect())
            };
            let found = tokio::task::spawn_blocking(look_up).await.map_err(|error| failed(error.to_string()))?;
            found.map_err(|error| failed(error.to_string()))
        })
    }
}

/// Makes the connections of one plugin.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    pub(super) grants: Arc<Grants>,
    pub(super) resolver: Arc<dyn Resolve>,
    pub(super) time: Duration,
}

impl Connector {
    /// The addresses of a destination that the grants for it allow; never none.
    pub(super) async fn addresses(&self, destination: &Destination) -> Result<Vec<IpAddr>, Failed> {
        let grants = || self.grants.http().map(|(_, grant)| grant).filter(|grant| grant.reaches(destination));
        let allowed = |address: &IpAddr| match reach(*address) {
            Reach::Public => grants().next().is_some(),
            Reach::Private => grants().any(|grant| grant.private),
            Reach::Metadata => grants().any(|grant| grant.private && grant.address() == Some(*address)),
            Reach::Nowhere => false,
        };
        let found = match &destination.host {
            Host::Address(address) => vec![*address],
            Host::Name(name) => self.resolver.resolve(name).await?,
        };
        let Some(first) = found.first().copied() else { return Err(Failed::Resolve("no address".to_owned())) };
        let allowed: Vec<IpAddr> = found.into_iter().filter(allowed).take(ADDRESSES_MAX).collect();
        if allowed.is_empty() { Err(Failed::Prohibited(first)) } else { Ok(allowed) }
    }

    async fn connect(self, uri: http::Uri) -> Result<TokioIo<Socket>, Failed> {
        let destination = Destination::of(&uri).ok_or(Failed::Unreadable)?;
        let addresses = self.addresses(&destination).await?;
        let addresses: Vec<_> =
            addresses.into_iter().map(|address| SocketAddr::new(address, destination.port)).collect();
        let stream = TcpStream::connect(addresses.as_slice()).await.map_err(Failed::Connect)?;
        let _ = stream.set_nodelay(true);
        Ok(TokioIo::new(match destination.scheme {
            Scheme::Http => Socket(Box::new(stream)),
            Scheme::Https => {
                let name = match &destination.host {
                    Host::Address(address) => ServerName::from(*address),
                    Host::Name(name) => ServerName::try_from(name.clone()).map_err(|_| Failed::Unreadable)?,
                };
                let tls = tls().map_err(|error| Failed::Tls(io::Error::other(error)))?;
                let stream = TlsConnector::from(tls).connect(name, stream).await.map_err(Failed::Tls)?;
                Socket(Box::new(stream))
            }
        }))
    }
}

impl tower_service::Service<http::Uri> for Connector {
    type Response = TokioIo<Socket>;
    type Error = Failed;
    type Future = BoxFuture<'static, Result<TokioIo<Socket>, Failed>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: http::Uri) -> Self::Future {
        let (connector, time) = (self.clone(), self.time);
        Box::pin(async move {
            tokio::time::timeout(time, connector.connect(uri)).await.unwrap_or(Err(Failed::Timeout(time)))
        })
    }
}

/// TLS that trusts whom this machine trusts. Read once: it takes a while.
pub(super) fn tls() -> Result<Arc<ClientConfig>, String> {
    static TLS: OnceLock<Result<Arc<ClientConfig>, String>> = OnceLock::new();
    let make = || {
        let mut roots = RootCertStore::empty();
        // One unreadable certificate among many is no reason to trust none.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    };
    TLS.get_or_init(make).clone()
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A connection, with or without TLS.
pub(super) struct Socket(Box<dyn Stream>);

impl Connection for Socket {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Answers differently each time.
    #[derive(Debug)]
    struct Fickle(Mutex<Vec<&'static str>>);

    impl Resolve for Fickle {
        fn resolve<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, Failed>> {
            let answer = self.0.lock().unwrap().remove(0);
            let addresses = answer.split_whitespace().map(|address| address.parse().unwrap()).collect();
            Box::pin(async move { Ok(addresses) })
        }
    }

    fn check(grant: &str, uri: &str, answers: &[&'static str]) -> Vec<String> {
        let grants = Arc::new(Grants::parse(&[grant.to_owned()]).unwrap());
        let resolver = Arc::new(Fickle(Mutex::new(answers.to_vec())));
        let connector = Connector { grants, resolver, time: Duration::from_secs(1) };
        let destination = Destination::of(&uri.parse().unwrap()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let one = |_| match runtime.block_on(connector.addresses(&destination)) {
            Ok(addresses) => addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
            Err(error) => error.to_string(),
        };
        (0..answers.len().max(1)).map(one).collect()
    }

    #[test]
    fn only_checked_addresses_are_connected_to() {
        let name = "http:http://name.example";
        let prohibited = "the name resolves to 127.0.0.1, which the grant does not allow";
        assert_eq!(check(name, "http://name.example", &["1.1.1.1", "127.0.0.1"]), ["1.1.1.1", prohibited]);
        assert_eq!(check(name, "http://name.example", &["127.0.0.1 1.1.1.1 ::1"]), ["1.1.1.1"]);
        assert_eq!(check(name, "http://name.example", &[""]), ["the name has no address: no address"]);
        let private = "http-private:http://name.example";
        assert_eq!(check(private, "http://name.example", &["127.0.0.1 10.0.0.1"]), ["127.0.0.1 10.0.0.1"]);
        let metadata = "the name resolves to 169.254.169.254, which the grant does not allow";
        assert_eq!(check(private, "http://name.example", &["169.254.169.254"]), [metadata]);
        let literal = "http-private:http://169.254.169.254";
        assert_eq!(check(literal, "http://169.254.169.254", &[]), ["169.254.169.254"]);
        assert_eq!(check("http:http://127.0.0.1", "http://127.0.0.1", &[]), [prohibited]);
    }
}
