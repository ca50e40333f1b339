//! Who a rule is about.

use std::fmt;

use ipnet::IpNet;

use super::pattern::Pattern;
use super::what::Selector;
use super::{Hosts, Names};
use crate::caller::{Caller, Identity};
use crate::command::Command;
use crate::name::AccountId;

/// One kind of caller.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Subject {
    /// Everybody.
    All,
    /// No caller.
    NoCaller,
    /// This account.
    User(AccountId),
    /// This user name, at any host of this server.
    UserAnyHost(String),
    /// User names the pattern matches, at this host, or at any host of this server.
    UserPattern {
        /// For the part before `@`.
        user: Pattern,
        /// The part behind it.
        host: Option<String>,
    },
    /// Every account of this host.
    Server(String),
    /// Every account of hosts the pattern matches.
    ServerPattern(Pattern),
    /// Accounts of which both parts match.
    Node {
        /// For the part before `@`.
        user: Pattern,
        /// For the part behind it.
        host: Pattern,
    },
    /// Callers whose address is in this network. Local callers have no address.
    Ip(IpNet),
    /// The OAuth client of this id, acting for itself.
    Client(String),
    /// Members of the named ACL; an ACL that is not defined has none.
    Acl(String),
}

impl Subject {
    /// Whether the caller is of this kind.
    pub(super) fn matches(&self, caller: &Caller, names: &Names, local: &Hosts) -> bool {
        match self {
            Self::All => true,
            Self::NoCaller => false,
            Self::Ip(network) => caller.address.is_some_and(|address| network.contains(&address)),
            Self::Client(id) => matches!(&caller.identity, Identity::Client(own) if **own == **id),
            // An ACL has no ACLs in it, so this goes one level deep.
            Self::Acl(name) => names.acls.get(name).is_some_and(|subjects| {
                subjects.iter().any(|one| !matches!(one, Self::Acl(_)) && one.matches(caller, names, local))
            }),
            Self::User(_)
            | Self::UserAnyHost(_)
            | Self::UserPattern { .. }
            | Self::Server(_)
            | Self::ServerPattern(_)
            | Self::Node { .. } => caller.account().is_some_and(|account| self.fits(account, local)),
        }
    }

    /// Whether the account is of this kind; never, where the kind is not about accounts.
    pub(super) fn fits(&self, account: &AccountId, local: &Hosts) -> bool {
        match self {
            Self::User(own) => own == account,
            Self::UserAnyHost(user) => account.user() == user && local.contains(account.host()),
            Self::UserPattern { user, host } => {
                let at_host = match host {
                    Some(host) => account.host() == host,
                    None => local.contains(account.host()),
                };
                at_host && user.matches(account.user())
            }
            Self::Server(host) => account.host() == host,
            Self::ServerPattern(host) => host.matches(account.host()),
            Self::Node { user, host } => user.matches(account.user()) && host.matches(account.host()),
            Self::All | Self::NoCaller | Self::Ip(_) | Self::Client(_) | Self::Acl(_) => false,
        }
    }

    /// Whether only accounts can be of this kind.
    pub(super) fn is_about_accounts(&self) -> bool {
        match self {
            Self::User(_)
            | Self::UserAnyHost(_)
            | Self::UserPattern { .. }
            | Self::Server(_)
            | Self::ServerPattern(_)
            | Self::Node { .. } => true,
            Self::All | Self::NoCaller | Self::Ip(_) | Self::Client(_) | Self::Acl(_) => false,
        }
    }
}

/// As rules write it: `user ann@localhost`.
impl fmt::Display for Subject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (key, value) = self.parts();
        match key {
            "" => formatter.write_str(&value),
            key if value.is_empty() => write!(formatter, "{key} ''"),
            key => write!(formatter, "{key} {value}"),
        }
    }
}

impl Subject {
    /// The key and the value rules write; `all` and `none` have no key.
    pub(super) fn parts(&self) -> (&'static str, String) {
        let form = |pattern: &Pattern, regexp, glob| if pattern.is_glob() { glob } else { regexp };
        match self {
            Self::All => ("", "all".to_owned()),
            Self::NoCaller => ("", "none".to_owned()),
            Self::User(account) => ("user", account.as_str().to_owned()),
            Self::UserAnyHost(user) => ("user", user.clone()),
            Self::UserPattern { user, host } => {
                let host = host.as_deref().map_or_else(String::new, |host| format!("@{host}"));
                (form(user, "user_regexp", "user_glob"), format!("{}{host}", user.as_str()))
            }
            Self::Server(host) => ("server", host.clone()),
            Self::ServerPattern(host) => (form(host, "server_regexp", "server_glob"), host.as_str().to_owned()),
            Self::Node { user, host } => {
                (form(user, "node_regexp", "node_glob"), format!("{}@{}", user.as_str(), host.as_str()))
            }
            Self::Ip(network) => ("ip", network.to_string()),
            Self::Client(id) => ("client", id.clone()),
            Self::Acl(name) => ("acl", name.clone()),
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

impl AccessRule {
    /// The first line whose conditions all hold; it decides. No such line means no.
    pub(super) fn deciding_line(&self, caller: &Caller, names: &Names, local: &Hosts) -> Option<&AccessLine> {
        self.lines.iter().find(|line| line.conditions.iter().all(|condition| condition.matches(caller, names, local)))
    }

    pub(super) fn allows(&self, caller: &Caller, names: &Names, local: &Hosts) -> bool {
        self.deciding_line(caller, names, local).is_some_and(|line| line.allow)
    }
}

/// One alternative of a group's `who`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Who {
    /// A kind of caller.
    Subject(Subject),
    /// Callers that this inline rule allows.
    Access(AccessRule),
    /// Callers that the named rule allows; an undefined rule allows no caller.
    AccessNamed(String),
    /// Holders of a token.
    OAuth(TokenHolder),
}

/// Holders of a token that carries one of the scopes, whom one of the alternatives is about too.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TokenHolder {
    /// Scopes, of which any suffices. `@command` stands for any scope that names the command itself: its name, `[tag:x]`
    /// of one of its tags, or `[plugin:x]` of its plugin. Not `*`: other issuers can put into a token what they like.
    pub scopes: Vec<String>,
    /// Alternatives, none of them about tokens; without one, no caller matches.
    pub who: Vec<Who>,
}

/// The scope that stands for those that name the command.
pub const COMMAND_SCOPE: &str = "@command";

impl TokenHolder {
    /// Whether the token has a scope that suffices for the command.
    pub(super) fn has_scope(&self, scopes: &[String], command: &Command) -> bool {
        self.scopes.iter().any(|wanted| {
            scopes.iter().any(|scope| match wanted.as_str() {
                COMMAND_SCOPE => names_command(scope, command),
                wanted => same_scope(wanted, scope),
            })
        })
    }
}

fn names_command(scope: &str, command: &Command) -> bool {
    match Selector::parse(scope) {
        Ok(selector @ (Selector::Command(_) | Selector::Tag(_) | Selector::Plugin(_))) => selector.covers(command),
        Ok(Selector::All | Selector::Audience(_) | Selector::Not(_)) | Err(_) => false,
    }
}

/// Whether two texts name the same scope: ejabberd's names for two of ours are the same.
pub fn same_scope(one: &str, other: &str) -> bool {
    let canonical = |scope| match scope {
        "ejabberd:admin" => "muster:admin",
        "ejabberd:user" => "muster:user",
        other => other,
    };
    canonical(one) == canonical(other)
}

impl Who {
    /// Whether the caller matches. Callers with a token only match conditions about tokens, and these match no other
    /// caller.
    pub(super) fn matches(&self, caller: &Caller, command: &Command, names: &Names, local: &Hosts) -> bool {
        match (self, caller.scopes()) {
            (Self::OAuth(holder), Some(scopes)) => {
                holder.has_scope(scopes, command) && holder.who.iter().any(|who| who.is_about(caller, names, local))
            }
            (Self::OAuth(_), None) | (_, Some(_)) => false,
            (who, None) => who.is_about(caller, names, local),
        }
    }

    /// Whether the caller is meant, tokens aside.
    pub(super) fn is_about(&self, caller: &Caller, names: &Names, local: &Hosts) -> bool {
        match self {
            Self::Subject(subject) => subject.matches(caller, names, local),
            Self::Access(rule) => rule.allows(caller, names, local),
            Self::AccessNamed(name) => {
                names.access_rules.get(name).is_some_and(|rule| rule.allows(caller, names, local))
            }
            Self::OAuth(_) => false,
        }
    }
}
