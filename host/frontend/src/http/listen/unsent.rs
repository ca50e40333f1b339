//! Answers that wait for their clients to read them. They take memory as long as a client likes, so their bytes are counted:
//! who leaves too many of them unread is answered nothing more before some were read or given up, and all clients together
//! have a bound as well. An answer is handed on in pieces, so that it counts until its last one was taken.

use std::collections::HashMap;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use axum::body::Body;
use axum::http::Response;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use muster_core::error::CallError;

use super::line::Exchange;

/// Longest piece of an answer that is handed on, in bytes.
const PIECE_BYTES_MAX: usize = 64 << 10;
/// Shorter answers are not counted: the bound on connections bounds them.
const COUNTED_BYTES_MIN: u64 = 16 << 10;

/// Bytes of answers that were not read, by network.
#[derive(Debug)]
pub struct Unsent {
    all_max: u64,
    per_network_max: u64,
    bytes: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    all: u64,
    of: HashMap<IpAddr, u64>,
}

/// The bytes of one answer, counted until this is dropped.
#[derive(Debug)]
pub(crate) struct Counted {
    unsent: Arc<Unsent>,
    network: IpAddr,
    bytes: u64,
}

impl Unsent {
    /// Bounds in bytes: for all clients, and for those of one network.
    pub fn new(all_max: u64, per_network_max: u64) -> Arc<Self> {
        Arc::new(Self { all_max, per_network_max, bytes: Mutex::default() })
    }

    /// Whether a request from this network may be answered: as long as it or all did not reach their bound.
    ///
    /// # Errors
    /// Which bound was reached.
    pub(crate) fn admit(&self, network: IpAddr) -> Result<(), CallError> {
        let bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        if bytes.of.get(&network).is_some_and(|own| *own >= self.per_network_max) {
            return Err(CallError::TooManyCalls);
        }
        if bytes.all >= self.all_max {
            let text = "too many responses wait for clients to read them; retry later";
            return Err(CallError::Unavailable(text.to_owned()));
        }
        Ok(())
    }

    /// Counts an answer to a client in this network.
    pub(crate) fn count(self: &Arc<Self>, network: IpAddr, response: &mut Response<Body>) {
        let bytes = hyper::body::Body::size_hint(response.body()).lower();
        if bytes < COUNTED_BYTES_MIN {
            return;
        }
        let mut counts = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        counts.all += bytes;
        *counts.of.entry(network).or_default() += bytes;
        drop(counts);
        response.extensions_mut().insert(Arc::new(Counted { unsent: Arc::clone(self), network, bytes }));
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut counts = self.unsent.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        counts.all = counts.all.saturating_sub(self.bytes);
        if let Some(own) = counts.of.get_mut(&self.network) {
            *own = own.saturating_sub(self.bytes);
            if *own == 0 {
                counts.of.remove(&self.network);
            }
        }
    }
}

/// The body of an answer on its way out.
pub(super) struct Answer {
    body: Body,
    /// What is left of a piece that was too long.
    piece: Bytes,
    exchange: Arc<Exchange>,
    _counted: Option<Arc<Counted>>,
}

impl Answer {
    pub(super) fn of(response: Response<Body>, exchange: &Arc<Exchange>) -> Response<Self> {
        let (mut parts, body) = response.into_parts();
        let counted = parts.extensions.remove();
        let exchange = Arc::clone(exchange);
        Response::from_parts(parts, Self { body, piece: Bytes::new(), exchange, _counted: counted })
    }
}

impl hyper::body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.piece.is_empty() {
            let frame = match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => frame,
                end => return Poll::Ready(end),
            };
            match frame.into_data() {
                Ok(data) => self.piece = data,
                Err(frame) => return Poll::Ready(Some(Ok(frame))),
            }
        }
        let bytes = self.piece.len().min(PIECE_BYTES_MAX);
        let piece = self.piece.split_to(bytes);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.piece.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (inner, piece) = (self.body.size_hint(), self.piece.len() as u64);
        let mut hint = SizeHint::new();
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper.saturating_add(piece));
        }
        hint.set_lower(inner.lower().saturating_add(piece));
        hint
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.exchange.end();
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[test]
    fn who_reads_nothing_is_answered_nothing_more() {
        let unsent = Unsent::new(100 << 10, 40 << 10);
        let (ann, bob): (IpAddr, IpAddr) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let answer = |network, bytes: usize| {
            unsent.admit(network).map_err(|error| error.code())?;
            let mut response = Response::new(Body::from(vec![0; bytes]));
            unsent.count(network, &mut response);
            Ok::<_, &str>(response)
        };
        let kept = [answer(ann, 30 << 10).unwrap(), answer(ann, 30 << 10).unwrap()];
        assert_eq!(answer(ann, 1).map(drop), Err("too-many-calls"));
        // Others go on, until all together have too much.
        let of_bob = answer(bob, 50 << 10).unwrap();
        let other = "192.0.2.3".parse().unwrap();
        assert_eq!(answer(other, 1).map(drop), Err("unavailable"));
        drop(of_bob);
        assert!(answer(other, 1).is_ok());
        drop(kept);
        assert!(answer(ann, 1).is_ok());
        assert!(unsent.bytes.lock().unwrap().of.is_empty());
    }

    #[tokio::test]
    async fn an_answer_is_handed_on_in_pieces() {
        let exchange = Arc::default();
        let mut answer = Answer::of(Response::new(Body::from(vec![7; 150_000])), &exchange).into_body();
        assert_eq!(hyper::body::Body::size_hint(&answer).exact(), Some(150_000));
        let mut pieces = Vec::new();
        while let Some(frame) = answer.frame().await {
            pieces.push(frame.unwrap().into_data().unwrap().len());
        }
        assert_eq!(pieces, [65_536, 65_536, 18_928]);
    }
}
