//! `allowed_hosts` and `cors`: for which names requests are taken, and from which sites.

use hyper::Method;
use muster_frontend::http::entrance::Cors;

use super::yaml::{ConfigError, Node};

const CORS: [&str; 3] = ["origins", "methods", "credentials"];
const METHODS: [&str; 3] = ["GET", "HEAD", "POST"];
/// What an origin looks like.
pub(super) const ORIGIN: &str = "an origin such as https://app.example.org";

pub(super) fn allowed_hosts(node: &Node<'_>) -> Result<Vec<String>, ConfigError> {
    texts(node, "a host name without a port, such as muster.example.org", is_host)
}

pub(super) fn cors(node: &Node<'_>) -> Result<Cors, ConfigError> {
    let mut cors =
        Cors { origins: Vec::new(), methods: vec![Method::GET, Method::HEAD, Method::POST], credentials: false };
    for member in node.members("a map of origins, methods and credentials")? {
        let below = node.below(member.key, member.value);
        match member.key {
            "origins" => cors.origins = texts(&below, ORIGIN, is_origin)?,
            "methods" => cors.methods = below.one_or_many().iter().map(method).collect::<Result<_, _>>()?,
            "credentials" => cors.credentials = below.truth()?,
            other => return Err(node.at(member.key_node).unknown("key", other, &CORS)),
        }
    }
    if cors.origins.is_empty() {
        return Err(node.error("`cors` needs `origins`, a list of those whose pages may send requests"));
    }
    Ok(cors)
}

fn method(node: &Node<'_>) -> Result<Method, ConfigError> {
    match node.text("a method")?.as_str() {
        "GET" => Ok(Method::GET),
        "HEAD" => Ok(Method::HEAD),
        "POST" => Ok(Method::POST),
        other => Err(node.unknown("method", other, &METHODS)),
    }
}

/// One text or a list of them, each of which must fit.
pub(super) fn texts(node: &Node<'_>, what: &'static str, fits: fn(&str) -> bool) -> Result<Vec<String>, ConfigError> {
    let text = |item: Node<'_>| {
        let text = item.text(what)?;
        if fits(&text) { Ok(text) } else { Err(item.error(format!("`{text}` is not {what}"))) }
    };
    node.one_or_many().into_iter().map(text).collect()
}

/// A name without a port: requests to any port of it are for this host.
pub(super) fn is_host(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
}

/// What a browser sends as `Origin` (RFC 6454 §6.2). `null` is none: any site can have a page send it.
pub(super) fn is_origin(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| url.origin().is_tuple() && url.origin().ascii_serialization() == text)
}
