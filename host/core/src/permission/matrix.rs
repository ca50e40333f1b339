//! Who may call what: the rules asked about a few callers that stand for all who can be told apart.
//!
//! The table shows an operator what rules mean, compares two sets of rules, and finds who would be locked out.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ipnet::IpNet;

use super::answer::Answer;
use super::subject::Subject;
use super::{CONSOLE, Permissions};
use crate::caller::{Authority, Caller, Identity, RequestId};
use crate::command::Command;
use crate::name::{AccountId, FrontendName};

/// Most accounts in a table; those rules name come first. A table is made while a call waits, so it stays small.
pub const ACCOUNTS_MAX: usize = 50;
/// Most networks, scopes and tags each that give an account a row of its own.
const VARIANTS_MAX: usize = 16;
/// Most accounts that are looked at because rules about a command name them.
const NAMED_MAX: usize = 200;
/// Longest time a look at who may call takes.
const LOOK_TIME_MAX: Duration = Duration::from_millis(400);
/// User name of a sample account.
const SAMPLE_USER: &str = "sample-user";
/// Addresses no network on earth has (RFC 5737): for callers from where no rule speaks of.
const ELSEWHERE: [Ipv4Addr; 3] =
    [Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(198, 51, 100, 1), Ipv4Addr::new(203, 0, 113, 1)];

/// A caller that stands for all like it.
#[derive(Clone, Debug)]
pub struct SampleCaller {
    /// Who it is, in words: `ann@localhost from 10.0.0.0/8`.
    pub label: String,
    /// The caller.
    pub caller: Caller,
    /// The row it differs from in one thing, by label.
    pub base: Option<String>,
    /// Whether they have a token whose scope is the name of whatever command they call.
    pub names_command: bool,
}

impl SampleCaller {
    /// The caller of this command.
    pub(super) fn calling(&self, command: &Command) -> Cow<'_, Caller> {
        if self.names_command {
            let authority = Authority::Token(Arc::from([command.name.as_str().to_owned()]));
            return Cow::Owned(Caller { authority, ..self.caller.clone() });
        }
        Cow::Borrowed(&self.caller)
    }
}

/// What one caller may call: names of commands that are allowed, with all arguments or with some.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Row {
    /// Who.
    pub label: String,
    /// What; commands that are not allowed are left out.
    pub rights: BTreeMap<String, Answer>,
}

/// What other rules would change for one caller.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Change {
    /// Who.
    pub label: String,
    /// Commands that become allowed.
    pub gained: Vec<String>,
    /// Commands that are no longer allowed.
    pub lost: Vec<String>,
    /// Commands that become allowed with other arguments than before.
    pub changed: Vec<String>,
}

/// Callers that stand for all the rules can tell apart: the console, an anonymous caller, these accounts and those rules
/// name, another account at each host, and each of them from each network, with each scope, through each interface rules
/// speak of. `interfaces` are all there are, first the one callers use of whom nothing else is said.
pub fn sample_callers(
    rules: &[&Permissions],
    accounts: &[AccountId],
    interfaces: &[FrontendName],
) -> Vec<SampleCaller> {
    let named: BTreeSet<&AccountId> = rules.iter().flat_map(|rules| rules.accounts()).collect();
    let others = accounts.iter().filter(|account| !named.contains(account));
    let shown: BTreeSet<&AccountId> = named.iter().copied().chain(others).take(ACCOUNTS_MAX).collect();
    let hosts: BTreeSet<&String> = rules.iter().flat_map(|rules| &rules.local).collect();
    let subjects: Vec<&Subject> = rules.iter().flat_map(|rules| rules.subjects()).collect();
    let networks: BTreeSet<IpNet> = subjects
        .iter()
        .filter_map(|subject| if let Subject::Ip(network) = subject { Some(*network) } else { None })
        .collect();
    let elsewhere = ELSEWHERE.map(IpAddr::V4).into_iter();
    let elsewhere = elsewhere.clone().find(|address| !networks.iter().any(|network| network.contains(address)));
    let usual = interfaces.iter().copied().find(|name| name.0 != CONSOLE).unwrap_or(FrontendName(CONSOLE));
    let places = Places {
        usual,
        elsewhere: elsewhere.unwrap_or(IpAddr::V4(ELSEWHERE[0])),
        networks,
        scopes: rules.iter().flat_map(|rules| rules.scopes()).map(str::to_owned).collect(),
        any_command: rules.iter().any(|rules| rules.speaks_of_command_scope()),
        tags: rules.iter().flat_map(|rules| &rules.groups).flat_map(|group| group.from.tags.clone()).collect(),
        interfaces: interfaces
            .iter()
            .copied()
            .filter(|name| name.0 != CONSOLE && *name != usual)
            .filter(|name| {
                rules
                    .iter()
                    .flat_map(|rules| &rules.groups)
                    .any(|group| group.from.interfaces.iter().any(|from| from == name.0))
            })
            .collect(),
    };
    let mut all = vec![SampleCaller {
        label: CONSOLE.to_owned(),
        caller: Caller { via: FrontendName(CONSOLE), address: None, ..places.caller(Identity::Console) },
        base: None,
        names_command: false,
    }];
    all.extend(places.variants("anonymous", &Identity::Anonymous));
    for account in shown {
        all.extend(places.variants(account.as_str(), &Identity::Account(account.clone())));
    }
    for host in hosts {
        if let Ok(account) = AccountId::new(SAMPLE_USER, host) {
            all.extend(places.variants(&format!("another account at {host}"), &Identity::Account(account)));
        }
    }
    for client in subjects.iter().filter_map(|subject| if let Subject::Client(id) = subject { Some(id) } else { None })
    {
        all.extend(places.variants(&format!("client {client}"), &Identity::Client(Arc::from(client.as_str()))));
    }
    all
}

struct Places {
    /// The interface callers use of whom nothing else is said.
    usual: FrontendName,
    elsewhere: IpAddr,
    networks: BTreeSet<IpNet>,
    scopes: BTreeSet<String>,
    /// Whether rules speak of scopes that name the command itself.
    any_command: bool,
    tags: BTreeSet<String>,
    interfaces: Vec<FrontendName>,
}

impl Places {
    fn caller(&self, identity: Identity) -> Caller {
        Caller {
            identity,
            authority: Authority::Full,
            record: None,
            via: self.usual,
            tag: None,
            through_plugin: false,
            address: Some(self.elsewhere),
            request_id: RequestId::from_random(0),
            trace: None,
        }
    }

    /// The caller from elsewhere with nothing special, then with one thing changed at a time.
    fn variants(&self, label: &str, identity: &Identity) -> Vec<SampleCaller> {
        let caller = self.caller(identity.clone());
        let mut all = Vec::new();
        if !matches!(identity, Identity::Client(_)) {
            let (label, caller) = (label.to_owned(), caller.clone());
            all.push(SampleCaller { label, caller, base: None, names_command: false });
        }
        let base = label;
        let mut vary = |suffix: String, caller: Caller| {
            let (label, base) = (format!("{base} {suffix}"), Some(base.to_owned()));
            all.push(SampleCaller { label, caller, base, names_command: false });
        };
        for network in self.networks.iter().take(VARIANTS_MAX) {
            let address = network.hosts().next().unwrap_or_else(|| network.addr());
            vary(format!("from {network}"), Caller { address: Some(address), ..caller.clone() });
        }
        for name in &self.interfaces {
            vary(format!("through {name}"), Caller { via: *name, ..caller.clone() });
        }
        for tag in self.tags.iter().take(VARIANTS_MAX) {
            vary(format!("at the listener {tag}"), Caller { tag: Some(Arc::from(tag.as_str())), ..caller.clone() });
        }
        if !matches!(identity, Identity::Anonymous) {
            for scope in self.scopes.iter().take(VARIANTS_MAX) {
                let authority = Authority::Token(Arc::from([scope.clone()]));
                vary(format!("with a token for {scope}"), Caller { authority, ..caller.clone() });
            }
            if self.any_command {
                let authority = Authority::Token(Arc::from([]));
                vary("with a token for the command".to_owned(), Caller { authority, ..caller });
                if let Some(last) = all.last_mut() {
                    last.names_command = true;
                }
            }
        }
        all
    }
}

/// What each may call. Rows that only repeat the row they vary are left out, and tokens that open nothing.
pub fn matrix(rules: &Permissions, sample_callers: &[SampleCaller], commands: &[&Command]) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for one @ SampleCaller { label, caller, base, .. } in sample_callers {
        let mut rights: BTreeMap<String, Answer> = BTreeMap::new();
        for command in commands {
            let answer = rules.decide(&one.calling(command), command, None).answer();
            if answer != Answer::No {
                let known = rights.entry(command.name.as_str().to_owned()).or_insert(answer);
                *known = (*known).max(answer);
            }
        }
        let repeats = match base {
            Some(_) if caller.scopes().is_some() => rights.is_empty(),
            Some(base) => rows.iter().any(|row| row.label == *base && row.rights == rights),
            None => false,
        };
        if !repeats {
            rows.push(Row { label: label.clone(), rights });
        }
    }
    rows
}

/// What changes for whom between two sets of rules, of the callers that stand for all of both; and whether all of them were
/// looked at, which takes at most [`LOOK_TIME_MAX`].
pub fn changes(
    before: &Permissions,
    after: &Permissions,
    sample_callers: &[SampleCaller],
    commands: &[&Command],
) -> (Vec<Change>, bool) {
    let until = Instant::now() + LOOK_TIME_MAX;
    let mut changes: Vec<Change> = Vec::new();
    for one @ SampleCaller { label, base, .. } in sample_callers {
        if Instant::now() >= until {
            return (changes, false);
        }
        let mut change = Change { label: label.clone(), gained: Vec::new(), lost: Vec::new(), changed: Vec::new() };
        for command in commands {
            let name = || command.name.as_str().to_owned();
            let caller = one.calling(command);
            let of =
                |rules: &Permissions| (rules.decide(&caller, command, None).answer(), rules.demands(&caller, command));
            match (of(before), of(after)) {
                (one, other) if one == other => {}
                ((Answer::No, _), _) => change.gained.push(name()),
                (_, (Answer::No, _)) => change.lost.push(name()),
                _ => change.changed.push(name()),
            }
        }
        for names in [&mut change.gained, &mut change.lost, &mut change.changed] {
            names.dedup();
        }
        let empty = change.gained.is_empty() && change.lost.is_empty() && change.changed.is_empty();
        let repeats = base.is_some()
            && changes.iter().any(|other| {
                Some(&other.label) == base.as_ref() && Change { label: label.clone(), ..other.clone() } == change
            });
        if !empty && !repeats {
            changes.push(change);
        }
    }
    (changes, true)
}

/// Callers who could call a command under the old rules but not under the new ones: the console, and the accounts when
/// none of them is left. Without them no caller could reload the rules again. Accounts the rules name for this command
/// come first; no more are looked at than [`LOOK_TIME_MAX`] is enough for.
pub fn locked_out(
    before: &Permissions,
    after: &Permissions,
    sample_callers: &[SampleCaller],
    command: &Command,
) -> Vec<String> {
    let may = |rules: &Permissions, one: &SampleCaller| rules.may_call(&one.caller, command);
    let mut labels = Vec::new();
    let is_console = |one: &&SampleCaller| one.caller.identity == Identity::Console;
    labels.extend(sample_callers.iter().filter(is_console).filter(|one| may(before, one) && !may(after, one)));
    let is_account = |one: &&SampleCaller| one.caller.account().is_some() && one.caller.authority == Authority::Full;
    let named = named_for(before, after, sample_callers, command);
    let accounts: Vec<&SampleCaller> = named.iter().chain(sample_callers.iter().filter(is_account)).collect();
    let until = Instant::now() + LOOK_TIME_MAX;
    let in_time = || Instant::now() < until;
    // Accounts there was no time to look at may be those that still can.
    let some_may = accounts.iter().any(|one| !in_time() || may(after, one));
    if !some_may {
        labels.extend(accounts.into_iter().filter(|one| one.base.is_none() && in_time() && may(before, one)));
    }
    let mut labels: Vec<String> = labels.into_iter().map(|one| one.label.clone()).collect();
    let mut seen = BTreeSet::new();
    labels.retain(|label| seen.insert(label.clone()));
    labels
}

/// The accounts that rules name where they are about the command, as callers of whom nothing else is said.
fn named_for(
    before: &Permissions,
    after: &Permissions,
    sample_callers: &[SampleCaller],
    command: &Command,
) -> Vec<SampleCaller> {
    let is_account = |one: &&SampleCaller| one.caller.account().is_some() && one.base.is_none();
    let Some(model) = sample_callers.iter().find(is_account) else { return Vec::new() };
    let accounts: BTreeSet<&AccountId> = [after, before]
        .into_iter()
        .flat_map(|rules| {
            rules.groups.iter().filter(|group| group.what.covers(command)).map(move |group| (rules, group))
        })
        .flat_map(|(rules, group)| rules.accounts_of(group))
        .take(NAMED_MAX)
        .collect();
    let named = accounts.into_iter().map(|account| SampleCaller {
        label: account.as_str().to_owned(),
        caller: Caller { identity: Identity::Account(account.clone()), ..model.caller.clone() },
        base: None,
        names_command: false,
    });
    named.collect()
}
