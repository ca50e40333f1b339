//! Where every request over HTTP comes in, before a wire sees it: is it for a name of this host (`name`), and may it come
//! from where it comes (`origin`)? A page a person looks at can send requests to this machine, with credentials a browser
//! adds by itself, and by a name whose address changes («DNS rebinding») even read the answers. What another site's page may
//! do, and is told so (`cors`), is decided by the path alone, so that a wire that is not thought of is closed.
//!
//! Programs that are no browsers send neither `Origin` nor `Sec-Fetch-Site`, and only need a right `Host`. The local socket
//! can be opened by no page: there, `Host` must be well-formed and nothing else.

mod arrival;
mod cors;
mod head;
mod name;
mod origin;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use axum::response::Response;
use muster_core::dispatch::Dispatcher;
use muster_core::rate::Bucket;
use tower_service::Service;

pub(crate) use arrival::Arrival;
pub use cors::Cors;
pub(crate) use name::address_for;
pub(crate) use origin::is_own;

use crate::http::listen::{Peer, Unsent, network_of};
use crate::http::problem::{self, Refusal};
use crate::http::request_id::RequestIds;
use head::Head;
use name::{Asked, Names};

/// What the operator decides about where requests come from.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Names of this host that a request may be for, beside addresses, names without a dot, `localhost`, the hosts of
    /// accounts, the one in the issuer's address, this machine's own and those in a listener's certificate.
    pub allowed_hosts: Vec<String>,
    /// Names that requests of MCP alone may be for.
    pub mcp_hosts: Vec<String>,
    /// Origins of pages that may speak MCP, beside pages of this host and of this machine.
    pub mcp_origins: Vec<String>,
    /// What pages of other sites may do elsewhere; nothing where it is absent.
    pub cors: Option<Cors>,
}

/// The entrance of all wires.
#[derive(Debug)]
pub struct Entrance {
    dispatcher: Arc<Dispatcher>,
    request_ids: RequestIds,
    settings: Settings,
    unsent: Arc<Unsent>,
    lines: Bucket,
    /// This machine's own name.
    machine: String,
}

/// All wires, behind the entrance: what answers the requests of every connection.
#[derive(Clone, Debug)]
pub struct Site {
    entrance: Arc<Entrance>,
    wires: Router,
}

/// What is at a path, for pages of other sites.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Ground {
    /// Tools of assistants.
    Mcp,
    /// Commands, what describes them, and tokens: open to the origins the operator names.
    Api,
    /// Documents that say how to get tokens: any page may read them.
    Metadata,
    /// Pages people go to, from wherever they are.
    Page,
    /// Everything else.
    Other,
}

impl Ground {
    fn of(path: &str) -> Self {
        match path {
            "/mcp" | "/mcp/" => Self::Mcp,
            "/api" | "/openapi.json" | "/oauth/token" | "/oauth/revoke" => Self::Api,
            "/docs" | "/docs/page.css" | "/docs/page.js" | "/oauth/authorize" | "/oauth/style.css" => Self::Page,
            path if path.starts_with("/api/") => Self::Api,
            path if path.starts_with("/.well-known/") => Self::Metadata,
            _ => Self::Other,
        }
    }
}

impl Entrance {
    /// The entrance of a host with this dispatcher on a machine of this name. `seed`: random bits that set this process's
    /// request ids apart. `unsent`: the bounds on answers that are not read.
    pub fn new(dispatcher: Arc<Dispatcher>, seed: u64, settings: Settings, unsent: Arc<Unsent>, machine: &str) -> Self {
        let lines = Bucket::full(Instant::now());
        Self { dispatcher, request_ids: RequestIds::new(seed), settings, unsent, lines, machine: machine.to_owned() }
    }

    /// Puts the entrance before everything the router has. It is no layer of the router, which would move the whole call
    /// once more.
    pub fn before(self, wires: Router) -> Site {
        Site { entrance: Arc::new(self), wires }
    }

    /// Notes in the log what came from where it may not, as often as the log has room for.
    fn tell(&self, request: &Request<Body>, refusal: &Refusal) {
        let Refusal::Stranger { code, .. } = refusal else { return };
        if may_be_told(&self.lines) {
            let header = |name: HeaderName| name::shown_value(request.headers().get(name));
            tracing::info!(
                code,
                host = header(HOST),
                origin = header(ORIGIN),
                site = header(head::SEC_FETCH_SITE),
                path = name::shown(request.uri().path()),
                "request rejected: its host name or origin is not allowed"
            );
        }
    }

    /// Judges a request; gives for whom it is, and the page of another origin that sent it and may, if one did.
    fn judge(
        &self,
        request: &Request<Body>,
        head: &Head<'_>,
        peer: &Peer,
        ground: Ground,
    ) -> Result<(Option<Asked>, Option<cors::Page>), Refusal> {
        let asked = name::asked(request, head.host)?;
        // No page can open the local socket.
        let Peer::Network { door, .. } = peer else { return Ok((asked, None)) };
        let settings = self.dispatcher.authenticator().bearers().server.settings();
        if let Some(asked) = asked.as_ref().filter(|asked| !asked.is_of_no_other()) {
            let names = Names {
                settings: &self.settings,
                machine: &self.machine,
                hosts: &self.dispatcher.authenticator().bearers().accounts.hosts(),
                issuer: &settings.issuer,
                tls: door.tls.as_deref(),
            };
            names.check(asked, ground)?;
        }
        if head.is_encoded {
            return Err(Refusal::Encoded);
        }
        let page = origin::judge(request.method(), head, asked.as_ref(), ground, &self.settings, &settings.issuer)?;
        Ok((asked, page))
    }
}

impl Site {
    /// Answers a request: the entrance itself, where it may not come in, and otherwise the wire it is for.
    pub(crate) async fn answer(mut self, peer: Arc<Peer>, mut request: Request<Body>) -> Response {
        let entrance = &*self.entrance;
        let head = Head::of(request.headers());
        let request_id = entrance.request_ids.assign(head.request_id.text(), &peer);
        let network = match &*peer {
            Peer::Network { address, door, .. } => Some(network_of(*address, door, request.headers())),
            Peer::Owner => None,
        };
        let ground = Ground::of(request.uri().path());
        let judged = entrance.judge(&request, &head, &peer, ground).and_then(|judged| {
            network.map_or(Ok(()), |network| entrance.unsent.admit(network))?;
            Ok(judged)
        });
        let (asked, page) = match judged {
            Ok(judged) => judged,
            Err(refusal) => {
                entrance.tell(&request, &refusal);
                return problem::refusal(&refusal, &request_id);
            }
        };
        if request.method() == Method::OPTIONS
            && let Some(response) = cors::preflight(&request, page.as_ref(), ground, entrance, &request_id)
        {
            return response;
        }
        request.extensions_mut().insert(Arc::new(Arrival { request_id, peer: Some(peer), asked }));
        let Ok(mut response) = self.wires.call(request).await;
        cors::open(&mut response, page, ground, &entrance.settings);
        stream_on(&mut response);
        if let Some(network) = network {
            entrance.unsent.count(network, &mut response);
        }
        response
    }
}

/// Whether there is room for one more line of the log about requests that were refused: ten at once, then one a second.
pub(crate) fn may_be_told(lines: &Bucket) -> bool {
    lines.draw(Instant::now(), Duration::from_secs(1), 10).is_ok()
}

/// Lets a stream of events through proxies as it comes: nginx would keep it to its end, others would compress it.
fn stream_on(response: &mut Response) {
    let is_stream =
        response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
    if is_stream {
        let headers = response.headers_mut();
        headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform"));
    }
}

/// The target with characters decoded that need not be encoded, once (RFC 3986 §6.2.2.2): `/api/%73tatus` is `/api/status`.
/// Everything else stays as it is, so that no decoded character is taken for one that divides a path, and none twice.
pub(crate) fn normal(target: &Uri) -> Option<Uri> {
    let path = target.path();
    if !path.contains('%') {
        return None;
    }
    let mut normal = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, behind)) = rest.split_once('%') {
        normal.push_str(before);
        let code = behind.get(..2).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let byte = code.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let plain = byte.filter(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(byte));
        let decoded = plain.zip(behind.get(2..));
        normal.push(decoded.map_or('%', |(plain, _)| char::from(plain)));
        rest = decoded.map_or(behind, |(_, behind)| behind);
    }
    normal.push_str(rest);
    if let Some(query) = target.query() {
        normal.push('?');
        normal.push_str(query);
    }
    let mut parts = target.clone().into_parts();
    parts.path_and_query = Some(normal.parse().ok()?);
    Uri::from_parts(parts).ok()
}

/// Whether a page in a browser sent the request: every browser says so, and a page cannot keep it from saying so.
pub(crate) fn is_of_page(headers: &HeaderMap) -> bool {
    ["origin", "sec-fetch-site", "sec-fetch-mode"].iter().any(|name| headers.contains_key(*name))
}

#[cfg(test)]
mod tests;
