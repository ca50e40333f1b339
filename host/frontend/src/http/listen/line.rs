//! The bytes of one connection, watched on their way between the socket and hyper, for what hyper leaves open:
//!
//! - a line of a head that ends in a bare line feed is refused: readers that take it see other headers than those that do
//!   not (RFC 9112 §2.2). The feed is handed on as a NUL, which hyper answers with 400 wherever it stands in a head;
//! - the time for a head runs from its first byte, and before that the longer time a connection may be idle;
//! - a client that reads nothing of an answer for a while is left.
//!
//! Where a head begins is known by counting bodies: hyper reads each head and says how long its body is before it reads on.
//! What comes behind a head is held back until then. Where no line feed is in it, it goes along with the head, since no
//! other head can end in it: so does the body of most calls, and hyper is asked once instead of twice.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use hyper::body::{Body, Incoming};
use memchr::memchr;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::ConnectionLimits;

/// Bytes a client must take within the time for it, once an answer waits for it.
const PROGRESS_BYTES: usize = 16 << 10;
/// In place of a line feed that stands alone.
const REFUSED: u8 = 0;

/// What the one who answers a connection's requests says about it.
#[derive(Debug)]
pub(super) struct Exchange {
    /// How the body of the newest request is framed.
    framing: AtomicU64,
    /// A request was read, and its answer is not handed on whole.
    answering: AtomicBool,
}

/// Framings beside lengths, which are smaller.
const UNKNOWN: u64 = u64::MAX;
const CHUNKED: u64 = u64::MAX - 1;

impl Default for Exchange {
    fn default() -> Self {
        Self { framing: AtomicU64::new(UNKNOWN), answering: AtomicBool::new(false) }
    }
}

impl Exchange {
    /// A request with this body was read.
    pub(super) fn begin(&self, body: &Incoming) {
        let length = if body.is_end_stream() { Some(0) } else { body.size_hint().exact() };
        self.framing.store(length.map_or(CHUNKED, |length| length.min(CHUNKED - 1)), Ordering::Relaxed);
        self.answering.store(true, Ordering::Relaxed);
    }

    /// Its answer was handed on.
    pub(super) fn end(&self) {
        self.answering.store(false, Ordering::Relaxed);
    }
}

/// A connection's stream.
pub(super) struct Line<S> {
    stream: S,
    exchange: Arc<Exchange>,
    reading: Reading,
    /// What came behind a head and is not handed on.
    held: BytesMut,
    /// What came behind a head and was handed on with it.
    ahead: Vec<u8>,
    times: Times,
    /// What is waited for, and how long.
    waiting: Option<Waiting>,
    timer: Option<Pin<Box<Sleep>>>,
    /// Bytes the client took since it made an answer wait; nothing where none waits.
    unsent: Option<usize>,
    write_timer: Option<Pin<Box<Sleep>>>,
    is_first: bool,
}

#[derive(Clone, Copy, Debug)]
struct Times {
    head: Duration,
    idle: Duration,
    write: Duration,
}

/// Why nothing comes from the client.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Waiting {
    /// It has nothing to ask.
    Idle,
    /// It is sending the head of a request.
    Head,
}

impl<S> Line<S> {
    pub(super) fn new(stream: S, exchange: Arc<Exchange>, limits: &ConnectionLimits) -> Self {
        Self {
            stream,
            exchange,
            reading: Reading::Head(Lines::default()),
            held: BytesMut::new(),
            ahead: Vec::new(),
            times: Times {
                head: Duration::from_millis(limits.head_deadline_ms),
                idle: Duration::from_millis(limits.idle_deadline_ms),
                write: Duration::from_millis(limits.write_deadline_ms),
            },
            waiting: None,
            timer: None,
            unsent: None,
            write_timer: None,
            is_first: true,
        }
    }

    /// Behind a head that hyper has read, goes on with what comes there.
    fn go_on(&mut self) {
        if matches!(self.reading, Reading::Headed) {
            self.reading = Reading::of_body(self.exchange.framing.swap(UNKNOWN, Ordering::Relaxed));
            self.reading.judge(&mut self.ahead);
            self.ahead.clear();
            self.is_first = false;
        }
    }

    /// Waits for the client, who has so long: an error, or the end of an idle connection, when the time is over.
    fn wait(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Reading::Head(lines) = &self.reading else {
            self.waiting = None;
            return Poll::Pending;
        };
        if self.exchange.answering.load(Ordering::Relaxed) {
            self.waiting = None;
            return Poll::Pending;
        }
        // Who has just come has something to ask.
        let waiting = if lines.is_new() && !self.is_first { Waiting::Idle } else { Waiting::Head };
        let time = if waiting == Waiting::Idle { self.times.idle } else { self.times.head };
        if self.waiting != Some(waiting) {
            self.waiting = Some(waiting);
            set(&mut self.timer, time);
        }
        let Some(timer) = &mut self.timer else { return Poll::Pending };
        ready!(timer.as_mut().poll(context));
        match waiting {
            Waiting::Idle => Poll::Ready(Ok(())),
            Waiting::Head => {
                Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "timeout while reading the head of a request")))
            }
        }
    }

    /// The client took some bytes.
    fn took(&mut self, bytes: usize) {
        if let Some(taken) = &mut self.unsent {
            *taken += bytes;
            if *taken >= PROGRESS_BYTES {
                self.unsent = None;
            }
        }
    }

    /// The client does not take more now.
    fn stall<T>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        if self.unsent.is_none() {
            self.unsent = Some(0);
            set(&mut self.write_timer, self.times.write);
        }
        let Some(timer) = &mut self.write_timer else { return Poll::Pending };
        ready!(timer.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "timeout while sending a response: the client does not read it",
        )))
    }
}

/// Lets a timer run from now on.
fn set(timer: &mut Option<Pin<Box<Sleep>>>, time: Duration) {
    match timer {
        Some(timer) => timer.as_mut().reset(Instant::now() + time),
        None => *timer = Some(Box::pin(tokio::time::sleep(time))),
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Line<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let line = &mut *self;
        line.go_on();
        let before = buffer.filled().len();
        if line.held.is_empty() {
            match Pin::new(&mut line.stream).poll_read(context, buffer)? {
                Poll::Ready(()) => {}
                Poll::Pending => return line.wait(context),
            }
        } else {
            let bytes = line.held.len().min(buffer.remaining());
            buffer.put_slice(line.held.get(..bytes).unwrap_or_default());
            line.held.advance(bytes);
        }
        let filled = buffer.filled_mut().get_mut(before..).unwrap_or_default();
        let mut given = line.reading.judge(filled);
        if matches!(line.reading, Reading::Headed)
            && let Some(behind) = filled.get(given..)
            && memchr(b'\n', behind).is_none()
        {
            line.ahead.extend_from_slice(behind);
            given = filled.len();
        }
        if let Some(behind) = filled.get(given..).filter(|behind| !behind.is_empty()) {
            // Before what is held already: it was taken from there.
            let rest = (!line.held.is_empty()).then(|| line.held.split());
            line.held.extend_from_slice(behind);
            line.held.extend_from_slice(rest.as_deref().unwrap_or_default());
            buffer.set_filled(before + given);
        }
        if given > 0 && !matches!(line.reading, Reading::Head(_)) {
            line.waiting = None;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Line<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write(context, bytes)? {
            Poll::Ready(taken) => {
                self.took(taken);
                Poll::Ready(Ok(taken))
            }
            Poll::Pending => self.stall(context),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write_vectored(context, slices)? {
            Poll::Ready(taken) => {
                self.took(taken);
                Poll::Ready(Ok(taken))
            }
            Poll::Pending => self.stall(context),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_flush(context)? {
            Poll::Ready(()) => {
                self.unsent = None;
                // The last thing that is done about an answer: hyper does not read before something comes.
                if !self.exchange.answering.load(Ordering::Relaxed) {
                    self.go_on();
                    let _ = self.wait(context);
                }
                Poll::Ready(Ok(()))
            }
            Poll::Pending => self.stall(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_shutdown(context)? {
            Poll::Ready(()) => Poll::Ready(Ok(())),
            Poll::Pending => self.stall(context),
        }
    }
}

/// Where in a request the next byte is.
#[derive(Debug)]
enum Reading {
    Head(Lines),
    /// Behind a head, whose framing is not known yet.
    Headed,
    /// So many bytes of a body are missing.
    Body(u64),
    Chunks(Chunk),
    /// It is not read on: hyper has refused what came.
    Refused,
}

impl Reading {
    fn of_body(framing: u64) -> Self {
        match framing {
            UNKNOWN => Self::Refused,
            0 => Self::Head(Lines::default()),
            CHUNKED => Self::Chunks(Chunk::Size(0)),
            length => Self::Body(length),
        }
    }

    /// Looks at bytes, and tells how many may be handed on now.
    fn judge(&mut self, bytes: &mut [u8]) -> usize {
        let mut given = 0;
        while let Some(rest) = bytes.get_mut(given..).filter(|rest| !rest.is_empty()) {
            match self {
                Self::Head(lines) => match lines.take(rest) {
                    Some(end) => {
                        given += end;
                        *self = Self::Headed;
                        return given;
                    }
                    None => return bytes.len(),
                },
                Self::Headed => return given,
                Self::Body(left) => {
                    let taken = rest.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    *left -= taken as u64;
                    given += taken;
                    if *left == 0 {
                        *self = Self::Head(Lines::default());
                    }
                }
                Self::Chunks(chunk) => {
                    given += chunk.take(rest);
                    if matches!(chunk, Chunk::End) {
                        *self = Self::Head(Lines::default());
                    } else if matches!(chunk, Chunk::Refused) {
                        *self = Self::Refused;
                    }
                }
                Self::Refused => return bytes.len(),
            }
        }
        given
    }
}

/// Lines up to an empty one, each with a carriage return and a line feed at its end.
#[derive(Clone, Copy, Debug, Default)]
struct Lines {
    /// A line that is not empty was there: before, empty ones are passed over (RFC 9112 §2.2).
    is_begun: bool,
    /// Bytes of this line.
    bytes: usize,
    is_return: bool,
}

impl Lines {
    /// Whether no byte of a line was there.
    fn is_new(self) -> bool {
        !self.is_begun && self.bytes == 0
    }

    /// Takes bytes; gives where the empty line ends, if it does. A line feed that stands alone is made illegal.
    fn take(&mut self, bytes: &mut [u8]) -> Option<usize> {
        let mut at = 0;
        while let Some(rest) = bytes.get_mut(at..).filter(|rest| !rest.is_empty()) {
            let Some(length) = memchr(b'\n', rest) else {
                self.bytes = self.bytes.saturating_add(rest.len());
                self.is_return = rest.last() == Some(&b'\r');
                return None;
            };
            let before = length.checked_sub(1).and_then(|last| rest.get(last));
            let is_return = before.map_or(self.is_return, |last| *last == b'\r');
            self.bytes = self.bytes.saturating_add(length);
            at += length + 1;
            if !is_return {
                if let Some(feed) = rest.get_mut(length) {
                    *feed = REFUSED;
                }
                self.bytes = self.bytes.saturating_add(1);
                self.is_return = false;
                continue;
            }
            let is_empty = self.bytes == 1;
            *self = Self { is_begun: self.is_begun || !is_empty, bytes: 0, is_return: false };
            if is_empty && self.is_begun {
                return Some(at);
            }
        }
        None
    }
}

/// Where in a chunked body the next byte is (RFC 9112 §7.1).
#[derive(Clone, Copy, Debug)]
enum Chunk {
    /// In the size, which is this so far.
    Size(u64),
    /// Behind it, in the same line.
    Extension(u64),
    /// At the line feed of that line.
    SizeEnd(u64),
    /// So many bytes of data are missing.
    Data(u64),
    /// Behind data, at the carriage return or the line feed.
    DataReturn,
    DataEnd,
    /// Behind the last chunk.
    Trailers(Lines),
    /// Behind the body.
    End,
    /// It is no chunked body; hyper finds that out as well.
    Refused,
}

impl Chunk {
    /// Takes bytes up to the end of the body; tells how many.
    fn take(&mut self, bytes: &mut [u8]) -> usize {
        let mut at = 0;
        while let Some(rest) = bytes.get_mut(at..)
            && let Some(byte) = rest.first_mut()
        {
            *self = match (*self, *byte) {
                (Self::Size(size), digit) if digit.is_ascii_hexdigit() => {
                    let digit = char::from(digit).to_digit(16).unwrap_or_default();
                    let size = size.checked_mul(16).and_then(|size| size.checked_add(digit.into()));
                    size.map_or(Self::Refused, Self::Size)
                }
                (Self::Size(size) | Self::Extension(size), b'\r') => Self::SizeEnd(size),
                (Self::Size(size), b';' | b' ' | b'\t') => Self::Extension(size),
                (Self::Extension(size), other) => {
                    if other == b'\n' {
                        *byte = REFUSED;
                    }
                    Self::Extension(size)
                }
                (Self::SizeEnd(0), b'\n') => Self::Trailers(Lines { is_begun: true, ..Lines::default() }),
                (Self::SizeEnd(size), b'\n') => Self::Data(size),
                (Self::Data(left), _) => {
                    let taken = rest.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                    at += taken;
                    let left = left - taken as u64;
                    *self = if left == 0 { Self::DataReturn } else { Self::Data(left) };
                    continue;
                }
                (Self::DataReturn, b'\r') => Self::DataEnd,
                (Self::DataEnd, b'\n') => Self::Size(0),
                (Self::Trailers(mut lines), _) => {
                    let end = lines.take(rest);
                    *self = if end.is_some() { Self::End } else { Self::Trailers(lines) };
                    return end.map_or(bytes.len(), |end| at + end);
                }
                _ => Self::Refused,
            };
            if matches!(self, Self::Refused) {
                return at;
            }
            at += 1;
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    /// What is handed on of these requests, when hyper reads so many bytes at a time; `framings`: those of their bodies.
    fn handed_on(text: &str, framings: &[u64], piece: usize) -> String {
        let exchange = Arc::new(Exchange::default());
        let mut line = Line::new(text.as_bytes(), Arc::clone(&exchange), &ConnectionLimits::default());
        let (mut framings, mut given) = (framings.iter(), Vec::new());
        loop {
            if matches!(line.reading, Reading::Headed) {
                exchange.framing.store(framings.next().copied().unwrap_or(UNKNOWN), Ordering::Relaxed);
            }
            let mut bytes = vec![0; piece];
            let mut buffer = ReadBuf::new(&mut bytes);
            let read = Pin::new(&mut line).poll_read(&mut Context::from_waker(Waker::noop()), &mut buffer);
            assert!(matches!(read, Poll::Ready(Ok(()))), "{read:?}");
            if buffer.filled().is_empty() {
                return String::from_utf8(given).unwrap().replace('\0', "!");
            }
            given.extend_from_slice(buffer.filled());
        }
    }

    #[test]
    fn a_body_without_a_line_feed_comes_with_its_head_and_one_with_another_head_does_not() {
        let first_read = |text: &str| {
            let mut line = Line::new(text.as_bytes(), Arc::default(), &ConnectionLimits::default());
            let mut bytes = [0; 1000];
            let mut buffer = ReadBuf::new(&mut bytes);
            let _ = Pin::new(&mut line).poll_read(&mut Context::from_waker(Waker::noop()), &mut buffer);
            String::from_utf8(buffer.filled().to_vec()).unwrap()
        };
        let head = "POST / HTTP/1.1\r\n\r\n";
        for (behind, comes) in
            [("{\"a\":1}", true), ("GET / HT", true), ("GET / HTTP/1.1\r\na", false), ("{\n}", false)]
        {
            let expected = if comes { format!("{head}{behind}") } else { head.to_owned() };
            assert_eq!(first_read(&format!("{head}{behind}")), expected);
        }
    }

    #[test]
    fn a_line_feed_that_stands_alone_is_refused_in_heads_and_nowhere_else() {
        for (text, framings, expected) in [
            ("GET / HTTP/1.1\r\na: b\r\n\r\n", &[0][..], None),
            ("\r\n\r\nGET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n", &[0, 0], None),
            ("GET / HTTP/1.1\na: b\r\n\r\n", &[0], Some("GET / HTTP/1.1!a: b\r\n\r\n")),
            ("GET / HTTP/1.1\r\na: b\nc: d\r\n\r\n", &[0], Some("GET / HTTP/1.1\r\na: b!c: d\r\n\r\n")),
            ("GET / HTTP/1.1\r\na: b\r\n\n", &[0], Some("GET / HTTP/1.1\r\na: b\r\n!")),
            ("\nGET / HTTP/1.1\r\n\r\n", &[0], Some("!GET / HTTP/1.1\r\n\r\n")),
            ("GET / HTTP/1.1\r\r\n\r\n", &[0], None),
            // Bodies are what they are.
            ("POST / HTTP/1.1\r\n\r\na\nb\n\nGET / HTTP/1.1\r\n\r\n", &[5, 0], None),
            (
                "POST / HTTP/1.1\r\n\r\na\nGET / HTTP/1.1\r\na: b\n",
                &[2, 0],
                Some("POST / HTTP/1.1\r\n\r\na\nGET / HTTP/1.1\r\na: b!"),
            ),
            (
                "POST / HTTP/1.1\r\n\r\n3;x=y\r\na\nb\r\n0\r\n\r\nGET /\n",
                &[CHUNKED, 0],
                Some("POST / HTTP/1.1\r\n\r\n3;x=y\r\na\nb\r\n0\r\n\r\nGET /!"),
            ),
            (
                "POST / HTTP/1.1\r\n\r\n0A\r\n0123\n56789\r\n0\r\na: b\r\n\r\nGET / HTTP/1.1\r\n\r\n",
                &[CHUNKED, 0],
                None,
            ),
            (
                "POST / HTTP/1.1\r\n\r\n0\r\na: b\nc: d\r\n\r\n",
                &[CHUNKED],
                Some("POST / HTTP/1.1\r\n\r\n0\r\na: b!c: d\r\n\r\n"),
            ),
            (
                "POST / HTTP/1.1\r\n\r\n1;a\nb\r\nx\r\n0\r\n\r\n",
                &[CHUNKED],
                Some("POST / HTTP/1.1\r\n\r\n1;a!b\r\nx\r\n0\r\n\r\n"),
            ),
            // A body shorter than what came with its head.
            (
                "POST / HTTP/1.1\r\n\r\nabGET / HTTP/1.1\na: b\r\n\r\n",
                &[2, 0],
                Some("POST / HTTP/1.1\r\n\r\nabGET / HTTP/1.1!a: b\r\n\r\n"),
            ),
            // What is no chunked body ends the connection; nothing behind it is a head.
            ("POST / HTTP/1.1\r\n\r\nxyz\na\n", &[CHUNKED], None),
            ("POST / HTTP/1.1\r\n\r\n1\nxyz\na\n", &[CHUNKED], None),
            ("POST / HTTP/1.1\r\n\r\nffffffffffffffffff\r\n\n", &[CHUNKED], None),
        ] {
            for piece in [1, 2, 3, 7, 1000] {
                assert_eq!(handed_on(text, framings, piece), expected.unwrap_or(text), "{text:?} in pieces of {piece}");
            }
        }
    }
}
