//! The operator's rules: who may call which command, from where, with which arguments.
//!
//! A rule group is `from × who × what`. A caller may run a command when *some* group matches in all three; there is no
//! group that denies, so order never matters. `who` entries are alternatives; the conditions inside one line of an
//! access rule must all hold. A holder of a token is judged by `oauth` entries alone. An empty set of rules permits
//! nothing (invariant I6), except the console, whose group exists unless the operator wrote one of that name.
//!
//! Rules can speak of arguments, in two ways: an item of `what` has conditions (`where`), and a host can have ACLs of
//! its own (`host_config`), which count in calls about that host: those whose argument `host` names it. Arguments are
//! read only after a caller was admitted, so a verdict has two steps: [`Permissions::admit`] lets a caller pass whom
//! *some* arguments would be allowed to, and [`Admission::permit`] decides about the arguments at hand.
//!
//! Only this module makes a [`Permit`], and nothing runs without one (I2).
//!
//! [`Permissions::explain`] says why, [`Permissions::lint`] reports problems of the rules, [`survey`] who may call
//! what.

mod answer;
mod condition;
mod explain;
mod lint;
pub mod matrix;
mod parse;
mod pattern;
mod print;
mod subject;
mod what;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::caller::{Authority, Caller, Identity, RequestId};
use crate::command::Command;
use crate::name::{AccountId, FrontendName, host_in_form};
use crate::registry::Registered;
use crate::schema::Arguments;

pub use answer::Answer;
pub use condition::{Condition, Expected};
pub use explain::{Explanation, GroupReason, Reason};
pub use lint::{Finding, Severity, Surroundings};
pub use parse::{Interface, KEYS, RuleError, parse};
pub use pattern::{PATTERN_BYTES_MAX, Pattern};
pub use subject::{AccessLine, AccessRule, COMMAND_SCOPE, Subject, TokenHolder, Who, same_scope};
pub use what::{Item, Selector, SelectorError, What};

/// The group that is always there: it keeps an operator from locking the console out by writing other groups.
pub const CONSOLE_GROUP: &str = "console commands";
/// The interface name of the local socket.
pub const CONSOLE: &str = "console";
/// What rules call plugins that call commands for their callers.
pub const PLUGIN: &str = "plugin";
/// The argument that names the host a call is about.
const HOST: &str = "host";

/// The hosts accounts of this server are at.
type Hosts = BTreeSet<String>;

/// Where calls come from.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct From {
    /// Interfaces, as alternatives; empty means all.
    pub interfaces: Vec<String>,
    /// Tags of listeners, as alternatives; empty means any listener. Both this and the interface must fit.
    pub tags: Vec<String>,
}

impl From {
    fn fits_interface(&self, caller: &Caller) -> bool {
        self.interfaces.is_empty()
            || self.interfaces.iter().any(|name| name == caller.via.0 || (caller.through_plugin && name == PLUGIN))
    }

    fn fits_tag(&self, caller: &Caller) -> bool {
        self.tags.is_empty() || self.tags.iter().any(|tag| caller.tag.as_deref() == Some(tag))
    }

    fn fits(&self, caller: &Caller) -> bool {
        self.fits_interface(caller) && self.fits_tag(caller)
    }
}

/// One rule group.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Group {
    /// Its name in the configuration.
    pub name: Arc<str>,
    /// Where calls come from.
    pub from: From,
    /// Callers it is about, as alternatives; an empty list matches no caller.
    pub who: Vec<Who>,
    /// Commands it allows.
    pub what: What,
}

/// What names in rules stand for.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Names {
    /// ACLs: alternatives, none of them an ACL itself.
    pub acls: BTreeMap<String, Vec<Subject>>,
    /// Access rules.
    pub access_rules: BTreeMap<String, AccessRule>,
}

/// Every rule, as the configuration means it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Permissions {
    /// The groups, the console's included.
    groups: Vec<Group>,
    /// Names where no host has its own.
    names: Names,
    /// Names in calls about a host.
    hosts: BTreeMap<String, Names>,
    /// The hosts of this server.
    local: Hosts,
    /// Who may have tokens; every account without.
    token_access: Option<Who>,
}

/// What the rules say about a caller and a command.
#[derive(Clone, Copy, Debug)]
pub enum Decision<'a> {
    /// This group allows it.
    Allowed(&'a Group),
    /// It is allowed with some arguments.
    Depends,
    /// No group allows it.
    Denied,
}

impl Decision<'_> {
    /// The same without the group.
    pub fn answer(self) -> Answer {
        match self {
            Self::Allowed(_) => Answer::Yes,
            Self::Depends => Answer::Depends,
            Self::Denied => Answer::No,
        }
    }
}

/// Proof that a caller may run a command with some arguments at least.
#[derive(Clone, Debug)]
pub struct Admission {
    caller: Arc<Caller>,
    registered: Arc<Registered>,
    allowed: Allowed,
}

#[derive(Clone, Debug)]
enum Allowed {
    /// By this group, whatever the arguments.
    By(Arc<str>),
    /// The rules, to ask again when the arguments are known.
    Depends(Arc<Permissions>),
}

impl Admission {
    /// Who was admitted.
    pub fn caller(&self) -> &Arc<Caller> {
        &self.caller
    }

    /// To which command.
    pub fn registered(&self) -> &Arc<Registered> {
        &self.registered
    }

    /// Decides about the arguments at hand, by the rules that admitted the caller. Nothing when no group allows the
    /// command with these arguments.
    pub fn permit(self, arguments: &Arguments) -> Option<Permit> {
        let group = match &self.allowed {
            Allowed::By(group) => Arc::clone(group),
            Allowed::Depends(permissions) => {
                let arguments = arguments.value().as_object();
                match permissions.decide(&self.caller, &self.registered.command, arguments) {
                    Decision::Allowed(group) => Arc::clone(&group.name),
                    Decision::Depends | Decision::Denied => return None,
                }
            }
        };
        Some(Permit { caller: self.caller, registered: self.registered, group })
    }
}

/// Proof that a caller may run a command with the arguments at hand.
#[derive(Clone, Debug)]
pub struct Permit {
    caller: Arc<Caller>,
    registered: Arc<Registered>,
    group: Arc<str>,
}

impl Permit {
    /// Who may run it.
    pub fn caller(&self) -> &Arc<Caller> {
        &self.caller
    }

    /// What may be run.
    pub fn command(&self) -> &Command {
        &self.registered.command
    }

    /// The group that allowed it.
    pub fn group(&self) -> &Arc<str> {
        &self.group
    }

    pub(crate) fn registered(&self) -> &Registered {
        &self.registered
    }
}

/// The console's group and no other.
impl Default for Permissions {
    fn default() -> Self {
        Self::new(Vec::new(), Names::default())
    }
}

impl Permissions {
    /// Takes groups and names as they were written, and adds the console's group where it is missing.
    pub fn new(mut groups: Vec<Group>, names: Names) -> Self {
        if !groups.iter().any(|group| &*group.name == CONSOLE_GROUP) {
            groups.insert(0, console_group());
        }
        Self { groups, names, hosts: BTreeMap::new(), local: Hosts::new(), token_access: None }
    }

    /// The rules where the operator wrote none: members of the ACL `admin` may do everything but stop the host, with
    /// their password or a token made for administration.
    pub fn with_default_groups(names: Names) -> Self {
        let admin = || Who::Subject(Subject::Acl("admin".to_owned()));
        let not = |name: &str| Selector::Not(Box::new(Selector::Command(name.to_owned())));
        let group = Group {
            name: Arc::from("admin access"),
            from: From::default(),
            who: vec![admin(), Who::OAuth(TokenHolder { scopes: vec!["muster:admin".to_owned()], who: vec![admin()] })],
            what: What::of([Selector::All, not("stop"), not("restart")]),
        };
        Self::new(vec![group], names)
    }

    /// The same rules for a server with these hosts.
    #[must_use]
    pub fn at_hosts(self, hosts: &[String]) -> Self {
        Self { local: hosts.iter().cloned().collect(), ..self }
    }

    /// The groups, the console's included.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// What the rules say; without arguments, whether the call is allowed with all, with some, or with none.
    pub fn decide(&self, caller: &Caller, command: &Command, arguments: Option<&Map<String, Value>>) -> Decision<'_> {
        if !authority_covers(caller, command) {
            return Decision::Denied;
        }
        let mut decision = Decision::Denied;
        for group in &self.groups {
            match self.group_answer(group, caller, command, arguments) {
                Answer::Yes => return Decision::Allowed(group),
                Answer::Depends => decision = Decision::Depends,
                Answer::No => {}
            }
        }
        decision
    }

    fn group_answer(
        &self,
        group: &Group,
        caller: &Caller,
        command: &Command,
        arguments: Option<&Map<String, Value>>,
    ) -> Answer {
        if !group.from.fits(caller) {
            return Answer::No;
        }
        // Covering a command is cheap to find out and fails most often.
        let what = group.what.answer(caller.account(), command, arguments);
        if what == Answer::No { what } else { what.min(self.who_answer(&group.who, caller, command, arguments)) }
    }

    fn who_answer(
        &self,
        who: &[Who],
        caller: &Caller,
        command: &Command,
        arguments: Option<&Map<String, Value>>,
    ) -> Answer {
        let in_names = |names: &Names| who.iter().any(|who| who.matches(caller, command, names, &self.local));
        match self.names_for(command, arguments) {
            NamesFor::One(names) => Answer::from(in_names(names)),
            NamesFor::AnyHost => {
                let without = in_names(&self.names);
                let same = self.hosts.values().all(|names| in_names(names) == without);
                if same { Answer::from(without) } else { Answer::Depends }
            }
        }
    }

    /// Which names count: those of the host the call is about, if it has its own.
    fn names_for(&self, command: &Command, arguments: Option<&Map<String, Value>>) -> NamesFor<'_> {
        if self.hosts.is_empty() || !command.input.has_property(HOST) {
            return NamesFor::One(&self.names);
        }
        let Some(arguments) = arguments else { return NamesFor::AnyHost };
        let host = arguments.get(HOST).and_then(Value::as_str).map(host_in_form);
        NamesFor::One(host.and_then(|host| self.hosts.get(&host)).unwrap_or(&self.names))
    }

    /// Lets the caller try the command, or not.
    pub fn admit(self: &Arc<Self>, caller: &Arc<Caller>, registered: &Arc<Registered>) -> Option<Admission> {
        let allowed = match self.decide(caller, &registered.command, None) {
            Decision::Allowed(group) => Allowed::By(Arc::clone(&group.name)),
            Decision::Depends => Allowed::Depends(Arc::clone(self)),
            Decision::Denied => return None,
        };
        Some(Admission { caller: Arc::clone(caller), registered: Arc::clone(registered), allowed })
    }

    /// Whether the caller may run the command with some arguments at least.
    pub fn may_call(&self, caller: &Caller, command: &Command) -> bool {
        self.decide(caller, command, None).answer() != Answer::No
    }

    /// What the rules demand of the arguments of a command that is allowed with some: alternatives, in words. Empty
    /// when nothing is demanded.
    pub fn demands(&self, caller: &Caller, command: &Command) -> Vec<String> {
        if self.decide(caller, command, None).answer() != Answer::Depends {
            return Vec::new();
        }
        let depends =
            self.groups.iter().filter(|group| self.group_answer(group, caller, command, None) == Answer::Depends);
        let mut demands: Vec<String> = depends
            .flat_map(|group| {
                let by_host = self.who_answer(&group.who, caller, command, None) == Answer::Depends;
                group.what.covering(command).map(move |item| {
                    let mut texts: Vec<String> = item.conditions.iter().map(ToString::to_string).collect();
                    if by_host {
                        texts.push(format!("{HOST} is one whose own rules allow it"));
                    }
                    texts.join(" and ")
                })
            })
            .collect();
        demands.dedup();
        demands
    }

    /// Whether the account may have tokens (`oauth_access`), asked for from that address; commands ask from none.
    pub fn may_have_tokens(&self, account: &AccountId, address: Option<IpAddr>) -> bool {
        let Some(who) = &self.token_access else { return true };
        let caller = Caller {
            identity: Identity::Account(account.clone()),
            authority: Authority::Full,
            record: None,
            via: FrontendName("oauth"),
            tag: None,
            through_plugin: false,
            address,
            request_id: RequestId::from_random(0),
            trace: None,
        };
        who.is_about(&caller, &self.names, &self.local)
    }

    /// The scopes rules speak of by name.
    pub fn scopes(&self) -> BTreeSet<&str> {
        self.written_scopes().filter(|scope| *scope != COMMAND_SCOPE).collect()
    }

    /// Whether some rule means holders of a token with this scope; `names_commands`: whether it is a scope that names
    /// commands, which rules can mean as a whole.
    pub fn honours(&self, scope: &str, names_commands: bool) -> bool {
        self.written_scopes().any(|wanted| same_scope(wanted, scope))
            || (names_commands && self.speaks_of_command_scope())
    }

    /// A scope with which the caller's token could call the command, where it has none yet.
    pub fn missing_scope(&self, caller: &Caller, command: &Command) -> Option<String> {
        let own = caller.scopes()?;
        let groups = self.groups.iter().filter(|group| group.from.fits(caller) && group.what.covers(command));
        let holders = groups.flat_map(|group| &group.who).filter_map(|who| match who {
            Who::OAuth(holder) => Some(holder),
            Who::Subject(_) | Who::Access(_) | Who::AccessNamed(_) => None,
        });
        let mut helpful = holders.filter(|holder| {
            !holder.has_scope(own, command)
                && holder.who.iter().any(|who| who.is_about(caller, &self.names, &self.local))
        });
        let scope = helpful.next()?.scopes.first()?;
        Some(if scope == COMMAND_SCOPE { command.name.as_str().to_owned() } else { scope.clone() })
    }

    /// Whether rules speak of scopes that name the command itself.
    fn speaks_of_command_scope(&self) -> bool {
        self.written_scopes().any(|scope| scope == COMMAND_SCOPE)
    }

    fn written_scopes(&self) -> impl Iterator<Item = &str> {
        let holders = self.groups.iter().flat_map(|group| &group.who).filter_map(|who| match who {
            Who::OAuth(holder) => Some(&holder.scopes),
            Who::Subject(_) | Who::Access(_) | Who::AccessNamed(_) => None,
        });
        holders.flatten().map(String::as_str)
    }

    /// The accounts rules name.
    pub fn accounts(&self) -> BTreeSet<&AccountId> {
        self.subjects()
            .filter_map(|subject| if let Subject::User(account) = subject { Some(account) } else { None })
            .collect()
    }

    /// The accounts a group names, itself or by ACLs and access rules.
    fn accounts_of<'a>(&'a self, group: &'a Group) -> impl Iterator<Item = &'a AccountId> {
        fn in_who<'a>(who: &'a Who, names: &'a Names) -> Vec<&'a Subject> {
            match who {
                Who::Subject(subject) => vec![subject],
                Who::Access(rule) => rule.lines.iter().flat_map(|line| &line.conditions).collect(),
                Who::AccessNamed(name) => {
                    let rule = names.access_rules.get(name);
                    rule.into_iter().flat_map(|rule| &rule.lines).flat_map(|line| &line.conditions).collect()
                }
                // Who has a token is judged by it.
                Who::OAuth(_) => Vec::new(),
            }
        }
        let tables = || std::iter::once(&self.names).chain(self.hosts.values());
        let direct = tables().flat_map(|names| group.who.iter().flat_map(move |who| in_who(who, names)));
        direct.flat_map(move |subject| {
            let of_acl = if let Subject::Acl(name) = subject { Some(name) } else { None };
            let inner: Vec<&Subject> = match of_acl {
                Some(name) => tables().filter_map(|names| names.acls.get(name)).flatten().collect(),
                None => vec![subject],
            };
            inner.into_iter().filter_map(|one| if let Subject::User(account) = one { Some(account) } else { None })
        })
    }

    /// Every subject any rule names, at whatever depth.
    fn subjects(&self) -> impl Iterator<Item = &Subject> {
        fn of_rule(rule: &AccessRule) -> impl Iterator<Item = &Subject> {
            rule.lines.iter().flat_map(|line| &line.conditions)
        }
        fn of_who<'a>(who: &'a Who, into: &mut Vec<&'a Subject>) {
            match who {
                Who::Subject(subject) => into.push(subject),
                Who::Access(rule) => into.extend(of_rule(rule)),
                Who::AccessNamed(_) => {}
                Who::OAuth(holder) => holder.who.iter().for_each(|inner| of_who(inner, into)),
            }
        }
        let mut found = Vec::new();
        self.groups.iter().flat_map(|group| &group.who).for_each(|who| of_who(who, &mut found));
        for names in std::iter::once(&self.names).chain(self.hosts.values()) {
            found.extend(names.acls.values().flatten());
            found.extend(names.access_rules.values().flat_map(of_rule));
        }
        found.into_iter()
    }
}

enum NamesFor<'a> {
    /// These, for sure.
    One(&'a Names),
    /// Those of a host that is not known yet.
    AnyHost,
}

/// Whether the credential itself was made for the command.
fn authority_covers(caller: &Caller, command: &Command) -> bool {
    match &caller.authority {
        Authority::Full | Authority::Token(_) => true,
        Authority::Narrowed(what) => what.covers(command),
    }
}

fn console_group() -> Group {
    Group {
        name: Arc::from(CONSOLE_GROUP),
        from: From { interfaces: vec![CONSOLE.to_owned()], tags: Vec::new() },
        who: vec![Who::Subject(Subject::All)],
        what: What::of([Selector::All]),
    }
}

#[cfg(test)]
mod tests;
