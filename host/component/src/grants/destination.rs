//! Where HTTP requests may go: `[METHOD[,METHOD…] ]SCHEME://HOST[:PORT]`.
//!
//! Hosts of grants and hosts of requests are read by the same function, so that there is no spelling one of them takes
//! and the other does not: a name, or an address in its usual form. Decimal, octal, hexadecimal and short forms of
//! addresses are neither, and go nowhere.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Longest host name, in bytes (RFC 1035 §2.3.4).
const NAME_BYTES_MAX: usize = 253;
/// Longest label of a host name, in bytes (RFC 1035 §2.3.4).
const LABEL_BYTES_MAX: usize = 63;
/// Most methods of one grant.
const METHODS_MAX: usize = 16;
/// Longest method, in bytes.
const METHOD_BYTES_MAX: usize = 32;

/// How requests travel.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Scheme {
    /// In the clear.
    Http,
    /// By TLS.
    Https,
}

impl Scheme {
    /// Reads `http` or `https`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "http" => Some(Self::Http),
            "https" => Some(Self::Https),
            _ => None,
        }
    }

    /// As it stands in a URL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// One host.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Host {
    /// A name, in lower case.
    Name(String),
    /// An address.
    Address(IpAddr),
}

impl Host {
    /// Reads a host as it stands in a URL: IPv6 in brackets.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(inner) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            return inner.parse::<Ipv6Addr>().ok().map(|address| Self::Address(address.into()));
        }
        if let Ok(address) = text.parse::<Ipv4Addr>() {
            return Some(Self::Address(address.into()));
        }
        is_name(text).then(|| Self::Name(text.to_ascii_lowercase()))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => formatter.write_str(name),
            Self::Address(IpAddr::V4(address)) => write!(formatter, "{address}"),
            Self::Address(IpAddr::V6(address)) => write!(formatter, "[{address}]"),
        }
    }
}

/// Whether this is a name nothing on the way takes for an address: resolvers read `127.1`, `0x7f.1` and `2130706433` as
/// one, and what they all have in common is a last label that begins with a digit (URL Standard, «ends in a number»).
fn is_name(text: &str) -> bool {
    let label = |label: &str| {
        (1..=LABEL_BYTES_MAX).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last = text.rsplit('.').next().unwrap_or_default();
    text.len() <= NAME_BYTES_MAX
        && text.split('.').all(label)
        && !last.starts_with(|first: char| first.is_ascii_digit())
}

/// Where one request goes.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Destination {
    /// In the clear, or by TLS.
    pub scheme: Scheme,
    /// To which host.
    pub host: Host,
    /// At which port.
    pub port: u16,
}

impl Destination {
    /// Reads where a request goes.
    pub fn of(uri: &http::Uri) -> Option<Self> {
        let scheme = Scheme::parse(uri.scheme_str()?)?;
        let authority = uri.authority()?;
        // No user and no password.
        if authority.as_str().contains('@') {
            return None;
        }
        let host = Host::parse(authority.host())?;
        let port = match authority.as_str().get(authority.host().len()..) {
            None | Some("") => scheme.port(),
            Some(port) => read_port(port.strip_prefix(':')?)?,
        };
        Some(Self { scheme, host, port })
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}://{}", self.scheme.as_str(), self.host)?;
        if self.port == self.scheme.port() { Ok(()) } else { write!(formatter, ":{}", self.port) }
    }
}

/// Digits only: no sign, no blank.
fn read_port(text: &str) -> Option<u16> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse::<u16>().ok().filter(|port| plain && *port > 0)
}

/// Where HTTP requests may go.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HttpGrant {
    /// In alphabetical order; empty for all.
    methods: Vec<String>,
    /// Whether names below the destination's are meant, and not itself.
    below: bool,
    destination: Destination,
    /// Whether the name may also stand for addresses that are not public.
    pub private: bool,
}

impl HttpGrant {
    /// Whether there is a destination both are about, whatever the method.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.reaches(&other.destination)
            || other.reaches(&self.destination)
            || (self.destination == other.destination && self.below == other.below)
    }

    /// Reads what stands behind `http:` or `http-private:`.
    pub(super) fn parse(text: &str, private: bool) -> Result<Self, String> {
        const FORM: &str =
            "write for example `http:https://api.example.org` or `http:GET,HEAD http://example.org:8080`";
        let (methods, place) = text.split_once(' ').map_or(("", text), |(methods, place)| (methods, place));
        let mut methods: Vec<String> =
            if text.contains(' ') { methods.split(',').map(str::to_owned).collect() } else { Vec::new() };
        for method in &methods {
            let plain = method.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-');
            if method.is_empty() || method.len() > METHOD_BYTES_MAX || !plain || method == "CONNECT" {
                return Err(format!("`{method}` is not a method that can be granted; {FORM}"));
            }
        }
        methods.sort();
        methods.dedup();
        if methods.len() > METHODS_MAX {
            return Err(format!("it has more than {METHODS_MAX} methods; name none to grant all"));
        }
        let (scheme, authority) = place.split_once("://").ok_or_else(|| format!("it has no `://`; {FORM}"))?;
        let scheme =
            Scheme::parse(scheme).ok_or_else(|| format!("`{scheme}` is neither `http` nor `https`; {FORM}"))?;
        if authority.contains(['/', '?', '#']) {
            return Err("a grant applies to a whole host: omit the path".to_owned());
        }
        if authority.contains('@') {
            return Err("omit user and password".to_owned());
        }
        let (below, authority) = authority.strip_prefix("*.").map_or((false, authority), |authority| (true, authority));
        let split = match authority.rfind(':') {
            // The colons of an IPv6 address are in brackets.
            Some(at) if authority.rfind(']').is_none_or(|end| end < at) => Some(at),
            _ => None,
        };
        let (host, port) = match split {
            Some(at) => (authority.get(..at).unwrap_or_default(), authority.get(at + 1..)),
            None => (authority, None),
        };
        let host_read = Host::parse(host).ok_or_else(|| {
            format!(
                "`{host}` is neither a host name (ASCII letters, digits, hyphens), `*.` and a name, nor an address such \
                 as `192.0.2.1` or `[2001:db8::1]`; {FORM}"
            )
        })?;
        if below && matches!(host_read, Host::Address(_)) {
            return Err("`*.` is only allowed before names".to_owned());
        }
        let port = match port {
            None => scheme.port(),
            Some(port) => read_port(port).ok_or_else(|| format!("`{port}` is not a port from 1 to 65535"))?,
        };
        Ok(Self { methods, below, destination: Destination { scheme, host: host_read, port }, private })
    }

    /// Whether a request may go there.
    pub fn allows(&self, method: &str, destination: &Destination) -> bool {
        self.methods_allow(method) && self.reaches(destination)
    }

    fn methods_allow(&self, method: &str) -> bool {
        method != "CONNECT" && (self.methods.is_empty() || self.methods.iter().any(|own| own == method))
    }

    /// Whether some request may go there.
    pub fn reaches(&self, destination: &Destination) -> bool {
        let own = &self.destination;
        let host = match (self.below, &own.host, &destination.host) {
            (false, own, wanted) => own == wanted,
            (true, Host::Name(own), Host::Name(wanted)) => {
                wanted.strip_suffix(own.as_str()).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
            }
            (true, _, _) => false,
        };
        host && own.scheme == destination.scheme && own.port == destination.port
    }

    /// The address the grant names, if it names one.
    pub fn address(&self) -> Option<IpAddr> {
        match self.destination.host {
            Host::Address(address) => Some(address),
            Host::Name(_) => None,
        }
    }
}

impl fmt::Display for HttpGrant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.private { "http-private:" } else { "http:" })?;
        if !self.methods.is_empty() {
            write!(formatter, "{} ", self.methods.join(","))?;
        }
        if !self.below {
            return write!(formatter, "{}", self.destination);
        }
        let text = self.destination.to_string();
        let (scheme, rest) = text.split_once("://").unwrap_or_default();
        write!(formatter, "{scheme}://*.{rest}")
    }
}
