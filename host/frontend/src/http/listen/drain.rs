//! Unread request bodies. A client that is still sending when its connection closes loses the answer (RFC 9112 §9.6),
//! and one that sends its next request on a connection that is about to close loses that: so what is left of a body is
//! taken and thrown away before the answer, where it is not too long and comes soon; elsewhere the answer says that it
//! is the last.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONNECTION, EXPECT};
use axum::http::{HeaderValue, Request, Response};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body as _, Frame, Incoming, SizeHint};

/// Longest rest of a body that is taken only to be thrown away.
const BYTES_MAX: u64 = 8 << 20;
/// Longest time for that.
const TIME_MAX: Duration = Duration::from_millis(500);

/// Where a body comes back to that was not read to its end.
type Returned = Arc<Mutex<Option<Incoming>>>;

/// A body on its way through the host.
struct Lent {
    body: Option<Incoming>,
    returned: Returned,
}

/// What is left of a request when it is answered.
pub(super) struct Unread {
    returned: Returned,
    /// The client sends its body only once it is asked for.
    waits: bool,
}

/// Lends the body of a request, if it has one.
pub(super) fn lend(request: Request<Incoming>) -> (Request<Body>, Option<Unread>) {
    if request.body().is_end_stream() {
        return (request.map(Body::new), None);
    }
    let returned = Returned::default();
    let unread = Unread { returned: Arc::clone(&returned), waits: request.headers().contains_key(EXPECT) };
    (request.map(|body| Body::new(Lent { body: Some(body), returned })), Some(unread))
}

impl Unread {
    /// Takes the rest of the body, or lets the answer say that the connection ends.
    pub(super) async fn settle(self, response: &mut Response<Body>) {
        let rest = self.returned.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(rest) = rest else { return };
        let is_taken = !self.waits
            && rest.size_hint().lower() <= BYTES_MAX
            && tokio::time::timeout(TIME_MAX, take(rest)).await.unwrap_or(false);
        if !is_taken {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
    }
}

/// Takes a body; tells whether it came to its end.
async fn take(mut body: Incoming) -> bool {
    let mut left = BYTES_MAX;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return false };
        let bytes = frame.data_ref().map_or(0, |data| u64::try_from(data.len()).unwrap_or(u64::MAX));
        let Some(less) = left.checked_sub(bytes) else { return false };
        left = less;
    }
    true
}

impl hyper::body::Body for Lent {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(body) = self.body.as_mut() else { return Poll::Ready(None) };
        let polled = Pin::new(body).poll_frame(context);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.body = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(hyper::body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), hyper::body::Body::size_hint)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(body) = self.body.take().filter(|body| !body.is_end_stream()) {
            *self.returned.lock().unwrap_or_else(PoisonError::into_inner) = Some(body);
        }
    }
}
