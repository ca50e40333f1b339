//! What kind of address a request would go to. A name says nothing about that: its owner can make it resolve to an
//! address inside the operator's network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where an address leads.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Reach {
    /// Into the network everybody shares.
    Public,
    /// To this machine, or into a network of the operator's.
    Private,
    /// To a service that gives credentials to every process on this machine.
    Metadata,
    /// Nowhere a request should go: several hosts at once, or no host.
    Nowhere,
}

/// Addresses at which clouds answer those who run there.
const METADATA_V4: [Ipv4Addr; 8] = [
    Ipv4Addr::new(169, 254, 0, 23),
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(169, 254, 169, 253),
    Ipv4Addr::new(169, 254, 170, 2),
    Ipv4Addr::new(169, 254, 170, 23),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
    Ipv4Addr::new(168, 63, 129, 16),
];
const METADATA_V6: [Ipv6Addr; 3] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
];

/// Where this address leads.
pub(super) fn reach(address: IpAddr) -> Reach {
    match address {
        IpAddr::V4(address) => reach_v4(address),
        IpAddr::V6(address) => reach_v6(address),
    }
}

fn reach_v4(address: Ipv4Addr) -> Reach {
    if METADATA_V4.contains(&address) {
        return Reach::Metadata;
    }
    match address.octets() {
        // This network, multicast, reserved, broadcast (RFC 6890); documentation (RFC 5737).
        [0 | 224..=255, ..] | [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Reach::Nowhere,
        // Loopback, private (RFC 1918), shared by carriers (RFC 6598), link-local, protocol assignments, old relays,
        // benchmarks.
        [127 | 10, ..]
        | [172, 16..=31, ..]
        | [192, 168, ..]
        | [100, 64..=127, ..]
        | [169, 254, ..]
        | [192, 0, 0, _]
        | [192, 88, 99, _]
        | [198, 18..=19, ..] => Reach::Private,
        _ => Reach::Public,
    }
}

fn reach_v6(address: Ipv6Addr) -> Reach {
    if METADATA_V6.contains(&address) {
        return Reach::Metadata;
    }
    // The prefix for NAT64 of one's own (RFC 8215) has the IPv4 address wherever its operator put it (RFC 6052).
    if address.is_unspecified() || address.segments().starts_with(&[0x64, 0xff9b, 1]) {
        return Reach::Nowhere;
    }
    if address.is_loopback() {
        return Reach::Private;
    }
    let segments = address.segments();
    let v4 = |high: u16, low: u16| {
        let ([one, two], [three, four]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(one, two, three, four)
    };
    // Forms with an IPv4 address inside lead where that leads, but never count as public: who writes an address like
    // this probably wants to bypass a filter.
    let inside = match segments {
        // Mapped, compatible, translated (RFC 4291 §2.5.5, RFC 2765); NAT64 (RFC 6052); 6to4 (RFC 3056).
        [0, 0, 0, 0, 0, 0xffff | 0, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, _, _, _, high, low]
        | [0x2002, high, low, ..] => Some(v4(high, low)),
        // Teredo (RFC 4380), whose client's address is inverted.
        [0x2001, 0, .., high, low] => Some(v4(!high, !low)),
        _ => None,
    };
    if let Some(inside) = inside {
        return match reach_v4(inside) {
            Reach::Public | Reach::Private => Reach::Private,
            other @ (Reach::Metadata | Reach::Nowhere) => other,
        };
    }
    match segments {
        // Multicast; discard only (RFC 6666); documentation (RFC 3849, RFC 9637).
        [0xff00..=0xffff, ..] | [0x100, 0, ..] | [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Reach::Nowhere,
        // Unique local, link-local, the old site-local.
        [0xfc00..=0xfdff | 0xfe80..=0xfeff, ..] => Reach::Private,
        // Global unicast.
        [0x2000..=0x3fff, ..] => Reach::Public,
        _ => Reach::Nowhere,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_lead_where_they_lead() {
        let rows = [
            (Reach::Public, "1.1.1.1 8.8.8.8 93.184.215.14 172.15.0.1 172.32.0.1 100.128.0.1 2606:4700::1111 2a00::1"),
            (
                Reach::Private,
                "127.0.0.1 127.255.255.254 10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 100.64.0.1 100.127.0.1 \
                 169.254.0.1 198.18.0.1 ::1 fc00::1 fd12::1 fe80::1 fec0::1 ::ffff:127.0.0.1 ::ffff:8.8.8.8 ::127.0.0.1 \
                 64:ff9b::7f00:1 64:ff9b::808:808 2002:7f00:1:: 2002:808:808:: 2001:0:1::80ff:fffe",
            ),
            (
                Reach::Metadata,
                "169.254.169.254 169.254.170.2 169.254.0.23 100.100.100.200 192.0.0.192 168.63.129.16 fd00:ec2::254 fd20:ce::254 \
                 ::ffff:169.254.169.254 64:ff9b::a9fe:a9fe 2002:a9fe:a9fe::",
            ),
            (
                Reach::Nowhere,
                "0.0.0.0 0.1.2.3 224.0.0.1 239.1.1.1 240.0.0.1 255.255.255.255 192.0.2.1 198.51.100.1 203.0.113.1 :: \
                 ff02::1 100::1 2001:db8::1 3fff::1 ::ffff:0.0.0.0 ::ffff:224.0.0.1 4000::1 64:ff9b:1::a00:1 64:ff9b:1:a9fe:a9:fe00::",
            ),
        ];
        for (expected, addresses) in rows {
            for address in addresses.split_whitespace() {
                assert_eq!(reach(address.parse().unwrap()), expected, "{address}");
            }
        }
    }
}
