//! Who says to be calling, and from where, read in one way by every wire over HTTP.

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderName};
use muster_core::authn::{Credential, Source};
use muster_core::error::CallError;
use muster_core::name::FrontendName;
use muster_core::permission::CONSOLE;
use muster_core::trace::TraceContext;

use crate::http::authorization;
use crate::http::entrance::Arrival;
use crate::http::listen::{BrokenChain, Peer};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// How rules name an interface, by who is at the other end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Interface {
    /// A caller on the network.
    network: FrontendName,
    /// A local caller who presents a credential, and so wants to be an account.
    local: FrontendName,
    /// The owner of this process.
    owner: FrontendName,
}

impl Interface {
    /// ReST, and what describes it: the command line speaks it over the local socket.
    pub(crate) const REST: Self =
        Self { network: FrontendName("rest"), local: FrontendName("cli"), owner: FrontendName(CONSOLE) };
    /// XML-RPC. Who speaks it over the local socket and presents nothing is the console, as over ReST.
    pub(crate) const XMLRPC: Self =
        Self { network: FrontendName("xmlrpc"), local: FrontendName("xmlrpc"), owner: FrontendName(CONSOLE) };

    /// MCP, over whatever it comes: what an assistant may do is not what its user may.
    pub(crate) const MCP: Self =
        Self { network: FrontendName("mcp"), local: FrontendName("mcp"), owner: FrontendName("mcp") };
}

/// Who says to be calling, and from where. What the `Authorization` header says goes before a certificate: who sends
/// both wants to be the former, as a proxy with a certificate of its own does for its users.
///
/// # Errors
/// When a trusted proxy passed on an address that is none.
pub(crate) fn of(
    headers: &HeaderMap,
    arrival: &Arrival,
    interface: Interface,
) -> Result<(Credential, Source), CallError> {
    let credential = authorization::credential(headers);
    let trace = trace(headers);
    let request_id = arrival.request_id.clone();
    let source = |via, tag, address| Source { via, tag, address, request_id, trace };
    Ok(match (arrival.peer.as_deref(), credential) {
        (Some(Peer::Owner), Credential::Absent) => (Credential::Console, source(interface.owner, None, None)),
        (Some(Peer::Owner), credential) => (credential, source(interface.local, None, None)),
        (Some(Peer::Network { address, account, door }), credential) => {
            let address = door.trusted_proxies.caller(address.ip(), headers).map_err(|BrokenChain| {
                let text = "the header X-Forwarded-For of a trusted proxy contains no valid address";
                CallError::Malformed(text.to_owned())
            })?;
            let credential = match (credential, account) {
                (Credential::Absent, Some(account)) => Credential::Certificate(Arc::clone(account)),
                (credential, _) => credential,
            };
            (credential, source(interface.network, door.tag.clone(), Some(address)))
        }
        (None, credential) => (credential, source(interface.network, None, None)),
    })
}

/// The trace a request says it belongs to. Two `traceparent` are as good as none; several `tracestate` are one list.
fn trace(headers: &HeaderMap) -> Option<TraceContext> {
    let mut parents = headers.get_all(TRACEPARENT).iter();
    let parent = parents.next()?.to_str().ok()?;
    if parents.next().is_some() {
        return None;
    }
    let states: Vec<&str> = headers.get_all(TRACESTATE).iter().filter_map(|state| state.to_str().ok()).collect();
    TraceContext::parse(parent, Some(states.join(",")).as_deref())
}
