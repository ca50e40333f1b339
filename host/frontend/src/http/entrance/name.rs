//! For whom a request is: the authority of its target, or else `Host` (RFC 9112 §3.2). It must be said once, and be a name
//! of this host: a name whose address changes lets a page of that name read what is here.

use std::net::IpAddr;

use axum::body::Body;
use axum::http::{HeaderValue, Request, Version};
use muster_core::error::CallError;

use super::head::Sent;
use super::{Arrival, Ground, Settings};
use crate::http::listen::Tls;
use crate::http::problem::Refusal;

/// Longest value shown in a text, in bytes.
const SHOWN_BYTES_MAX: usize = 100;

/// The host and port a request is for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Asked {
    /// A name in lower case without a dot at its end, or an address without brackets.
    pub(crate) host: String,
    /// The port, where it was said.
    pub(crate) port: Option<u16>,
    /// The address, if it is one.
    pub(crate) address: Option<IpAddr>,
}

impl Asked {
    /// Reads `HOST[:PORT]` (RFC 3986 §3.2.2, without user information and escapes, which no name of a host has).
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, rest) = rest.split_once(']')?;
                let port = if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) };
                (host, port)
            }
            None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
        };
        let port = match port {
            // A colon with nothing behind it is the scheme's own port (RFC 3986 §3.2.3).
            None | Some("") => None,
            Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => Some(port.parse().ok()?),
            Some(_) => return None,
        };
        let address: Option<IpAddr> = if text.starts_with('[') {
            Some(IpAddr::V6(host.parse().ok()?))
        } else {
            host.parse().ok().filter(IpAddr::is_ipv4)
        };
        let is_name = |name: &str| {
            !name.is_empty()
                && name.len() <= 255
                && name.split('.').all(|label| !label.is_empty())
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        };
        let host = host.strip_suffix('.').unwrap_or(host);
        (address.is_some() || is_name(host)).then(|| Self { host: host.to_ascii_lowercase(), port, address })
    }

    /// Whether no page elsewhere can be at it: an address, a name of the machine it is said on, and a name without a dot,
    /// since none of those leads anywhere from outside.
    pub(super) fn is_of_no_other(&self) -> bool {
        self.address.is_some() || !self.host.contains('.') || self.is_here()
    }

    /// Whether it always leads to the machine it is said on (RFC 6761 §6.3).
    pub(super) fn is_here(&self) -> bool {
        self.host == "localhost" || self.host.ends_with(".localhost") || self.address.is_some_and(|ip| ip.is_loopback())
    }
}

fn malformed(text: impl Into<String>) -> Refusal {
    Refusal::Call(CallError::Malformed(text.into()))
}

/// For whom the request is; nothing where it is of an HTTP that had no `Host`.
///
/// # Errors
/// When that is not said, said twice, in different ways, or in no form a host has.
pub(super) fn asked(request: &Request<Body>, host: Sent<'_>) -> Result<Option<Asked>, Refusal> {
    let of_header = match host {
        Sent::Once(value) => Some(read(value.to_str().unwrap_or_default(), "the header Host")?),
        Sent::Again => return Err(malformed("the request has two Host headers; send one")),
        Sent::Never if request.version() >= Version::HTTP_11 => {
            return Err(malformed("the header Host is missing; set it to the name or address of this host"));
        }
        Sent::Never => None,
    };
    let of_target = request.uri().authority().map(|authority| read(authority.as_str(), "the target")).transpose()?;
    match (of_target, of_header) {
        (Some(target), Some(header)) if !same(&target, &header) => {
            Err(malformed("the request target and the header Host name different hosts; use the same host in both"))
        }
        (Some(target), _) => Ok(Some(target)),
        (None, header) => Ok(header),
    }
}

/// Whether both are the same place; a port that is not said is that of plain HTTP.
fn same(one: &Asked, other: &Asked) -> bool {
    one.host == other.host && one.port.unwrap_or(80) == other.port.unwrap_or(80)
}

fn read(text: &str, place: &str) -> Result<Asked, Refusal> {
    Asked::parse(text).ok_or_else(|| {
        malformed(format!("{place} has `{}`, which is not a host name or address with an optional port", shown(text)))
    })
}

/// What a request said, short enough and plain enough to be told.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(SHOWN_BYTES_MAX).map(|one| if one.is_ascii_graphic() { one } else { '?' }).collect()
}

/// What a request said in a header.
pub(super) fn shown_value(value: Option<&HeaderValue>) -> String {
    value.map_or_else(|| "nothing".to_owned(), |value| shown(&String::from_utf8_lossy(value.as_bytes())))
}

/// The names of this host.
pub(super) struct Names<'a> {
    pub(super) settings: &'a Settings,
    pub(super) machine: &'a str,
    pub(super) hosts: &'a [String],
    pub(super) issuer: &'a str,
    pub(super) tls: Option<&'a Tls>,
}

impl Names<'_> {
    /// Lets in what is for this host.
    ///
    /// # Errors
    /// For what name it is, and how to allow that.
    pub(super) fn check(&self, asked: &Asked, ground: Ground) -> Result<(), Refusal> {
        let is = |name: &str| name.trim_end_matches('.').eq_ignore_ascii_case(&asked.host);
        let is_own = asked.is_of_no_other()
            || is(self.machine)
            || host_of_url(self.issuer).is_some_and(|issuer| issuer.host == asked.host)
            || self.hosts.iter().chain(&self.settings.allowed_hosts).any(|name| is(name))
            || ground == Ground::Mcp && self.settings.mcp_hosts.iter().any(|name| is(name))
            // A browser does not go on with a certificate for another name.
            || self.tls.is_some_and(|tls| tls.is_for(&asked.host));
        if is_own {
            return Ok(());
        }
        Err(Refusal::Stranger {
            code: "host-not-allowed",
            detail: format!(
                "unknown host name `{}`; add it to `allowed_hosts` in the configuration",
                shown(&asked.host)
            ),
        })
    }
}

/// The host and port of `SCHEME://HOST[:PORT]`; nothing where there is none.
pub(super) fn host_of_url(url: &str) -> Option<Asked> {
    url.split_once("://").and_then(|(_, authority)| Asked::parse(authority))
}

/// This host's address as a client sees it that sent this request. It is the issuer's, unless that was made of a listener at
/// every address of the machine (`0.0.0.0`, `[::]`), which leads nowhere: then it is the one that was asked.
pub(crate) fn address_for(issuer: &str, arrival: &Arrival) -> Option<String> {
    host_of_url(issuer)?.address.filter(IpAddr::is_unspecified)?;
    let (scheme, _) = issuer.split_once("://")?;
    let asked = arrival.asked.as_ref()?;
    let host = match asked.address {
        Some(IpAddr::V6(address)) => format!("[{address}]"),
        _ => asked.host.clone(),
    };
    let port = asked.port.map(|port| format!(":{port}")).unwrap_or_default();
    Some(format!("{scheme}://{host}{port}"))
}
