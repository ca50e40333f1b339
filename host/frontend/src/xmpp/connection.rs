//! The connection to a server as its component (XEP-0114): opening it, reading and writing elements.

use std::time::Duration;

use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::Settings;
use super::names::{COMPONENT, STREAM, STREAM_ERRORS};
use crate::xml::{Bounds, Element, Piece, Reader, XmlError};

/// Time for a connection, its TLS and its handshake.
const OPEN_TIME_MAX: Duration = Duration::from_secs(20);
/// Time for the server to take what is written.
const WRITE_TIME_MAX: Duration = Duration::from_secs(30);
/// Bounds on a stanza that is read. What is larger is answered with an error.
pub(super) const STANZA: Bounds =
    Bounds { bytes_max: 256 << 10, elements_max: 10_000, depth_max: 32, token_bytes_max: 1 << 20 };
/// Bytes read at a time.
const CHUNK_BYTES: usize = 16 << 10;

/// Why there is no connection, or no longer.
#[derive(Debug, Error)]
pub(super) enum ConnectionError {
    /// The network does not carry it.
    #[error("{0}")]
    Network(#[from] std::io::Error),
    /// It took too long.
    #[error("the server does not respond in time")]
    Slow,
    /// The server sent something that is no stream.
    #[error("the server sent invalid data: {0}")]
    NoXml(#[from] XmlError),
    /// The server sent XML, but not what belongs here.
    #[error("the server does not support XEP-0114 at this address; check that it is the component port")]
    NoComponents,
    /// The server closed the stream.
    #[error("the server closed the stream")]
    Closed,
    /// The server takes another secret.
    #[error("the server rejected the secret of this component (not-authorized)")]
    WrongSecret,
    /// The server ended the stream, by this condition.
    #[error("the server ended the stream: {0}")]
    Refused(String),
    /// Nothing came for too long.
    #[error("the server no longer responds")]
    Silent,
}

/// Both directions of a stream that may have TLS around it.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// What comes from the server.
pub(super) struct Incoming {
    half: ReadHalf<Box<dyn Stream>>,
    reader: Reader,
    chunk: Vec<u8>,
    /// The part of the chunk that was not read yet.
    rest: std::ops::Range<usize>,
}

/// What goes to the server.
pub(super) struct Outgoing {
    half: WriteHalf<Box<dyn Stream>>,
}

/// Connects as a component.
///
/// # Errors
/// When the server cannot be reached, or does not take this component.
pub(super) async fn open(settings: &Settings) -> Result<(Incoming, Outgoing), ConnectionError> {
    tokio::time::timeout(OPEN_TIME_MAX, connect(settings)).await.map_err(|_| ConnectionError::Slow)?
}

async fn connect(settings: &Settings) -> Result<(Incoming, Outgoing), ConnectionError> {
    let stream = TcpStream::connect(&settings.server).await?;
    stream.set_nodelay(true)?;
    let stream: Box<dyn Stream> = match &settings.tls {
        Some((name, config)) => Box::new(TlsConnector::from(config.clone()).connect(name.clone(), stream).await?),
        None => Box::new(stream),
    };
    let (read, write) = tokio::io::split(stream);
    let reader = Reader::of_stream(STANZA);
    let mut incoming = Incoming { half: read, reader, chunk: vec![0; CHUNK_BYTES], rest: 0..0 };
    let mut outgoing = Outgoing { half: write };
    outgoing.write(&header(&settings.domain)).await?;
    let Piece::Opened(opened) = incoming.next().await? else { return Err(ConnectionError::NoComponents) };
    let id = opened.attribute("id").filter(|_| opened.is(STREAM, "stream")).ok_or(ConnectionError::NoComponents)?;
    let proof = Element::new(COMPONENT, "handshake").text(proof(id, &settings.secret));
    outgoing.send(&proof).await?;
    match incoming.next().await? {
        Piece::Whole(element) if element.is(COMPONENT, "handshake") => Ok((incoming, outgoing)),
        Piece::Whole(element) => Err(stream_error(&element).unwrap_or(ConnectionError::NoComponents)),
        Piece::Closed => Err(ConnectionError::Closed),
        Piece::Opened(_) | Piece::Oversized(_) => Err(ConnectionError::NoComponents),
    }
}

/// What opens a stream; its element stays open.
fn header(domain: &str) -> String {
    let mut text = "<?xml version='1.0'?>".to_owned();
    let open = Element::new(COMPONENT, "stream:stream").with("xmlns:stream", STREAM).with("to", domain);
    open.write_open("", &mut text);
    text
}

/// That the secret is known, for this stream (XEP-0114 §3): SHA-1 of the stream's id and the secret, in hexadecimal digits.
fn proof(id: &str, secret: &str) -> String {
    let digest = digest(&SHA1_FOR_LEGACY_USE_ONLY, format!("{id}{secret}").as_bytes());
    let digits = digest.as_ref().iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
}

/// What an element says that ends the stream.
pub(super) fn stream_error(element: &Element) -> Option<ConnectionError> {
    if !element.is(STREAM, "error") {
        return None;
    }
    let condition = element.elements().find(|one| one.namespace() == STREAM_ERRORS && one.name() != "text");
    Some(match condition.map_or("no reason given", Element::name) {
        "not-authorized" => ConnectionError::WrongSecret,
        other => ConnectionError::Refused(other.chars().take(80).collect()),
    })
}

impl Incoming {
    /// The next piece of the stream. Nothing is lost when this is dropped while it waits.
    pub(super) async fn next(&mut self) -> Result<Piece, ConnectionError> {
        loop {
            let mut rest = self.chunk.get(self.rest.clone()).unwrap_or_default();
            let before = rest.len();
            let piece = self.reader.read(&mut rest, false)?;
            self.rest.start += before - rest.len();
            if let Some(piece) = piece {
                return Ok(piece);
            }
            let count = self.half.read(&mut self.chunk).await?;
            self.rest = 0..count;
            if count == 0 {
                return Err(ConnectionError::Closed);
            }
        }
    }
}

impl Outgoing {
    /// Sends an element.
    pub(super) async fn send(&mut self, element: &Element) -> Result<(), ConnectionError> {
        self.write(&element.write(COMPONENT)).await
    }

    /// Ends the stream.
    pub(super) async fn close(&mut self) -> Result<(), ConnectionError> {
        self.write("</stream:stream>").await?;
        Ok(self.half.shutdown().await?)
    }

    async fn write(&mut self, text: &str) -> Result<(), ConnectionError> {
        let writing = async {
            self.half.write_all(text.as_bytes()).await?;
            self.half.flush().await
        };
        Ok(tokio::time::timeout(WRITE_TIME_MAX, writing).await.map_err(|_| ConnectionError::Slow)??)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_proved_as_the_standard_has_it() {
        // The example of XEP-0114 §3.
        assert_eq!(proof("3BF96D32", "test"), proof("3BF96D3", "2test"));
        assert_eq!(proof("3BF96D32", "").len(), 40);
        assert_eq!(proof("a", "bc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
    }

    #[test]
    fn the_stream_opens_with_the_domain() {
        let expected = "<?xml version='1.0'?><stream:stream xmlns=\"jabber:component:accept\" \
                        xmlns:stream=\"http://etherx.jabber.org/streams\" to=\"m&amp;m\">";
        assert_eq!(header("m&m"), expected);
    }
}
