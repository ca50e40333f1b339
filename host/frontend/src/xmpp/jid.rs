//! Addresses of XMPP (RFC 7622), as a server that has checked them gives them.

/// Longest part, in bytes (RFC 7622 §3.1).
const PART_BYTES_MAX: usize = 1023;

/// An address: `local@domain/resource`, of which only the domain must be there.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct Jid {
    text: String,
    /// Where the resource begins, its `/` included.
    bare_end: usize,
    /// Where the domain begins.
    domain_start: usize,
}

impl Jid {
    /// Reads an address. Whether its parts are prepared as they must be is its server's business.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let bare_end = text.find('/').unwrap_or(text.len());
        let (bare, resource) = (text.get(..bare_end)?, text.get(bare_end..)?);
        let domain_start = bare.find('@').map_or(0, |at| at + 1);
        let domain = bare.get(domain_start..)?;
        let local = bare.get(..domain_start)?.strip_suffix('@');
        let fits = |part: &str| (1..=PART_BYTES_MAX).contains(&part.len()) && !part.contains(char::is_control);
        let all_fit = fits(domain)
            && local.is_none_or(fits)
            && resource.strip_prefix('/').is_none_or(fits)
            && !domain.contains('@');
        all_fit.then(|| Self { text: text.to_owned(), bare_end, domain_start })
    }

    /// All of it.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// Without the resource.
    pub(super) fn bare(&self) -> &str {
        self.text.get(..self.bare_end).unwrap_or_default()
    }

    /// The domain alone.
    pub(super) fn domain(&self) -> &str {
        self.text.get(self.domain_start..self.bare_end).unwrap_or_default()
    }

    /// Whether it is the address of an account, and not of the domain itself.
    pub(super) fn has_local(&self) -> bool {
        self.domain_start > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_three_parts_at_most() {
        let parts =
            |text: &str| Jid::parse(text).map(|jid| (jid.bare().to_owned(), jid.domain().to_owned(), jid.has_local()));
        let owned = |bare: &str, domain: &str, local| Some((bare.to_owned(), domain.to_owned(), local));
        assert_eq!(parts("localhost"), owned("localhost", "localhost", false));
        assert_eq!(parts("ann@localhost"), owned("ann@localhost", "localhost", true));
        assert_eq!(parts("ann@localhost/a@b/c"), owned("ann@localhost", "localhost", true));
        assert_eq!(parts("localhost/x@y"), owned("localhost", "localhost", false));
        let long = format!("{}@h", "a".repeat(1024));
        for bad in ["", "@", "@h", "a@", "a@/r", "/r", "a@b@c", "a@h/", "a\u{0}@h", &long] {
            assert_eq!(parts(bad), None, "{bad:?}");
        }
    }
}
