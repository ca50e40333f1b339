//! From where a request comes, as far as a browser says: `Origin` (RFC 6454) and `Sec-Fetch-Site` (Fetch Metadata). Neither
//! can be set by a page, and every browser sends the first with whatever could change something.

use axum::body::Body;
use axum::http::header::ORIGIN;
use axum::http::{HeaderValue, Method, Request};

use super::cors::Page;
use super::head::{Head, SEC_FETCH_SITE, Sent};
use super::name::{Asked, host_of_url, shown, shown_value};
use super::{Arrival, Ground, Settings};
use crate::http::problem::Refusal;

/// What a request says about the page that sent it.
struct Said<'a> {
    /// Empty when it is there twice, or is no text.
    origin: Option<&'a str>,
    site: Option<&'a str>,
}

impl<'a> Said<'a> {
    fn of(head: &Head<'a>) -> Self {
        Self { origin: head.origin.text(), site: head.site.text() }
    }

    /// Whether a page of this very host sent the request, or no page at all.
    fn is_own(&self, asked: Option<&Asked>, issuer: &str) -> bool {
        match (self.origin, self.site) {
            // The browser has compared both, as the person sees them: a proxy may have changed `Host` since.
            (_, Some("same-origin")) => true,
            (None, site) => matches!(site, None | Some("none")),
            (Some(_), Some("cross-site")) => false,
            (Some(origin), _) => origin.eq_ignore_ascii_case(issuer) || asked.is_some_and(|asked| is_of(origin, asked)),
        }
    }
}

/// Whether it is the origin of what is at that host and port.
fn is_of(origin: &str, asked: &Asked) -> bool {
    let Some((scheme, _)) = origin.split_once("://") else { return false };
    let Some(of_page) = host_of_url(origin) else { return false };
    let usual = match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => return false,
    };
    // Where `Host` has no port it is the usual one, of a scheme that only a proxy before this host knows.
    of_page.host == asked.host && (of_page.port == asked.port || of_page.port.or(usual) == asked.port.or(usual))
}

/// Lets in what may come from where it comes; gives the page of another origin that sent it, if one did.
///
/// # Errors
/// Where it came from, and how to allow that.
pub(super) fn judge(
    method: &Method,
    head: &Head<'_>,
    asked: Option<&Asked>,
    ground: Ground,
    settings: &Settings,
    issuer: &str,
) -> Result<Option<Page>, Refusal> {
    let said = Said::of(head);
    if said.is_own(asked, issuer) {
        return Ok(None);
    }
    let reads = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    let lists = |origins: &[String]| {
        said.origin.is_some_and(|origin| origins.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin)))
    };
    let page = |credentials| match head.origin {
        Sent::Once(origin) => Some(Page { origin: origin.clone(), credentials }),
        Sent::Never | Sent::Again => None,
    };
    let refuse = |detail: String| Err(Refusal::Stranger { code: "origin-not-allowed", detail });
    let from = match said.origin {
        Some(origin) => format!("a page of `{}`", shown(origin)),
        None => "a page of another site".to_owned(),
    };
    match ground {
        Ground::Mcp => {
            // Assistants that run in a browser are pages of this machine or this host, on whatever port.
            let of_page = said.origin.and_then(host_of_url);
            let is_near = of_page
                .is_some_and(|of_page| of_page.is_here() || asked.is_some_and(|asked| asked.host == of_page.host));
            if is_near || lists(&settings.mcp_origins) {
                return Ok(page(false));
            }
            refuse(format!(
                "the request was sent by {from}; add its origin to `mcp: {{allowed_origins: […]}}` in the \
                 configuration to allow it"
            ))
        }
        Ground::Api => match &settings.cors {
            Some(cors) if lists(&cors.origins) => {
                if *method == Method::OPTIONS || cors.methods.contains(method) {
                    return Ok(page(cors.credentials));
                }
                refuse(format!(
                    "the request was sent by {from}, which may not use {method}; add the method to `cors: {{methods: \
                     […]}}` in the configuration to allow it"
                ))
            }
            _ => refuse(format!(
                "the request was sent by {from}; add its origin to `cors: {{origins: […]}}` in the configuration to \
                 allow it"
            )),
        },
        Ground::Metadata if reads => {
            let cors = settings.cors.as_ref().filter(|cors| lists(&cors.origins));
            Ok(cors.and_then(|cors| page(cors.credentials)))
        }
        // A person follows a link to it; what is sent from it is looked at by the page's own wire.
        Ground::Page => Ok(None),
        Ground::Metadata | Ground::Other => {
            refuse(format!("the request was sent by {from}; send it from a page of this host"))
        }
    }
}

/// Whether a form was sent from a page of this host, as far as the browser says; where it says nothing, it was.
///
/// # Errors
/// What does not fit together, for the log.
pub(crate) fn is_own(request: &Request<Body>, issuer: &str) -> Result<(), String> {
    let said = Said::of(&Head::of(request.headers()));
    let arrival = Arrival::of(request);
    let asked = arrival.asked.as_ref();
    // A form comes from the page it is on: no person types it in.
    if said.site != Some("none") && said.is_own(asked, issuer) {
        return Ok(());
    }
    let text = |value: Option<&HeaderValue>| shown_value(value);
    Err(format!(
        "Origin is {}, Sec-Fetch-Site {}, Host {}, oauth.issuer {issuer}",
        text(request.headers().get(ORIGIN)),
        text(request.headers().get(SEC_FETCH_SITE)),
        text(request.headers().get(axum::http::header::HOST)),
    ))
}
