//! `listen`: one `ADDRESS:PORT`, or a list of listeners, each an address or a map.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use muster_core::name::Tag;
use muster_frontend::http::listen::{ClientAccount, TlsFiles, TrustedProxies};

use super::yaml::{ConfigError, Node};

const KEYS: [&str; 4] = ["address", "tag", "tls", "trusted_proxies"];
const TLS: [&str; 4] = ["certificate", "key", "client_ca", "client_account"];
const CLIENT_ACCOUNT: [&str; 3] = ["any", "email", "common_name"];

/// One socket ReST is served at.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Listener {
    /// Where.
    pub address: SocketAddr,
    /// How rules name it.
    pub tag: Option<String>,
    /// The files its TLS is made of; without, it speaks plain HTTP.
    pub tls: Option<TlsFiles>,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: TrustedProxies,
}

impl Listener {
    /// Plain HTTP, for everybody the same.
    pub fn plain(address: SocketAddr) -> Self {
        Self { address, tag: None, tls: None, trusted_proxies: TrustedProxies::default() }
    }
}

pub(super) fn listeners(node: &Node<'_>) -> Result<Vec<Listener>, ConfigError> {
    let listeners: Vec<Listener> = node.one_or_many().iter().map(|item| listener(item)).collect::<Result<_, _>>()?;
    if listeners.is_empty() { Err(node.error("expected at least one address")) } else { Ok(listeners) }
}

fn listener(node: &Node<'_>) -> Result<Listener, ConfigError> {
    if !node.is_map() {
        return address(node).map(Listener::plain);
    }
    let (mut at, mut tag, mut tls, mut trusted_proxies) = (None, None, None, TrustedProxies::default());
    for member in node.members("a listener")? {
        let below = node.below(member.key, member.value);
        match member.key {
            "address" => at = Some(address(&below)?),
            "tag" => {
                let text = below.text("a word that rules can refer to")?;
                tag = Some(Tag::parse(&text).map_err(|error| below.error(error.to_string()))?.as_str().to_owned());
            }
            "tls" => tls = Some(tls_files(&below)?),
            "trusted_proxies" => trusted_proxies = proxies(&below)?,
            other => return Err(node.at(member.key_node).unknown("key", other, &KEYS)),
        }
    }
    let address = at.ok_or_else(|| node.error("a listener needs an `address`, such as 127.0.0.1:5280"))?;
    Ok(Listener { address, tag, tls, trusted_proxies })
}

fn address(node: &Node<'_>) -> Result<SocketAddr, ConfigError> {
    let text = node.text("an address and a port, such as 127.0.0.1:5280")?;
    text.parse().map_err(|_| node.error(format!("`{text}` is not an address and a port, such as 127.0.0.1:5280")))
}

fn tls_files(node: &Node<'_>) -> Result<TlsFiles, ConfigError> {
    let (mut certificate, mut key, mut client_ca, mut client_account) = (None, None, None, None);
    for member in node.members("a map with certificate and key")? {
        let below = node.below(member.key, member.value);
        let path = || below.path("a file");
        match member.key {
            "certificate" => certificate = Some(path()?),
            "key" => key = Some(path()?),
            "client_ca" => client_ca = Some(path()?),
            "client_account" => {
                let text = below.text("which name is that of the account")?;
                client_account = Some(match text.as_str() {
                    "any" => ClientAccount::Any,
                    "email" => ClientAccount::Email,
                    "common_name" => ClientAccount::CommonName,
                    other => return Err(below.unknown("name", other, &CLIENT_ACCOUNT)),
                });
            }
            other => return Err(node.at(member.key_node).unknown("key", other, &TLS)),
        }
    }
    let (Some(certificate), Some(key)) = (certificate, key) else {
        return Err(node.error("`tls` needs both a `certificate` and its `key`"));
    };
    if client_account.is_some() && client_ca.is_none() {
        return Err(
            node.error("`client_account` needs `client_ca`: without it, clients are not asked for a certificate")
        );
    }
    Ok(TlsFiles { certificate, key, client_ca, client_account: client_account.unwrap_or_default() })
}

fn proxies(node: &Node<'_>) -> Result<TrustedProxies, ConfigError> {
    if node.scalar().as_deref() == Some("all") {
        return Ok(TrustedProxies::All);
    }
    Ok(TrustedProxies::Networks(node.one_or_many().iter().map(network).collect::<Result<_, _>>()?))
}

fn network(node: &Node<'_>) -> Result<IpNet, ConfigError> {
    let text = node.text("an address or a network such as 10.0.0.0/8")?;
    let network = text.parse().ok().or_else(|| text.parse::<IpAddr>().map(IpNet::from).ok());
    network.ok_or_else(|| node.error(format!("`{text}` is not an address or a network such as 10.0.0.0/8, nor `all`")))
}
