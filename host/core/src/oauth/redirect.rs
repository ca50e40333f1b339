//! Redirect addresses: what a client may register, and what it may ask for (RFC 6749 §3.1.2, RFC 8252, RFC 9700 §2.1).
//!
//! What is asked for must be what is registered, character for character. The one exception is RFC 8252 §7.3: a
//! loopback address registered *without* a port stands for every port, since native applications cannot choose theirs.

use url::{Host, Url};

/// The name of the machine itself (RFC 6761 §6.3).
const LOCALHOST: &str = "localhost";
/// Longest redirect address, in bytes.
pub const REDIRECT_BYTES_MAX: usize = 1024;

/// Tells whether a client may register the address.
///
/// # Errors
/// What is wrong with it, for the operator.
pub fn check_redirect_uri(text: &str) -> Result<(), &'static str> {
    if text.len() > REDIRECT_BYTES_MAX {
        return Err("a redirect address may have at most 1024 bytes");
    }
    if !text
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'<' | b'>' | b'\\' | b'`' | b';' | b','))
    {
        return Err(
            "a redirect address has visible ASCII characters only, and no quotes, brackets, backslashes, `;` or `,`",
        );
    }
    let url = Url::parse(text).map_err(|_| "a redirect address is an absolute URI")?;
    if url.fragment().is_some() {
        return Err("a redirect address has no fragment");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("a redirect address has no user or password");
    }
    match url.scheme() {
        "https" => Ok(()),
        "http" if is_loopback(&url) => Ok(()),
        "http" => Err("a redirect address uses https, or http to 127.0.0.1, [::1] or localhost"),
        // RFC 8252 §7.1: a scheme of one's own is a domain name turned round, so it has a dot; `javascript` has none.
        scheme if scheme.contains('.') => Ok(()),
        _ => Err("a redirect address uses https, http to a loopback address, or a scheme such as org.example.app"),
    }
}

/// Whether the address asked for is the registered one.
pub(super) fn matches(registered: &str, asked: &str) -> bool {
    registered == asked || matches_but_port(registered, asked).unwrap_or_default()
}

fn matches_but_port(registered: &str, asked: &str) -> Option<bool> {
    let registered_url = Url::parse(registered).ok()?;
    if registered_url.scheme() != "http" || registered_url.port().is_some() || !is_loopback(&registered_url) {
        return None;
    }
    check_redirect_uri(asked).ok()?;
    let mut asked_url = Url::parse(asked).ok()?;
    // Both parsed and printed alike, so that only the port can differ.
    asked_url.set_port(None).ok()?;
    Some(asked_url == registered_url)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        // A name can be made to point elsewhere (RFC 8252 §8.3), which on a machine whose user registered it is theirs to
        // say: many applications know no other way. Only public clients may have it.
        Some(Host::Domain(name)) => name == LOCALHOST,
        None => false,
    }
}

/// Whether the address reaches this machine by a name: for clients that keep no secret, which a listener there could learn.
pub(super) fn is_by_name(uri: &str) -> bool {
    Url::parse(uri).is_ok_and(|url| url.scheme() == "http" && url.host() == Some(Host::Domain(LOCALHOST)))
}

/// What a person should know about where they will be sent: the host, or the scheme of an application.
pub fn redirect_host(uri: &str) -> String {
    let Ok(url) = Url::parse(uri) else { return String::new() };
    match url.host_str() {
        Some(host) if matches!(url.scheme(), "http" | "https") => match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        },
        _ => format!("the application of {}:", url.scheme()),
    }
}

/// Where a form may lead (CSP's `form-action`) so that the redirect is let through: an origin, or a scheme.
pub fn redirect_source(uri: &str) -> String {
    let Ok(url) = Url::parse(uri) else { return String::new() };
    match url.scheme() {
        "http" | "https" => url.origin().ascii_serialization(),
        scheme => format!("{scheme}:"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_that_reach_the_client_can_be_registered() {
        for good in [
            "https://app.example.org/cb",
            "https://app.example.org:8443/cb?x=1",
            "http://127.0.0.1/cb",
            "http://127.0.0.1:7777/cb",
            "http://[::1]/cb",
            "http://localhost/cb",
            "http://localhost:7777/cb",
            "org.example.app:/cb",
        ] {
            assert_eq!(check_redirect_uri(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "/cb",
            "app.example.org/cb",
            "http://app.example.org/cb",
            "http://localhost.example.org/cb",
            "http://localhosts/cb",
            "https://user@app.example.org/cb",
            "https://app.example.org/cb#x",
            "https://app.example.org/c b",
            "https://app.example.org/\"",
            "https://app.example.org/;script-src",
            "javascript:alert(1)",
            "data:text/html,x",
            "file:///etc/passwd",
            "https://app.example.org/\u{e9}",
        ] {
            assert!(check_redirect_uri(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_the_port_of_a_loopback_address_is_free() {
        let web = "https://app.example.org/cb";
        for (registered, asked, same) in [
            (web, web, true),
            (web, "https://app.example.org/cb/", false),
            (web, "https://app.example.org/cb?x=1", false),
            (web, "https://app.example.org/cb#x", false),
            (web, "https://app.example.org:444/cb", false),
            (web, "https://app.example.org:443/cb", false),
            (web, "https://user@app.example.org/cb", false),
            (web, "https://app.example.org.evil.org/cb", false),
            (web, "https://APP.example.org/cb", false),
            (web, "http://app.example.org/cb", false),
            (web, "https://app.example.org/cb/../evil", false),
            (web, "https://app.example.org/cb%2f", false),
            ("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb", true),
            ("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb2", false),
            ("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb#x", false),
            ("http://127.0.0.1/cb", "http://a@127.0.0.1:51004/cb", false),
            ("http://127.0.0.1/cb", "http://127.0.0.2:51004/cb", false),
            ("http://127.0.0.1/cb", "https://127.0.0.1:51004/cb", false),
            ("http://localhost/cb", "http://localhost:51004/cb", true),
            ("http://localhost/cb", "http://localhost/cb", true),
            ("http://localhost/cb", "http://127.0.0.1:51004/cb", false),
            ("http://127.0.0.1/cb", "http://localhost:51004/cb", false),
            ("http://localhost/cb", "https://localhost:51004/cb", false),
            ("http://localhost/cb", "http://localhost.evil.org:51004/cb", false),
            ("http://localhost/cb", "http://localhost:51004/other", false),
            ("http://localhost:7777/cb", "http://localhost:7778/cb", false),
            ("http://127.0.0.1:7777/cb", "http://127.0.0.1:7778/cb", false),
            ("org.example.app:/cb", "org.example.app:/cb", true),
            ("org.example.app:/cb", "org.example.app:/cb2", false),
        ] {
            assert_eq!(matches(registered, asked), same, "{registered} {asked}");
        }
    }

    #[test]
    fn people_are_told_the_host() {
        for (uri, host, source) in [
            ("https://app.example.org:8443/cb", "app.example.org:8443", "https://app.example.org:8443"),
            ("http://127.0.0.1:7/x", "127.0.0.1:7", "http://127.0.0.1:7"),
            ("org.example.app:/cb", "the application of org.example.app:", "org.example.app:"),
        ] {
            assert_eq!((redirect_host(uri).as_str(), redirect_source(uri).as_str()), (host, source));
        }
    }
}
