//! The operator's rules: who may call which command, from where.
//!
//! A rule group is `from × who × what`. A caller may run a command when *some* group matches in all three; there is no
//! group that denies, so order never matters. `who` entries are alternatives; the conditions inside one line of an
//! access rule must all hold. An empty set of rules permits nothing (invariant I6), except the console, whose group
//! exists unless the operator wrote one of that name.
//!
//! Only this module makes a [`Permit`], and nothing runs without one (I2).

mod subject;
mod what;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::caller::Caller;
use crate::command::Command;
use crate::registry::Registered;

pub use subject::{AccessLine, AccessRule, Subject, Who};
pub use what::{Selector, SelectorError, What};

/// The group that is always there: it keeps an operator from locking the console out by writing other groups.
pub const CONSOLE_GROUP: &str = "console commands";
/// The interface name of the local socket.
pub const CONSOLE: &str = "console";

/// One rule group.
#[derive(Clone, Debug)]
pub struct Group {
    /// Its name in the configuration.
    pub name: String,
    /// Interfaces it is about; empty means all.
    pub from: Vec<String>,
    /// Callers it is about, as alternatives; empty means nobody.
    pub who: Vec<Who>,
    /// Commands it allows.
    pub what: What,
}

/// Every rule, as the configuration means it.
#[derive(Clone, Debug)]
pub struct Permissions {
    groups: Vec<Group>,
    acls: BTreeMap<String, Vec<Subject>>,
    access_rules: BTreeMap<String, AccessRule>,
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
    pub fn group(&self) -> &str {
        &self.group
    }

    pub(crate) fn registered(&self) -> &Registered {
        &self.registered
    }
}

/// The console's group and no other.
impl Default for Permissions {
    fn default() -> Self {
        Self::new(Vec::new(), BTreeMap::new(), BTreeMap::new())
    }
}

impl Permissions {
    /// Takes rules as they were written and adds the console's group where it is missing.
    pub fn new(
        mut groups: Vec<Group>,
        acls: BTreeMap<String, Vec<Subject>>,
        access_rules: BTreeMap<String, AccessRule>,
    ) -> Self {
        if !groups.iter().any(|group| group.name == CONSOLE_GROUP) {
            groups.insert(0, console_group());
        }
        Self { groups, acls, access_rules }
    }

    /// The rules where the operator wrote none: members of the ACL `admin` may do everything but stop the host.
    pub fn with_default_groups(
        acls: BTreeMap<String, Vec<Subject>>,
        access_rules: BTreeMap<String, AccessRule>,
    ) -> Self {
        let admin = Group {
            name: "admin access".to_owned(),
            from: Vec::new(),
            who: vec![Who::Subject(Subject::Acl("admin".to_owned()))],
            what: What::new(vec![
                Selector::All,
                Selector::Not(Box::new(Selector::Command("stop".to_owned()))),
                Selector::Not(Box::new(Selector::Command("restart".to_owned()))),
            ]),
        };
        Self::new(vec![admin], acls, access_rules)
    }

    /// The groups, the console's included.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// The first group that allows the command to the caller.
    pub fn allowing_group(&self, caller: &Caller, command: &Command) -> Option<&Group> {
        self.groups.iter().find(|group| {
            (group.from.is_empty() || group.from.iter().any(|from| from == caller.via.0))
                && group.what.covers(command)
                && group.who.iter().any(|who| self.is(caller, who))
        })
    }

    /// Lets the caller try the command, or not.
    pub fn admit(&self, caller: &Arc<Caller>, registered: &Arc<Registered>) -> Option<Permit> {
        let group = self.allowing_group(caller, &registered.command)?;
        Some(Permit {
            caller: Arc::clone(caller),
            registered: Arc::clone(registered),
            group: Arc::from(group.name.as_str()),
        })
    }

    fn is(&self, caller: &Caller, who: &Who) -> bool {
        match who {
            Who::Subject(subject) => self.matches(caller, subject),
            Who::Access(rule) => self.allows(caller, rule),
            Who::AccessNamed(name) => self.access_rules.get(name).is_some_and(|rule| self.allows(caller, rule)),
        }
    }

    /// The first line whose conditions all hold decides; no such line means no.
    fn allows(&self, caller: &Caller, rule: &AccessRule) -> bool {
        rule.lines
            .iter()
            .find(|line| line.conditions.iter().all(|condition| self.matches(caller, condition)))
            .is_some_and(|line| line.allow)
    }

    fn matches(&self, caller: &Caller, subject: &Subject) -> bool {
        let Subject::Acl(name) = subject else { return subject.matches(caller) };
        self.acls.get(name).is_some_and(|subjects| subjects.iter().any(|one| self.matches(caller, one)))
    }
}

fn console_group() -> Group {
    Group {
        name: CONSOLE_GROUP.to_owned(),
        from: vec![CONSOLE.to_owned()],
        who: vec![Who::Subject(Subject::All)],
        what: What::new(vec![Selector::All]),
    }
}
