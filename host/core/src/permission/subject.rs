//! Who a rule is about.

use ipnet::IpNet;

use crate::caller::Caller;
use crate::name::AccountId;

/// One kind of caller.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Subject {
    /// Everybody.
    All,
    /// Nobody.
    Nobody,
    /// This account.
    User(AccountId),
    /// This user name, at any host.
    UserAnyHost(String),
    /// Every account of this host.
    Server(String),
    /// Callers whose address is in this network. Local callers have no address.
    Ip(IpNet),
    /// Members of the named ACL; an ACL that is not defined has none.
    Acl(String),
}

impl Subject {
    /// Whether the caller is of this kind. An ACL has to be looked up by whoever has the rules, and is no kind itself.
    pub(super) fn matches(&self, caller: &Caller) -> bool {
        match self {
            Self::All => true,
            Self::Nobody | Self::Acl(_) => false,
            Self::User(account) => caller.account() == Some(account),
            Self::UserAnyHost(user) => caller.account().is_some_and(|account| account.user() == user),
            Self::Server(host) => caller.account().is_some_and(|account| account.host() == host),
            Self::Ip(network) => caller.address.is_some_and(|address| network.contains(&address)),
        }
    }
}

/// One line of an access rule.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AccessLine {
    /// What it says when it decides.
    pub allow: bool,
    /// All of these must hold for it to decide; none means it always does.
    pub conditions: Vec<Subject>,
}

/// An ordered list of lines, of which the first that matches decides.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct AccessRule {
    /// The lines.
    pub lines: Vec<AccessLine>,
}

/// One alternative of a group's `who`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Who {
    /// A kind of caller.
    Subject(Subject),
    /// Whoever the rule, written in place, allows.
    Access(AccessRule),
    /// Whoever the named rule allows; a rule that is not defined allows nobody.
    AccessNamed(String),
}
