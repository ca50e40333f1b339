//! Who runs a command: what is left of a credential once it was checked.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use crate::address::network;
use crate::name::{AccountId, FrontendName};
use crate::permission::What;
use crate::storage::Revision;
use crate::trace::TraceContext;

pub use crate::request_id::RequestId;

/// What a checked credential says about its holder.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Identity {
    /// No credential was presented.
    Anonymous,
    /// The local socket, used by the owner of the host's process.
    Console,
    /// An account of this host.
    Account(AccountId),
    /// An OAuth client that acts for itself, by its id.
    Client(Arc<str>),
}

/// Whom every bound counts as one: the same for places, connections to them, rates and what is kept for later.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Principal {
    /// The local socket, used by the owner of the host's process.
    Console,
    /// An account, from wherever and with whatever credential it calls.
    Account(AccountId),
    /// An OAuth client that acts for itself, by its id.
    Client(Arc<str>),
    /// Who is anonymous is known by where they are: an IPv4 address, or the /64 of an IPv6 one, since who has one
    /// address of it has them all. Local callers have none.
    Network(Option<IpAddr>),
}

impl fmt::Display for Principal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Console => formatter.write_str("console"),
            Self::Account(account) => formatter.write_str(account.as_str()),
            Self::Client(client) => formatter.write_str(client),
            Self::Network(None) => formatter.write_str("anonymous"),
            Self::Network(Some(network)) => write!(formatter, "anonymous ({network})"),
        }
    }
}

/// How much of its holder's rights a credential carries.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Authority {
    /// All of them, as a password does.
    Full,
    /// What rules say about holders of a token with one of these scopes, and nothing else.
    Token(Arc<[String]>),
    /// Those its holder has for the commands it was made for, as an API key does.
    Narrowed(Arc<What>),
}

/// Who runs a command, through which interface, from where. It never carries a credential.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Who they are.
    pub identity: Identity,
    /// How much of their rights the credential carries.
    pub authority: Authority,
    /// The record of this server the credential was held against; absent where it keeps none of them. An account or a
    /// client that is removed and made again has another one.
    pub record: Option<Revision>,
    /// The interface they came through.
    pub via: FrontendName,
    /// The tag of the listener they came to, where it has one.
    pub tag: Option<Arc<str>>,
    /// Whether a plugin calls on their behalf.
    pub through_plugin: bool,
    /// Their address in canonical form (an IPv4 address mapped into IPv6 is IPv4); absent for local callers.
    pub address: Option<IpAddr>,
    /// Names this call everywhere.
    pub request_id: RequestId,
    /// The distributed trace of the call, if the caller sent one.
    pub trace: Option<TraceContext>,
}

impl Caller {
    /// The account, if the caller has one.
    pub fn account(&self) -> Option<&AccountId> {
        match &self.identity {
            Identity::Account(account) => Some(account),
            Identity::Anonymous | Identity::Console | Identity::Client(_) => None,
        }
    }

    /// Whom bounds count the caller as.
    pub fn principal(&self) -> Principal {
        match &self.identity {
            Identity::Anonymous => Principal::Network(self.address.map(network)),
            Identity::Console => Principal::Console,
            Identity::Account(account) => Principal::Account(account.clone()),
            Identity::Client(client) => Principal::Client(Arc::clone(client)),
        }
    }

    /// The scopes of the caller's token; nothing for callers without one.
    pub fn scopes(&self) -> Option<&[String]> {
        match &self.authority {
            Authority::Token(scopes) => Some(scopes),
            Authority::Full | Authority::Narrowed(_) => None,
        }
    }

    /// Whether nothing is known about who this is.
    pub fn is_anonymous(&self) -> bool {
        self.identity == Identity::Anonymous
    }

    /// The caller in a word, for logs.
    pub fn label(&self) -> &str {
        match &self.identity {
            Identity::Anonymous => "anonymous",
            Identity::Console => "console",
            Identity::Account(account) => account.as_str(),
            Identity::Client(client) => client,
        }
    }
}
