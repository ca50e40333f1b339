//! A call as a stream of events (WHATWG HTML §9.2): `progress` while it runs, then `result` or `problem`. What fails before
//! there is anything to say fails with its own status, as without a stream.

use std::convert::Infallible;
use std::pin::Pin;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;
use muster_core::caller::RequestId;
use muster_core::dispatch::{Admitted, Outcome};
use muster_core::error::CallError;
use muster_core::schema::Unread;
use serde_json::{Value, json};
use tokio::sync::mpsc::Receiver;

use crate::http::problem::{self, Refusal};
use crate::reports::{self, Report};

/// How long a call may say nothing before the client is told that the stream has begun.
const SILENCE: Duration = Duration::from_secs(1);

type Call = Pin<Box<dyn Future<Output = Result<Outcome, CallError>> + Send>>;

/// Calls, and gives the stream of what it says. Dropping the stream ends the call.
///
/// # Errors
/// When the call fails before its stream has begun.
pub(super) async fn stream(admitted: Admitted, unread: Unread, request_id: &RequestId) -> Result<Response, Refusal> {
    let (reports, mut waiting) = reports::channel();
    let mut call: Call = Box::pin(admitted.with_progress(reports).call(unread));
    let (first, last) = tokio::select! {
        biased;
        Some(report) = waiting.recv() => (Some(progress(&report)), None),
        result = &mut call => (None, Some(end(Ok(result?), request_id))),
        // So that something is read of the stream at once, whatever stands between.
        () = tokio::time::sleep(SILENCE) => (Some(Event::default().comment("begun")), None),
    };
    let call = last.is_none().then_some(call);
    let running = Running { call, waiting, first, last, request_id: request_id.clone() };
    let events = unfold(running, |running| async move {
        let (event, running) = running.next().await?;
        Some((Ok::<_, Infallible>(event), running))
    });
    let body = Sse::new(events).keep_alive(KeepAlive::new()).into_response().into_body();
    Ok(problem::response(axum::http::StatusCode::OK, super::encode::EVENTS, body, request_id))
}

/// A call whose stream has begun.
struct Running {
    call: Option<Call>,
    waiting: Receiver<Report>,
    first: Option<Event>,
    /// What came of it, once it is over.
    last: Option<Event>,
    request_id: RequestId,
}

impl Running {
    /// The next event: reports in their order, then the end.
    async fn next(mut self) -> Option<(Event, Self)> {
        if let Some(first) = self.first.take() {
            return Some((first, self));
        }
        if let Some(call) = &mut self.call {
            tokio::select! {
                biased;
                Some(report) = self.waiting.recv() => return Some((progress(&report), self)),
                result = call => self.last = Some(end(result, &self.request_id)),
            }
            self.call = None;
        }
        if let Ok(report) = self.waiting.try_recv() {
            return Some((progress(&report), self));
        }
        self.last.take().map(|last| (last, self))
    }
}

fn progress(report: &Report) -> Event {
    event("progress", &json!({ "done": report.done, "total": report.total, "message": report.message }))
}

fn end(result: Result<Outcome, CallError>, request_id: &RequestId) -> Event {
    match result {
        Ok(outcome) => event("result", &outcome.value),
        Err(error) => event("problem", &problem::body(&Refusal::Call(error), request_id).1),
    }
}

/// JSON has no line breaks of its own where it is written on one line.
fn event(name: &str, data: &Value) -> Event {
    Event::default().event(name).data(data.to_string())
}
