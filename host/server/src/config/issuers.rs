//! `issuers`: whose tokens are taken beside those of this server.

use std::net::IpAddr;
use std::time::Duration;

use muster_core::name::AccountId;
use muster_issuer::{Algorithm, IssuerSettings, KeySource};

use super::yaml::{ConfigError, Node};

const KEYS: [&str; 11] = [
    "issuer",
    "audience",
    "jwks_url",
    "jwks_file",
    "algorithms",
    "clock_skew_seconds",
    "account_claim",
    "account_host",
    "scope_claim",
    "accounts",
    "refetch_seconds",
];
/// Algorithms without configuration: those in use today.
const ALGORITHMS: [Algorithm; 4] = [Algorithm::RS256, Algorithm::PS256, Algorithm::ES256, Algorithm::EdDSA];

/// The list of issuers. `hosts` are the hosts of this server: accounts that exist elsewhere cannot be at one of them.
pub(super) fn section(node: &Node<'_>, hosts: &[String]) -> Result<Vec<IssuerSettings>, ConfigError> {
    node.one_or_many().iter().map(|item| issuer(item, hosts)).collect()
}

fn issuer(node: &Node<'_>, hosts: &[String]) -> Result<IssuerSettings, ConfigError> {
    let (mut name, mut keys) = (None, None);
    let mut read = IssuerSettings {
        issuer: String::new(),
        audiences: Vec::new(),
        keys: KeySource::Url(String::new()),
        algorithms: ALGORITHMS.to_vec(),
        clock_skew: Duration::from_secs(30),
        account_claim: "sub".to_owned(),
        account_host: None,
        scope_claim: "scope".to_owned(),
        elsewhere: false,
        refetch_after: Duration::from_mins(1),
    };
    for member in node.members("an issuer: a map with `issuer`, `audience` and where its keys are")? {
        let below = node.below(member.key, member.value);
        match member.key {
            "issuer" => name = Some(below.text("the claim `iss` of its tokens")?),
            "audience" => {
                let audience = |item: Node<'_>| item.text("an audience");
                read.audiences = below.one_or_many().into_iter().map(audience).collect::<Result<_, _>>()?;
            }
            "jwks_url" | "jwks_file" if keys.is_some() => {
                return Err(below.error("`jwks_url` and `jwks_file` cannot be used together"));
            }
            "jwks_url" => keys = Some(KeySource::Url(url(&below)?)),
            "jwks_file" => keys = Some(KeySource::File(below.path("a file")?)),
            "algorithms" => {
                read.algorithms = below.one_or_many().iter().map(algorithm).collect::<Result<_, _>>()?;
            }
            "clock_skew_seconds" => read.clock_skew = Duration::from_secs(below.number(0, 600)?),
            "account_claim" => read.account_claim = below.text("the name of a claim")?,
            "account_host" => read.account_host = Some(host(&below)?),
            "scope_claim" => read.scope_claim = below.text("the name of a claim")?,
            "accounts" => {
                read.elsewhere = match below.text("`local` or `external`")?.as_str() {
                    "local" => false,
                    "external" => true,
                    other => return Err(below.unknown("kind of accounts", other, &["local", "external"])),
                }
            }
            "refetch_seconds" => read.refetch_after = Duration::from_secs(below.number(1, 86_400)?),
            other => return Err(node.at(member.key_node).unknown("key", other, &KEYS)),
        }
    }
    read.issuer = name.ok_or_else(|| node.error("`issuer` is missing"))?;
    read.keys = keys.ok_or_else(|| node.error("`jwks_url` or `jwks_file` is missing"))?;
    if read.audiences.is_empty() {
        return Err(node.error("`audience` is missing: tokens for other services would be accepted"));
    }
    if read.elsewhere && read.account_host.as_ref().is_none_or(|own| hosts.contains(own)) {
        return Err(node.error(
            "external accounts need an `account_host` that is not in `hosts`: otherwise the issuer could name any \
             account of this server",
        ));
    }
    Ok(read)
}

fn url(node: &Node<'_>) -> Result<String, ConfigError> {
    let text = node.text("an address")?;
    let fits = url::Url::parse(&text).is_ok_and(|url| match url.scheme() {
        "https" => true,
        "http" => url.host_str().is_some_and(|host| {
            host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
        }),
        _ => false,
    });
    if fits {
        Ok(text)
    } else {
        Err(node.error(format!("`{text}` is neither an https address nor an http address of this machine")))
    }
}

fn algorithm(node: &Node<'_>) -> Result<Algorithm, ConfigError> {
    let text = node.text("an algorithm")?;
    Algorithm::parse(&text).ok_or_else(|| node.unknown("algorithm", &text, &Algorithm::ALL.map(Algorithm::as_str)))
}

fn host(node: &Node<'_>) -> Result<String, ConfigError> {
    let text = node.text("a host")?;
    let account = AccountId::new("any", &text).map_err(|error| node.error(error.to_string()))?;
    Ok(account.host().to_owned())
}
