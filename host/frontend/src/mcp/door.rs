//! Where requests may come from. A page a person looks at can send requests to this machine, and by a name whose address
//! changes («DNS rebinding») even read the answers; so a request must be for a name of this host, and not come from a page
//! of another.

use std::net::IpAddr;

use axum::body::Body;
use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderValue, Request};

use super::Settings;
use crate::listen::Peer;
use crate::problem::Refusal;

/// Lets a request in, or not. Gives the origin of the page that sent it, where a page did.
///
/// # Errors
/// What it came from, or was for, and how to allow that.
pub(super) fn check(
    request: &Request<Body>,
    settings: &Settings,
    issuer: &str,
) -> Result<Option<HeaderValue>, Refusal> {
    // No page can open the local socket.
    if matches!(request.extensions().get::<Peer>(), Some(Peer::Owner)) {
        return Ok(None);
    }
    let header = |name| request.headers().get(name).map(|value| value.to_str().unwrap_or_default());
    let authority = header(HOST).or(request.uri().authority().map(axum::http::uri::Authority::as_str));
    let host = host_of(authority.unwrap_or_default());
    let own = issuer.split_once("://").map(|(_, authority)| host_of(authority));
    let is_own = is_here(host)
        || host.parse::<IpAddr>().is_ok()
        || own.is_some_and(|own| own.eq_ignore_ascii_case(host))
        || settings.allowed_hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(host));
    if !is_own {
        return Err(Refusal::Stranger {
            code: "host-not-allowed",
            detail: "the request is for a host of another name; `mcp: {allowed_hosts: …}` names those this one has",
        });
    }
    let Some(origin) = header(ORIGIN) else { return Ok(None) };
    let of_page = origin.split_once("://").map(|(_, authority)| host_of(authority)).unwrap_or_default();
    let may = settings.allowed_origins.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin))
        || !of_page.is_empty() && (is_here(of_page) || of_page.eq_ignore_ascii_case(host));
    if may {
        return Ok(request.headers().get(ORIGIN).cloned());
    }
    Err(Refusal::Stranger {
        code: "origin-not-allowed",
        detail: "the request was sent by a page of another site; `mcp: {allowed_origins: …}` names those that may",
    })
}

/// The host of `HOST[:PORT]`, an IPv6 address without its brackets; empty where there is none.
fn host_of(authority: &str) -> &str {
    if let Some(rest) = authority.strip_prefix('[') {
        return rest.split_once(']').map(|(host, _)| host).unwrap_or_default();
    }
    authority.split_once(':').map_or(authority, |(host, _)| host)
}

/// Whether the name always leads to the machine it is said on (RFC 6761 §6.3).
fn is_here(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    host == "localhost" || host.ends_with(".localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn verdict(host: &str, origin: Option<&str>) -> &'static str {
        let settings = Settings {
            allowed_hosts: vec!["mcp.example.org".to_owned()],
            allowed_origins: vec!["https://app.example.org".to_owned(), "null".to_owned()],
            ..Settings::default()
        };
        let request = Request::post("/mcp").header("host", host);
        let request = origin.into_iter().fold(request, |request, origin| request.header("origin", origin));
        match check(&request.body(Body::empty()).unwrap(), &settings, "https://id.example.org:5280") {
            Ok(page) => {
                assert_eq!(page.as_ref().map(HeaderValue::as_bytes), origin.map(str::as_bytes));
                "in"
            }
            Err(Refusal::Stranger { code, .. }) => code,
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_request_is_for_a_name_of_this_host() {
        for host in [
            "localhost",
            "LOCALHOST:5280",
            "127.0.0.1:5280",
            "[::1]:5280",
            "10.0.0.7",
            "id.example.org",
            "mcp.example.org:80",
            "x.localhost",
        ] {
            assert_eq!(verdict(host, None), "in", "{host}");
        }
        for host in
            ["", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "id.example.org.evil", "[evil]:1"]
        {
            assert_eq!(verdict(host, None), "host-not-allowed", "{host}");
        }
    }

    #[test]
    fn a_page_of_another_site_sends_nothing() {
        for origin in
            ["http://localhost:3000", "https://127.0.0.1", "https://id.example.org", "https://app.example.org", "null"]
        {
            assert_eq!(verdict("id.example.org:5280", Some(origin)), "in", "{origin}");
        }
        for origin in [
            "",
            "https://evil.example",
            "http://app.example.org",
            "https://id.example.org.evil.example",
            "file://",
            "x",
        ] {
            assert_eq!(verdict("id.example.org:5280", Some(origin)), "origin-not-allowed", "{origin}");
        }
    }
}
