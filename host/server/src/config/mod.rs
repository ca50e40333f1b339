//! `muster.yaml`, in two stages: as written (YAML with positions) and as meant ([`Config`]). Everything is checked
//! before anything is opened; an unknown key or a value of the wrong kind is an error.

mod audit;
mod entrance;
mod files;
mod issuers;
mod listen;
mod mcp;
mod oauth;
mod passwords;
mod permissions;
mod rates;
mod xmlrpc;
mod xmpp;
mod yaml;

use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use muster_builtin::LOG_LEVELS;
use muster_core::authn::PasswordPolicy;
use muster_core::permission::{self, Names, Permissions};
use muster_core::rate::Rate;
use muster_issuer::IssuerSettings;
use muster_wasm::Limits;

pub use listen::Listener;
pub use oauth::OAuth;
pub(crate) use permissions::INTERFACES;
use saphyr::MarkedYaml;
pub use xmpp::{Xmpp, XmppTls};
pub use yaml::ConfigError;
use yaml::{Member, Node};

/// Longest file, in bytes.
const FILE_BYTES_MAX: u64 = 16 << 20;
/// The address without configuration.
const LISTEN: SocketAddr = SocketAddr::V4(std::net::SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, 5280));
const KEYS: [&str; 15] = [
    "listen",
    "allowed_hosts",
    "cors",
    "hosts",
    "loglevel",
    "limits",
    "rate_limits",
    "audit",
    "plugins_available",
    "passwords",
    "oauth",
    "issuers",
    "mcp",
    "xmlrpc",
    "xmpp",
];
/// Keys below `limits` that are about the host; those about plugins are [`Limits::ALL`].
const HOST_LIMITS: [&str; 9] = [
    "body_bytes_max",
    "call_deadline_ms",
    "connections_max",
    "connections_per_address_max",
    "drain_deadline_ms",
    "idle_deadline_ms",
    "unsent_bytes_max",
    "unsent_bytes_per_caller_max",
    "write_deadline_ms",
];

/// The configuration, as meant.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where ReST is served.
    pub listen: Vec<Listener>,
    /// For which names requests are taken, and from which sites.
    pub entrance: muster_frontend::http::entrance::Settings,
    /// Hosts accounts can be at.
    pub hosts: Vec<String>,
    /// One of [`LOG_LEVELS`].
    pub log_level: String,
    /// Longest body of a request, in bytes.
    pub body_bytes_max: usize,
    /// Time a call may take as a whole.
    pub call_deadline: Duration,
    /// Connections open at a time.
    pub connections_max: usize,
    /// Connections open at a time from one address; a quarter of all without.
    pub connections_per_address_max: Option<usize>,
    /// Time a connection may wait for its next request, in milliseconds.
    pub idle_deadline_ms: u64,
    /// Time in which a client must read something of an answer that waits for it, in milliseconds.
    pub write_deadline_ms: u64,
    /// Bytes of answers that clients did not read, of all.
    pub unsent_bytes_max: u64,
    /// Bytes of answers that clients of one address did not read.
    pub unsent_bytes_per_caller_max: u64,
    /// Time for calls to end when the host stops.
    pub drain_deadline: Duration,
    /// Bounds on plugins.
    pub limits: Limits,
    /// How calls are recorded; nothing where they are not.
    pub audit: Option<muster_audit::Options>,
    /// How often callers may call.
    pub rates: Vec<Rate>,
    /// Directory of components that can be installed by name; default: `available` in the data directory.
    pub plugins_available: Option<PathBuf>,
    /// What new passwords must be.
    pub passwords: PasswordPolicy,
    /// What is decided about tokens.
    pub oauth: OAuth,
    /// How MCP is served; the bound on messages is that of every body.
    pub mcp: muster_frontend::mcp::Settings,
    /// Whose tokens are taken beside those of this server.
    pub issuers: Vec<IssuerSettings>,
    /// The path XML-RPC is served at; nothing where it is not.
    pub xmlrpc: Option<String>,
    /// The XMPP server this host is a component of; nothing where it is of none.
    pub xmpp: Option<Xmpp>,
    /// Who may call what.
    pub permissions: Permissions,
}

impl Default for Config {
    fn default() -> Self {
        let hosts = vec!["localhost".to_owned()];
        Self {
            listen: vec![Listener::plain(LISTEN)],
            permissions: Permissions::with_default_groups(Names::default()).at_hosts(&hosts),
            hosts,
            entrance: muster_frontend::http::entrance::Settings::default(),
            log_level: "info".to_owned(),
            body_bytes_max: 1 << 20,
            call_deadline: Duration::from_secs(30),
            connections_max: 10_000,
            connections_per_address_max: None,
            idle_deadline_ms: 75_000,
            write_deadline_ms: 30_000,
            unsent_bytes_max: 256 << 20,
            unsent_bytes_per_caller_max: 64 << 20,
            drain_deadline: Duration::from_secs(30),
            limits: Limits::default(),
            audit: Some(muster_audit::Options::default()),
            rates: Vec::new(),
            plugins_available: None,
            passwords: passwords::DEFAULT,
            oauth: OAuth::default(),
            mcp: muster_frontend::mcp::Settings::default(),
            issuers: Vec::new(),
            xmlrpc: None,
            xmpp: None,
        }
    }
}

impl Config {
    /// Reads the file.
    ///
    /// # Errors
    /// When it cannot be read, or has a mistake: the text begins with file, line and column.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = text_of(path).map_err(|error| format!("{}: cannot be read: {error}", path.display()))?;
        Self::parse_all(&path.display().to_string(), &text).map_err(|mistakes| {
            let first = mistakes.first().map(ToString::to_string).unwrap_or_default();
            match mistakes.len() {
                0 | 1 => first,
                count => format!("{first} (and {} more; `muster config check` lists all)", count - 1),
            }
        })
    }

    /// Reads the file, and gives every mistake that was found.
    ///
    /// # Errors
    /// A line for each.
    pub fn check(path: &Path) -> Result<Self, Vec<String>> {
        let text = text_of(path).map_err(|error| vec![format!("{}: cannot be read: {error}", path.display())])?;
        Self::parse_all(&path.display().to_string(), &text)
            .map_err(|mistakes| mistakes.iter().map(ToString::to_string).collect())
    }

    /// Reads the file, if there is one.
    ///
    /// # Errors
    /// As [`Config::read`].
    pub fn read_or_default(path: Option<&Path>) -> Result<Self, String> {
        path.map_or_else(|| Ok(Self::default()), Self::read)
    }

    /// Parses the text of the file named `file`.
    ///
    /// # Errors
    /// The first mistake.
    pub fn parse(file: &str, text: &str) -> Result<Self, ConfigError> {
        yaml::with_document(file, text, |document| {
            let mut mistakes = Vec::new();
            let config = Self::of_document(document, &mut mistakes);
            mistakes.into_iter().next().map_or(Ok(config), Err)
        })
    }

    /// What is most likely not meant, in a sentence each.
    pub fn warnings(&self) -> Vec<String> {
        let everywhere = self.listen.first().map(|listener| listener.address).filter(|at| at.ip().is_unspecified());
        let everywhere = everywhere.filter(|_| self.oauth.issuer.is_none());
        let text = |at: SocketAddr| {
            format!(
                "`listen` is {at}, every address of the machine, and `oauth: {{issuer: …}}` is missing: OAuth and MCP \
                 metadata would contain any host name that a client sends; set it to the address that clients use, \
                 such as https://muster.example.org"
            )
        };
        everywhere.map(text).into_iter().collect()
    }

    /// As [`Config::parse`], with the first mistake of each section, and of each group of rules.
    ///
    /// # Errors
    /// All of them, in the order of the file.
    pub fn parse_all(file: &str, text: &str) -> Result<Self, Vec<ConfigError>> {
        let mut mistakes = Vec::new();
        let config = yaml::with_document(file, text, |document| Ok(Self::of_document(document, &mut mistakes)));
        match config {
            Ok(config) if mistakes.is_empty() => Ok(config),
            Ok(_) => {
                mistakes.sort_by_key(ConfigError::place);
                Err(mistakes)
            }
            Err(error) => Err(vec![error]),
        }
    }

    fn of_document(document: Option<Node<'_>>, mistakes: &mut Vec<ConfigError>) -> Self {
        match document {
            Some(root) if !root.is_null() => Self::from_root(&root, mistakes),
            _ => Self::default(),
        }
    }

    fn from_root(root: &Node<'_>, mistakes: &mut Vec<ConfigError>) -> Self {
        let mut config = Self::default();
        let members = match root.members("a map of settings") {
            Ok(members) => members,
            Err(mistake) => {
                mistakes.push(mistake);
                return config;
            }
        };
        let mut issuers = None;
        for member in &members {
            mistakes.extend(config.section(root, member, &mut issuers).err());
        }
        // Behind the loop: what hosts there are is known only now.
        if let Some((key, value)) = issuers {
            match issuers::section(&root.below(key, value), &config.hosts) {
                Ok(read) => config.issuers = read,
                Err(mistake) => mistakes.push(mistake),
            }
        }
        match permissions::rules(root, &config.hosts) {
            Ok(rules) => config.permissions = rules,
            Err(of_rules) => mistakes.extend(of_rules),
        }
        config
    }

    /// Reads what stands under one key of the root.
    fn section<'a>(
        &mut self,
        root: &Node<'_>,
        member: &Member<'a>,
        issuers: &mut Option<(&'a str, &'a MarkedYaml<'a>)>,
    ) -> Result<(), ConfigError> {
        let node = root.below(member.key, member.value);
        match member.key {
            "listen" => self.listen = listen::listeners(&node)?,
            "allowed_hosts" => self.entrance.allowed_hosts = entrance::allowed_hosts(&node)?,
            "cors" => self.entrance.cors = Some(entrance::cors(&node)?),
            "hosts" => self.hosts = hosts(&node)?,
            "loglevel" => self.log_level = log_level(&node)?,
            "limits" => limits(&node, self)?,
            "audit" => self.audit = audit::audit(&node)?,
            "rate_limits" => self.rates = rates::rates(&node)?,
            "plugins_available" => self.plugins_available = Some(node.path("a directory")?),
            "passwords" => self.passwords = passwords::section(&node)?,
            "oauth" => self.oauth = oauth::section(&node)?,
            "mcp" => self.mcp = mcp::section(&node, &mut self.entrance)?,
            "issuers" => *issuers = Some((member.key, member.value)),
            "xmlrpc" => self.xmlrpc = Some(xmlrpc::path(&node)?),
            "xmpp" => self.xmpp = Some(xmpp::section(&node)?),
            key if permission::KEYS.contains(&key) => {}
            other => {
                let known = [&KEYS[..], &permission::KEYS].concat();
                return Err(root.at(member.key_node).unknown("key", other, &known));
            }
        }
        Ok(())
    }
}

/// The text of a file, if it is not longer than a configuration may be.
pub(crate) fn text_of(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    std::fs::File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(std::io::Error::other(format!("it has more than {FILE_BYTES_MAX} bytes")));
    }
    Ok(text)
}

fn hosts(node: &Node<'_>) -> Result<Vec<String>, ConfigError> {
    let host = |item: Node<'_>| {
        let text = item.text("a host name")?;
        let account = muster_core::name::AccountId::new("any", &text);
        account.map(|account| account.host().to_owned()).map_err(|error| item.error(error.to_string()))
    };
    let hosts: Vec<String> = node.one_or_many().into_iter().map(host).collect::<Result<_, _>>()?;
    if hosts.is_empty() { Err(node.error("expected at least one host")) } else { Ok(hosts) }
}

fn log_level(node: &Node<'_>) -> Result<String, ConfigError> {
    let text = node.text("a level")?;
    if LOG_LEVELS.contains(&text.as_str()) {
        Ok(text)
    } else {
        Err(node.error(format!("`{text}` is not a level; known are {}", LOG_LEVELS.join(", "))))
    }
}

fn limits(node: &Node<'_>, config: &mut Config) -> Result<(), ConfigError> {
    const DAY_MS: u64 = 24 * 60 * 60 * 1000;
    const BODY_BYTES: u64 = 1 << 30;
    const UNSENT_BYTES: u64 = 1 << 40;
    for member in node.members("a map of limits")? {
        let below = node.below(member.key, member.value);
        let number = |least, most| below.number(least, most);
        let size = |least, most: u64| number(least, most).map(|number| usize::try_from(number).unwrap_or(usize::MAX));
        match member.key {
            "body_bytes_max" => config.body_bytes_max = size(1, BODY_BYTES)?,
            "call_deadline_ms" => config.call_deadline = Duration::from_millis(number(1, DAY_MS)?),
            "connections_max" => config.connections_max = size(1, 1_000_000)?,
            "connections_per_address_max" => config.connections_per_address_max = Some(size(1, 1_000_000)?),
            "idle_deadline_ms" => config.idle_deadline_ms = number(1, DAY_MS)?,
            "write_deadline_ms" => config.write_deadline_ms = number(1, DAY_MS)?,
            "unsent_bytes_max" => config.unsent_bytes_max = number(1, UNSENT_BYTES)?,
            "unsent_bytes_per_caller_max" => config.unsent_bytes_per_caller_max = number(1, UNSENT_BYTES)?,
            "drain_deadline_ms" => config.drain_deadline = Duration::from_millis(number(0, DAY_MS)?),
            other => {
                let limit = Limits::ALL.iter().find(|limit| limit.name == other).ok_or_else(|| {
                    let of_plugins = Limits::ALL.iter().map(|limit| limit.name);
                    let known: Vec<_> = HOST_LIMITS.into_iter().chain(of_plugins).collect();
                    node.at(member.key_node).unknown("key", other, &known)
                })?;
                config.limits.set(limit.name, number(limit.least, limit.most)?);
            }
        }
    }
    // A result is handed over in one piece, and may be as long as it may be.
    let limits = &mut config.limits;
    limits.hostcall_bytes_max = limits.hostcall_bytes_max.max(2 * limits.result_bytes_max);
    Ok(())
}

#[cfg(test)]
mod tests;
