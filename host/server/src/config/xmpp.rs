//! `xmpp`: the server Muster is a component of.

use std::net::IpAddr;
use std::path::PathBuf;

use muster_core::name::AccountId;
use rustls::pki_types::ServerName;

use super::yaml::{ConfigError, Node};

const KEYS: [&str; 5] = ["server", "domain", "secret", "trusted_domains", "tls"];
const TLS: [&str; 2] = ["ca", "name"];
/// Longest secret, in bytes.
const SECRET_BYTES_MAX: u64 = 4096;

/// The section, as meant.
#[derive(Clone, Eq, PartialEq)]
pub struct Xmpp {
    /// `HOST:PORT`.
    pub server: String,
    /// The component's domain.
    pub domain: String,
    /// What the server knows it by.
    pub secret: String,
    /// Domains whose accounts are who the server says they are.
    pub trusted_domains: Vec<String>,
    /// How the stream is encrypted; nothing where it is not.
    pub tls: Option<XmppTls>,
}

impl std::fmt::Debug for Xmpp {
    // By hand: the secret must not reach a log.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Xmpp")
            .field("server", &self.server)
            .field("domain", &self.domain)
            .finish_non_exhaustive()
    }
}

/// Whom to believe that it is the server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct XmppTls {
    /// A file with certificates of authorities; those this machine trusts without.
    pub ca: Option<PathBuf>,
    /// The server's name in its certificate.
    pub name: ServerName<'static>,
}

pub(super) fn section(node: &Node<'_>) -> Result<Xmpp, ConfigError> {
    let (mut server, mut domain, mut secret, mut trusted_domains, mut tls) = (None, None, None, Vec::new(), None);
    for member in node.members("a map with server, domain, secret and trusted_domains")? {
        let below = node.below(member.key, member.value);
        match member.key {
            "server" => server = Some(self::server(&below)?),
            "domain" => domain = Some(self::domain(&below)?),
            "secret" => secret = Some(self::secret(&below)?),
            "trusted_domains" => {
                trusted_domains = below.one_or_many().iter().map(self::domain).collect::<Result<_, _>>()?;
            }
            "tls" => tls = Some(member),
            other => return Err(node.at(member.key_node).unknown("key", other, &KEYS)),
        }
    }
    let missing = |what: &str| node.error(format!("`{what}` is missing"));
    let server = server.ok_or_else(|| missing("server"))?;
    let (host, _) = server.rsplit_once(':').unwrap_or_default();
    let host = host.trim_matches(['[', ']']);
    let tls = match tls {
        Some(member) => self::tls(&node.below(member.key, member.value), host)?,
        None if is_this_machine(host) => None,
        None => {
            let text = "`server` is another machine: say how it speaks TLS with `tls: {}` or `tls: {ca: FILE, name: NAME}`, \
                        or `tls: none` if the network between both machines is trusted";
            return Err(node.error(text));
        }
    };
    if trusted_domains.is_empty() {
        let text = "`trusted_domains` is missing: the domains for which the server authenticates the accounts";
        return Err(node.error(text));
    }
    Ok(Xmpp {
        server: server.clone(),
        domain: domain.ok_or_else(|| missing("domain"))?,
        secret: secret.ok_or_else(|| missing("secret"))?,
        trusted_domains,
        tls,
    })
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn server(node: &Node<'_>) -> Result<String, ConfigError> {
    let text = node.text("a host and a port, such as 127.0.0.1:5347")?;
    let parts = text.rsplit_once(':').filter(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
    match parts {
        Some(_) => Ok(text),
        None => Err(node.error(format!("`{text}` is not a host and a port, such as 127.0.0.1:5347"))),
    }
}

fn domain(node: &Node<'_>) -> Result<String, ConfigError> {
    let text = node.text("a domain")?;
    let account = AccountId::new("any", &text).map_err(|error| node.error(error.to_string()))?;
    Ok(account.host().to_owned())
}

/// The text itself, or what stands in the file behind `@`.
fn secret(node: &Node<'_>) -> Result<String, ConfigError> {
    let text = node.text("a string, or `@` and the name of a file that contains it")?;
    let secret = match text.strip_prefix('@') {
        None => text,
        Some(file) => {
            let path = node.beside(file);
            let failed = |reason: String| node.error(format!("{} cannot be read: {reason}", path.display()));
            if let Ok(metadata) = std::fs::metadata(&path) {
                if !metadata.is_file() {
                    return Err(failed("it is not a regular file".to_owned()));
                }
                if metadata.len() > SECRET_BYTES_MAX {
                    return Err(failed(format!("it has more than {SECRET_BYTES_MAX} bytes")));
                }
            }
            let text = std::fs::read_to_string(&path).map_err(|error| failed(error.to_string()))?;
            text.trim_end_matches(['\r', '\n']).to_owned()
        }
    };
    if secret.is_empty() { Err(node.error("the secret is empty")) } else { Ok(secret) }
}

fn tls(node: &Node<'_>, host: &str) -> Result<Option<XmppTls>, ConfigError> {
    if node.scalar().as_deref() == Some("none") {
        return Ok(None);
    }
    let (mut ca, mut name) = (None, host.to_owned());
    for member in node.members("`none`, or a map with `ca` and `name`")? {
        let below = node.below(member.key, member.value);
        match member.key {
            "ca" => ca = Some(below.path("a file")?),
            "name" => name = below.text("the server's name in its certificate")?,
            other => return Err(node.at(member.key_node).unknown("key", other, &TLS)),
        }
    }
    let name = ServerName::try_from(name.clone())
        .map_err(|_| node.error(format!("`{name}` is not a valid name for a certificate")))?;
    Ok(Some(XmppTls { ca, name }))
}
