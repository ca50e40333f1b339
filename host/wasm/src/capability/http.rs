//! `wasi:http/outgoing-handler`: requests to the destinations a plugin was granted, and to nowhere else.
//!
//! Scheme, host, port and method must be granted; then the host resolves the name and looks at every address
//! (`connect.rs`, `address.rs`). Redirects are not followed: the guest sees them, and asks again. Connections are kept
//! per load of a plugin. Requests, bytes and connections of a call have bounds, and all of it ends with the call: the
//! futures and bodies are in its store, and where that is kept for another call, they end with the deadline.

mod address;
mod connect;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{HOST, HeaderName, HeaderValue};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, SizeHint};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use muster_component::LoadError;
use muster_component::grants::{Destination, Grants};
use muster_core::caller::{Caller, RequestId};
use muster_core::trace::TraceContext;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};
use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi_http::p2::add_only_http_to_linker_async;
use wasmtime_wasi_http::p2::bindings::http::types::ErrorCode;
use wasmtime_wasi_http::{
    DEFAULT_FORBIDDEN_HEADERS, Error, ForbiddenHeaderFilter, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView,
    WasiHttpHooks, WasiHttpView,
};

use self::address::{Reach, reach};
use self::connect::{Connector, Failed, SystemResolver};
use crate::limits::Limits;
use crate::run::store::{PluginContext, PluginState};

/// Connections that are kept for one destination.
const IDLE_PER_HOST_MAX: usize = 4;
/// How long a connection is kept without a request.
const IDLE: Duration = Duration::from_secs(30);
/// Longest head of a response, in bytes.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// What a guest can write of a request's body before it is sent, in bytes: kept by the host for each body.
const CHUNK_BYTES_MAX: usize = 16 << 10;
/// Longest head of a request a guest can put together, in bytes.
const FIELDS_BYTES_MAX: usize = 16 << 10;

/// The interface as the engine's own crate names it; guests built for any 0.2 get it.
const TYPES: &str = "wasi:http/types@0.2.12";

/// Links the interfaces.
pub(super) fn add_to_linker(linker: &mut Linker<PluginState>) -> wasmtime::Result<()> {
    add_only_http_to_linker_async(linker)?;
    // The crate's own function looks for an error of another type than bodies end with, and so never tells the guest.
    linker.allow_shadowing(true);
    let replaced = linker.instance(TYPES)?.func_wrap("http-error-code", error_code);
    linker.allow_shadowing(false);
    replaced
}

#[expect(clippy::wildcard_enum_match_arm, reason = "bodies end with these errors only")]
#[expect(clippy::needless_pass_by_value, reason = "the form of a host function")]
fn error_code(
    store: StoreContextMut<'_, PluginState>,
    (error,): (Resource<wasmtime::Error>,),
) -> wasmtime::Result<(Option<ErrorCode>,)> {
    let error = store.data().table.get(&error)?.downcast_ref::<Error>();
    let code = error.map(|error| match error {
        Error::HttpResponseBodySize(size) => ErrorCode::HttpResponseBodySize(*size),
        Error::HttpResponseIncomplete => ErrorCode::HttpResponseIncomplete,
        Error::HttpResponseTimeout => ErrorCode::HttpResponseTimeout,
        _ => ErrorCode::HttpProtocolError,
    });
    Ok((code,))
}

/// The connections of one plugin.
#[derive(Clone, Debug)]
pub(crate) struct HttpClient(Client<Connector, WasiBody>);

impl HttpClient {
    /// Makes no connection yet.
    ///
    /// # Errors
    /// When a grant names an address it does not allow.
    pub(super) fn new(grants: &Grants, limits: &Limits) -> Result<Self, LoadError> {
        for (number, grant) in grants.http() {
            let reason = match (grant.address(), grant.private) {
                (Some(address), private) => match (reach(address), private) {
                    (Reach::Nowhere, _) => Some(format!("{address} is never allowed as a destination")),
                    (Reach::Private | Reach::Metadata, false) => {
                        Some(format!("{address} is not public; write `http-private:` if the plugin may reach it"))
                    }
                    (Reach::Public, _) | (Reach::Private | Reach::Metadata, true) => None,
                },
                (None, _) => None,
            };
            // Connections are shared by methods, and so is what they may lead to.
            let clash = !grant.private && grants.http().any(|(_, other)| other.private && other.overlaps(grant));
            let reason = reason.or(clash.then(|| {
                "`http-private:` is also granted for the same destination; use the same kind for both".to_owned()
            }));
            if let Some(reason) = reason {
                let grant = grants.texts().get(number).cloned().unwrap_or_default();
                return Err(LoadError::BadGrant { grant, reason });
            }
        }
        let connector = Connector {
            grants: Arc::new(grants.clone()),
            resolver: Arc::new(SystemResolver::new()),
            time: Duration::from_millis(limits.http_connect_ms_max),
        };
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_PER_HOST_MAX)
            .http1_max_buf_size(HEAD_BYTES_MAX)
            .build(connector);
        Ok(Self(client))
    }
}

/// What one call has of HTTP; made when it first asks.
pub(crate) struct CallHttp {
    context: WasiHttpCtx,
    hooks: Hooks,
}

impl CallHttp {
    fn new(plugin: &Arc<PluginContext>, caller: Option<&Caller>, deadline: Instant) -> Self {
        let limits = &plugin.limits;
        let request_id = caller.map(|caller| caller.request_id.clone());
        // All requests of a call are of one trace, also if the caller sent none.
        let trace = caller.and_then(|caller| caller.trace.clone());
        let trace = trace.unwrap_or_else(|| TraceContext::begin(fastrand::u128(..)));
        let hooks = Hooks {
            plugin: Arc::clone(plugin),
            request_id,
            trace,
            deadline,
            requests: 0,
            places: Arc::new(Semaphore::new(limits.http_concurrency_max)),
            request_bytes: Arc::new(AtomicU64::new(limits.http_request_bytes_max)),
            response_bytes: Arc::new(AtomicU64::new(limits.http_response_bytes_max)),
        };
        let mut context = WasiHttpCtx::new();
        context.set_field_size_limit(FIELDS_BYTES_MAX);
        Self { context, hooks }
    }
}

impl WasiHttpView for PluginState {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        let (plugin, call, deadline) = (&self.plugin, &self.call, Instant::from_std(self.deadline));
        let http = self.http.get_or_insert_with(|| {
            let caller = call.as_ref().map(|call| &**call.permit.caller());
            Box::new(CallHttp::new(plugin, caller, deadline))
        });
        WasiHttpCtxView { hooks: &mut http.hooks, table: &mut self.table, ctx: &mut http.context }
    }
}

struct Hooks {
    plugin: Arc<PluginContext>,
    /// The call's; nothing while the plugin describes itself.
    request_id: Option<RequestId>,
    trace: TraceContext,
    deadline: Instant,
    requests: u64,
    places: Arc<Semaphore>,
    request_bytes: Arc<AtomicU64>,
    response_bytes: Arc<AtomicU64>,
}

type Sent = Result<(http::Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>), Error>;

impl Hooks {
    /// Everything before the network: whether this request may be made, and by which grant.
    fn admit(
        &mut self,
        request: &http::Request<WasiBody>,
    ) -> Result<(usize, Destination, OwnedSemaphorePermit), Error> {
        let (method, limits) = (request.method().as_str(), self.plugin.limits);
        if self.request_id.is_none() {
            return Err(self.refuse(None, method, "any place", "requests are not allowed during `describe`"));
        }
        let Some(destination) = Destination::of(request.uri()) else {
            return Err(self.refuse(None, method, "an unreadable address", "it is not a host that a grant can name"));
        };
        let text = destination.to_string();
        let grant = self.plugin.granted.grants.http().find(|(_, grant)| grant.allows(method, &destination));
        let Some((grant, _)) = grant else {
            return Err(self.refuse(None, method, &text, "no grant allows it"));
        };
        self.requests += 1;
        if self.requests > limits.http_requests_max {
            self.plugin.watch.limited("http_requests_max");
            let reason =
                format!("a call may make at most {} requests (limit `http_requests_max`)", limits.http_requests_max);
            return Err(self.refuse(Some(grant), method, &text, &reason));
        }
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            self.plugin.watch.limited("http_concurrency_max");
            self.refuse(
                Some(grant),
                method,
                &text,
                "the call has too many responses open (limit `http_concurrency_max`)",
            );
            return Err(Error::ConnectionLimitReached);
        };
        self.plugin.granted.uses.grant(grant);
        Ok((grant, destination, place))
    }

    /// Tells the operator, and gives what the guest is told.
    fn refuse(&self, grant: Option<usize>, method: &str, to: &str, reason: &str) -> Error {
        let uses = &self.plugin.granted.uses;
        match grant {
            Some(grant) => uses.grant_refused(grant, reason),
            None => uses.wished(&format!("http:{method} {to}"), reason),
        }
        log(&self.plugin, self.request_id.as_ref(), method, to, reason);
        Error::HttpRequestDenied
    }
}

fn log(plugin: &PluginContext, request_id: Option<&RequestId>, method: &str, to: &str, reason: &str) {
    let (plugin, request_id) = (plugin.name.as_str(), request_id.map_or("", RequestId::as_str));
    tracing::warn!(plugin, request_id, method = ?method, to = ?to, reason, "an HTTP request of a plugin failed");
}

impl WasiHttpHooks for Hooks {
    fn forbidden_header_filter(&mut self) -> ForbiddenHeaderFilter {
        // What is about the connection is the host's.
        Arc::new(|name| DEFAULT_FORBIDDEN_HEADERS.contains(name) || *name == http::header::TE)
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        CHUNK_BYTES_MAX
    }

    fn p2_outgoing_body_buffer_chunks(&mut self) -> usize {
        1
    }

    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _finished: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let admitted = self.admit(&request);
        let (plugin, request_id, trace) = (Arc::clone(&self.plugin), self.request_id.clone(), self.trace.clone());
        let (request_bytes, response_bytes) = (Arc::clone(&self.request_bytes), Arc::clone(&self.response_bytes));
        let deadline = self.deadline;
        Box::new(async move {
            let (grant, destination, place) = admitted?;
            let client = plugin.granted.http.as_ref().ok_or(Error::HttpRequestDenied)?;
            let (method, limits) = (request.method().clone(), plugin.limits);
            let request = addressed(request, &destination, request_id.as_ref(), &trace)?.map(|body| {
                let over = Error::HttpRequestBodySize(Some(limits.http_request_bytes_max));
                Bounded {
                    body,
                    left: request_bytes,
                    over: Some(over),
                    end: None,
                    place: None,
                    plugin: Arc::clone(&plugin),
                }
                .boxed_unsync()
            });
            let own = |most: u64, wanted: Option<Duration>| {
                let most = Duration::from_millis(most);
                wanted.map_or(most, |wanted| wanted.min(most))
            };
            let options = options.unwrap_or_default();
            let time = own(limits.http_connect_ms_max, options.connect_timeout)
                + own(limits.http_first_byte_ms_max, options.first_byte_timeout);
            let until = Instant::now().checked_add(time).map_or(deadline, |until| until.min(deadline));
            let answered = tokio::time::timeout_at(until, client.0.request(request)).await;
            let (error, reason) = match answered {
                Ok(Ok(response)) => {
                    let response = response.map(|body| {
                        let over = Error::HttpResponseBodySize(Some(limits.http_response_bytes_max));
                        let body = body.map_err(|_| Error::HttpResponseIncomplete).boxed_unsync();
                        let end = End::new(options.between_bytes_timeout, deadline);
                        Bounded {
                            body,
                            left: response_bytes,
                            over: Some(over),
                            end: Some(end),
                            place: Some(place),
                            plugin: Arc::clone(&plugin),
                        }
                        .boxed_unsync()
                    });
                    let nothing_left: Box<dyn Future<Output = Result<(), Error>> + Send> = Box::new(async { Ok(()) });
                    return Ok((response, nothing_left));
                }
                Ok(Err(error)) => to_guest(&error),
                Err(_) => (Error::HttpResponseTimeout, format!("no response within {} ms", time.as_millis())),
            };
            plugin.granted.uses.grant_refused(grant, &reason);
            log(&plugin, request_id.as_ref(), method.as_str(), &destination.to_string(), &reason);
            Err(error)
        })
    }
}

/// The request as it goes out: to the destination as it was checked, in one spelling, with the call's id and trace. A
/// guest that keeps a trace of its own says so itself.
fn addressed(
    request: http::Request<WasiBody>,
    destination: &Destination,
    request_id: Option<&RequestId>,
    trace: &TraceContext,
) -> Result<http::Request<WasiBody>, Error> {
    let (mut parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    parts.uri = format!("{destination}{path}").parse().map_err(|_| Error::HttpRequestUriInvalid)?;
    let authority = parts.uri.authority().map(|authority| HeaderValue::from_str(authority.as_str()));
    let authority = authority.and_then(Result::ok).ok_or(Error::HttpRequestUriInvalid)?;
    parts.headers.insert(HOST, authority);
    if let Some(value) = request_id.and_then(|id| HeaderValue::from_str(id.as_str()).ok()) {
        parts.headers.insert(HeaderName::from_static("x-request-id"), value);
    }
    if !parts.headers.contains_key("traceparent") {
        let own = [
            ("traceparent", Some(trace.traceparent(fastrand::u64(..)))),
            ("tracestate", trace.tracestate().map(str::to_owned)),
        ];
        for (name, value) in own {
            parts.headers.remove(name);
            if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
                parts.headers.insert(HeaderName::from_static(name), value);
            }
        }
    }
    Ok(http::Request::from_parts(parts, body))
}

/// What the guest is told of a failure, and what the operator is.
fn to_guest(error: &hyper_util::client::legacy::Error) -> (Error, String) {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    let mut reason = error.to_string();
    while let Some(error) = cause {
        reason = error.to_string();
        if let Some(failed) = error.downcast_ref::<Failed>() {
            let error = match failed {
                Failed::Unreadable => Error::HttpRequestUriInvalid,
                Failed::Resolve(_) => Error::DnsError { rcode: None, info_code: None },
                Failed::Prohibited(_) => Error::DestinationIpProhibited,
                Failed::Connect(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                    Error::ConnectionRefused
                }
                Failed::Connect(_) => Error::DestinationUnavailable,
                Failed::Tls(error) => match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
                    Some(rustls::Error::InvalidCertificate(_)) => Error::TlsCertificateError,
                    Some(_) | None => Error::TlsProtocolError,
                },
                Failed::Timeout(_) => Error::ConnectionTimeout,
            };
            return (error, reason);
        }
        if let Some(Error::HttpRequestBodySize(most)) = error.downcast_ref::<Error>() {
            return (Error::HttpRequestBodySize(*most), reason);
        }
        if error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse) {
            return (Error::HttpProtocolError, reason);
        }
        cause = error.source();
    }
    (Error::ConnectionTerminated, reason)
}

/// When a body has to go on.
struct End {
    /// The longest time between two parts, if the guest named one.
    between: Option<Duration>,
    deadline: Instant,
    timer: Pin<Box<Sleep>>,
}

impl End {
    fn new(between: Option<Duration>, deadline: Instant) -> Self {
        Self { between, deadline, timer: Box::pin(tokio::time::sleep_until(Self::next(between, deadline))) }
    }

    fn next(between: Option<Duration>, deadline: Instant) -> Instant {
        between.and_then(|between| Instant::now().checked_add(between)).map_or(deadline, |next| next.min(deadline))
    }
}

/// A body that ends with an error once the call's bytes are used up. A response's body holds its place until it ends.
struct Bounded {
    body: WasiBody,
    left: Arc<AtomicU64>,
    over: Option<Error>,
    end: Option<End>,
    place: Option<OwnedSemaphorePermit>,
    plugin: Arc<PluginContext>,
}

impl Body for Bounded {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        // It was over before: nothing more comes.
        if self.over.is_none() {
            return Poll::Ready(None);
        }
        let frame = match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => frame,
            ended @ Poll::Ready(_) => {
                self.place = None;
                return ended;
            }
            Poll::Pending => {
                let late = self.end.as_mut().is_some_and(|end| end.timer.as_mut().poll(context).is_ready());
                return if late { Poll::Ready(Some(Err(Error::HttpResponseTimeout))) } else { Poll::Pending };
            }
        };
        if let Some(end) = &mut self.end {
            end.timer.as_mut().reset(End::next(end.between, end.deadline));
        }
        let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
        let taken = self.left.try_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes));
        if taken.is_ok() {
            return Poll::Ready(Some(Ok(frame)));
        }
        let limit = if self.end.is_some() { "http_response_bytes_max" } else { "http_request_bytes_max" };
        self.plugin.watch.limited(limit);
        self.place = None;
        Poll::Ready(self.over.take().map(Err))
    }

    fn is_end_stream(&self) -> bool {
        self.over.is_none() || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
