//! Who really calls when a proxy stands between: `X-Forwarded-For`, believed only as far as trusted proxies wrote it.
//!
//! Each proxy adds the address it was called from at the right end, so the header is read from there: the first address
//! that is no trusted proxy is the caller, and whatever stands left of it is the caller's own invention. A peer that is
//! no trusted proxy is the caller itself, and its header is not even looked at. Where a trusted proxy passed on
//! something that is not an address, the caller is unknown, and the request is rejected: taking the proxy for the
//! caller would give a stranger the permissions of its network.
//!
//! `Forwarded` (RFC 7239) is ignored: two headers that say the same thing can disagree, and proxies that set one rarely
//! clear the other.

use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;
use ipnet::IpNet;
use muster_core::address::canonical;

/// Most addresses looked at, from the right. Real installations have far fewer proxies.
pub const HOPS_MAX: usize = 32;

const FORWARDED_FOR: &str = "x-forwarded-for";

/// Which peers' word is taken for who called them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum TrustedProxies {
    /// Peers in these networks; an empty list trusts no peer.
    Networks(Vec<IpNet>),
    /// All peers, as far as the left end. Only for sockets that nothing but a proxy can reach.
    All,
}

impl Default for TrustedProxies {
    fn default() -> Self {
        Self::Networks(Vec::new())
    }
}

/// The chain of proxies cannot be followed to a caller.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BrokenChain;

impl TrustedProxies {
    fn trusts(&self, address: IpAddr) -> bool {
        match self {
            Self::All => true,
            Self::Networks(networks) => networks.iter().any(|network| network.contains(&address)),
        }
    }

    /// Whether connections from there are a trusted proxy's. Where everybody's word is taken, everybody is one.
    pub(crate) fn has(&self, peer: IpAddr) -> bool {
        self.trusts(canonical(peer))
    }

    /// The address of the caller behind `peer`, in canonical form.
    ///
    /// # Errors
    /// When a trusted proxy passed on something that is no address, or more than [`HOPS_MAX`] of them.
    pub fn caller(&self, peer: IpAddr, headers: &HeaderMap) -> Result<IpAddr, BrokenChain> {
        let mut current = canonical(peer);
        if !self.trusts(current) {
            return Ok(current);
        }
        // Several lines are one list (RFC 9110 §5.3), so the right end is that of the last line.
        let mut hops = 0;
        for line in headers.get_all(FORWARDED_FOR).iter().rev() {
            for entry in line.to_str().map_err(|_| BrokenChain)?.rsplit(',') {
                hops += 1;
                current = address(entry.trim()).filter(|_| hops <= HOPS_MAX).ok_or(BrokenChain)?;
                if !self.trusts(current) {
                    return Ok(current);
                }
            }
        }
        Ok(current)
    }
}

/// Reads `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:80`.
fn address(entry: &str) -> Option<IpAddr> {
    let bare = entry.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let parsed = match bare {
        Some(bare) => bare.parse().ok().map(IpAddr::V6),
        None => entry.parse().ok().or_else(|| entry.parse::<SocketAddr>().ok().map(|address| address.ip())),
    };
    parsed.map(canonical)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Networks (or `all`), peer, header lines → caller, or nothing where the request is refused.
    const CHAINS: &[(&str, &str, &[&str], Option<&str>)] = &[
        // Without trusted proxies the header means nothing, whatever it says.
        ("", "192.0.2.1", &[], Some("192.0.2.1")),
        ("", "192.0.2.1", &["127.0.0.1"], Some("192.0.2.1")),
        ("", "192.0.2.1", &["garbage"], Some("192.0.2.1")),
        // A peer that is no trusted proxy is not believed.
        ("10.0.0.0/8", "192.0.2.1", &["127.0.0.1"], Some("192.0.2.1")),
        ("10.0.0.0/8", "192.0.2.1", &["unknown"], Some("192.0.2.1")),
        // One trusted proxy: the right end counts, the rest is the caller's own.
        ("10.0.0.0/8", "10.0.0.1", &[], Some("10.0.0.1")),
        ("10.0.0.0/8", "10.0.0.1", &["192.0.2.7"], Some("192.0.2.7")),
        ("10.0.0.0/8", "10.0.0.1", &["127.0.0.1, 192.0.2.7"], Some("192.0.2.7")),
        ("10.0.0.0/8", "10.0.0.1", &["10.0.0.9, 192.0.2.7"], Some("192.0.2.7")),
        ("10.0.0.0/8", "10.0.0.1", &["garbage <script>, 192.0.2.7"], Some("192.0.2.7")),
        ("10.0.0.0/8", "10.0.0.1", &["127.0.0.1", "192.0.2.7"], Some("192.0.2.7")),
        ("10.0.0.0/8", "10.0.0.1", &["192.0.2.7", "127.0.0.1"], Some("127.0.0.1")),
        ("10.0.0.0/8", "10.0.0.1", &["127.0.0.1,192.0.2.7 , 10.0.0.2"], Some("192.0.2.7")),
        // Only proxies: the farthest one calls.
        ("10.0.0.0/8", "10.0.0.1", &["10.0.0.3, 10.0.0.2"], Some("10.0.0.3")),
        // What a trusted proxy passed on must be an address.
        ("10.0.0.0/8", "10.0.0.1", &["unknown"], None),
        ("10.0.0.0/8", "10.0.0.1", &["192.0.2.7, unknown"], None),
        ("10.0.0.0/8", "10.0.0.1", &["192.0.2.7,"], None),
        ("10.0.0.0/8", "10.0.0.1", &[""], None),
        ("10.0.0.0/8", "10.0.0.1", &["_hidden"], None),
        ("10.0.0.0/8", "10.0.0.1", &["192.0.2.7:x"], None),
        ("10.0.0.0/8", "10.0.0.1", &["[192.0.2.7]"], None),
        ("10.0.0.0/8", "10.0.0.1", &["[2001:db8::1"], None),
        ("10.0.0.0/8", "10.0.0.1", &["192.0.2.07"], None),
        ("10.0.0.0/8", "10.0.0.1", &["192.0.2.7/8"], None),
        ("10.0.0.0/8", "10.0.0.1", &["fe80::1%eth0"], None),
        // Ports and brackets, as some proxies write them.
        ("10.0.0.0/8", "10.0.0.1", &["192.0.2.7:4711"], Some("192.0.2.7")),
        ("10.0.0.0/8", "10.0.0.1", &["2001:db8::1"], Some("2001:db8::1")),
        ("10.0.0.0/8", "10.0.0.1", &["[2001:db8::1]"], Some("2001:db8::1")),
        ("10.0.0.0/8", "10.0.0.1", &["[2001:db8::1]:4711"], Some("2001:db8::1")),
        // An IPv4 address in IPv6 is that address, as peer and in the header.
        ("10.0.0.0/8", "::ffff:10.0.0.1", &["192.0.2.7"], Some("192.0.2.7")),
        ("10.0.0.0/8", "10.0.0.1", &["192.0.2.7, ::ffff:10.0.0.2"], Some("192.0.2.7")),
        ("10.0.0.0/8", "10.0.0.1", &["::ffff:192.0.2.7"], Some("192.0.2.7")),
        // `all` believes the left end, and still no garbage.
        ("all", "192.0.2.1", &["198.51.100.1, 192.0.2.7"], Some("198.51.100.1")),
        ("all", "192.0.2.1", &["unknown, 192.0.2.7"], None),
        ("all", "192.0.2.1", &[], Some("192.0.2.1")),
    ];

    fn proxies(text: &str) -> TrustedProxies {
        match text {
            "all" => TrustedProxies::All,
            text => TrustedProxies::Networks(text.split_whitespace().map(|network| network.parse().unwrap()).collect()),
        }
    }

    fn headers(lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, line.parse().unwrap());
        }
        headers
    }

    #[test]
    fn the_caller_is_the_first_address_no_trusted_proxy_has() {
        for (trusted, peer, lines, expected) in CHAINS {
            let caller = proxies(trusted).caller(peer.parse().unwrap(), &headers(lines)).ok();
            assert_eq!(caller, expected.map(|text| text.parse().unwrap()), "{trusted:?} {peer} {lines:?}");
        }
    }

    #[test]
    fn a_long_header_costs_no_more_than_its_end() {
        let spoofed = vec!["127.0.0.1"; 1000].join(", ");
        let real = format!("{spoofed}, 192.0.2.7");
        let networks = proxies("10.0.0.0/8");
        assert_eq!(networks.caller("10.0.0.1".parse().unwrap(), &headers(&[&real])), Ok("192.0.2.7".parse().unwrap()));
        assert_eq!(proxies("all").caller("10.0.0.1".parse().unwrap(), &headers(&[&spoofed])), Err(BrokenChain));
    }

    #[test]
    fn other_headers_are_ignored() {
        let mut headers = headers(&["192.0.2.7"]);
        headers.insert("forwarded", "for=127.0.0.1".parse().unwrap());
        headers.insert("x-real-ip", "127.0.0.1".parse().unwrap());
        let caller = proxies("10.0.0.0/8").caller("10.0.0.1".parse().unwrap(), &headers);
        assert_eq!(caller, Ok("192.0.2.7".parse().unwrap()));
    }
}
