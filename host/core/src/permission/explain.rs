//! Why the rules say what they say: every group, the part of it that fits or fails, and what would have to change.
//!
//! The reasons are found by the same functions that decide; a property test holds that they never disagree.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::answer::Answer;
use super::subject::{AccessRule, Subject, TokenHolder, Who};
use super::what::{Item, Selector, What};
use super::{CONSOLE_GROUP, From, Group, Names, NamesFor, Permissions, authority_covers};
use crate::caller::{Authority, Caller, Identity};
use crate::command::Command;

/// Most changes that are proposed.
const CHANGES_MAX: usize = 3;

/// Whether something holds, in words, and what that rests on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reason {
    /// Whether it holds.
    pub answer: Answer,
    /// What it is.
    pub text: String,
    /// What it rests on.
    pub parts: Vec<Self>,
}

impl Reason {
    fn new(answer: impl Into<Answer>, text: impl Into<String>) -> Self {
        Self { answer: answer.into(), text: text.into(), parts: Vec::new() }
    }

    fn with(answer: impl Into<Answer>, text: impl Into<String>, parts: Vec<Self>) -> Self {
        Self { answer: answer.into(), text: text.into(), parts }
    }
}

/// What one group says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GroupReason {
    /// Its name.
    pub group: Arc<str>,
    /// Whether it allows the call.
    pub answer: Answer,
    /// Whether its `from` matches.
    pub from: Reason,
    /// Whether its `who` matches.
    pub who: Reason,
    /// Whether its `what` matches.
    pub what: Reason,
}

/// Why a call is allowed or not.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Explanation {
    /// What the rules say.
    pub answer: Answer,
    /// The group that allows it.
    pub group: Option<Arc<str>>,
    /// Whether the credential itself was made for the command.
    pub credential: Reason,
    /// Every group.
    pub groups: Vec<GroupReason>,
    /// Changes that would allow the call, the smallest first. Empty if the call is allowed.
    pub changes: Vec<String>,
}

impl Permissions {
    /// Why the rules say what they say about a caller and a command; without arguments, about all calls of it.
    pub fn explain(&self, caller: &Caller, command: &Command, arguments: Option<&Map<String, Value>>) -> Explanation {
        let question = Question { permissions: self, caller, command, arguments };
        let credential = question.credential();
        let groups: Vec<GroupReason> = self.groups.iter().map(|group| question.group(group)).collect();
        let by_groups = Answer::any(groups.iter().map(|group| group.answer));
        let answer = by_groups.min(credential.answer);
        let group = groups.iter().find(|group| answer == Answer::Yes && group.answer == Answer::Yes);
        let group = group.map(|group| Arc::clone(&group.group));
        let changes = if answer == Answer::Yes { Vec::new() } else { question.changes(&credential, &groups) };
        Explanation { answer, group, credential, groups, changes }
    }
}

/// A caller, a command, and perhaps arguments.
struct Question<'a> {
    permissions: &'a Permissions,
    caller: &'a Caller,
    command: &'a Command,
    arguments: Option<&'a Map<String, Value>>,
}

impl Question<'_> {
    fn credential(&self) -> Reason {
        let covers = authority_covers(self.caller, self.command);
        let text = match &self.caller.authority {
            Authority::Full => "the credential has all permissions of its account".to_owned(),
            Authority::Token(scopes) => format!("a token with {}", scopes_text(scopes)),
            Authority::Narrowed(what) => {
                format!("an API key for {}, which {} `{}`", listed(what), covers_or_not(covers), self.command.name)
            }
        };
        Reason::new(covers, text)
    }

    fn group(&self, group: &Group) -> GroupReason {
        let from = self.from(&group.from);
        let who = self.who(&group.who);
        let what = self.what(&group.what);
        let answer = Answer::all([from.answer, who.answer, what.answer]);
        GroupReason { group: Arc::clone(&group.name), answer, from, who, what }
    }

    fn from(&self, from: &From) -> Reason {
        let via = self.caller.via.0;
        let mut parts = Vec::new();
        if !from.interfaces.is_empty() {
            let through = if self.caller.through_plugin { " and a plugin" } else { "" };
            let text = format!("interface {}; the call comes through {via}{through}", from.interfaces.join(" or "));
            parts.push(Reason::new(from.fits_interface(self.caller), text));
        }
        if !from.tags.is_empty() {
            let tag =
                self.caller.tag.as_deref().map_or_else(|| "has no tag".to_owned(), |tag| format!("has the tag {tag}"));
            let text = format!("a listener with the tag {}; the call's listener {tag}", from.tags.join(" or "));
            parts.push(Reason::new(from.fits_tag(self.caller), text));
        }
        match parts.len() {
            0 => Reason::new(true, "from anywhere"),
            1 => parts.remove(0),
            _ => Reason::with(from.fits(self.caller), "both of these must match", parts),
        }
    }

    fn what(&self, what: &What) -> Reason {
        let name = &self.command.name;
        let answer = what.answer(self.caller.account(), self.command, self.arguments);
        if what.items().is_empty() {
            return Reason::new(answer, "no `what`, so it matches no command");
        }
        if let Some(item) = what.excludes(self.command) {
            return Reason::new(answer, format!("`{}` excludes `{name}`", item.selector));
        }
        let mut parts: Vec<Reason> = what.covering(self.command).map(|item| self.item(item)).collect();
        match parts.len() {
            0 => Reason::new(answer, format!("{} does not cover `{name}`", listed(what))),
            1 => parts.remove(0),
            _ => Reason::with(answer, "one of these must match", parts),
        }
    }

    fn item(&self, item: &Item) -> Reason {
        let answer = item.conditions_hold(self.caller.account(), self.command, self.arguments);
        let covers = format!("`{}` covers `{}`", item.selector, self.command.name);
        if item.conditions.is_empty() {
            return Reason::new(answer, covers);
        }
        let parts = item.conditions.iter().map(|condition| {
            let answer = condition.answer(self.caller.account(), self.command, self.arguments);
            let argument = &condition.argument;
            let found = match self.arguments.map(|arguments| arguments.get(argument)) {
                Some(Some(value)) => format!("; it is {value}"),
                Some(None) => "; it is absent".to_owned(),
                None if !self.command.input.has_property(argument) => "; the command has no such argument".to_owned(),
                None => String::new(),
            };
            Reason::new(answer, format!("argument {condition}{found}"))
        });
        Reason::with(answer, format!("{covers} if all of these match"), parts.collect())
    }

    fn who(&self, who: &[Who]) -> Reason {
        let answer = self.permissions.who_answer(who, self.caller, self.command, self.arguments);
        if who.is_empty() {
            return Reason::new(answer, "no `who`, so it matches no caller");
        }
        match self.permissions.names_for(self.command, self.arguments) {
            NamesFor::One(names) => self.alternatives(who, names, answer),
            NamesFor::AnyHost => {
                let elsewhere = self.alternatives(who, &self.permissions.names, answer);
                if self.permissions.hosts.values().all(|names| self.alternatives(who, names, answer) == elsewhere) {
                    return elsewhere;
                }
                let named =
                    self.permissions.hosts.iter().map(|(host, names)| (format!("for calls about {host}"), names));
                let others = std::iter::once(("for calls about other hosts".to_owned(), &self.permissions.names));
                let parts = named.chain(others).map(|(text, names)| {
                    let answer = Answer::any(who.iter().map(|who| self.alternative(who, names).answer));
                    Reason::with(answer, text, vec![self.alternatives(who, names, answer)])
                });
                Reason::with(answer, "the ACLs of the host that the call is about apply", parts.collect())
            }
        }
    }

    fn alternatives(&self, who: &[Who], names: &Names, answer: Answer) -> Reason {
        let mut parts: Vec<Reason> = who.iter().map(|who| self.alternative(who, names)).collect();
        if parts.len() == 1 { parts.remove(0) } else { Reason::with(answer, "one of these must match", parts) }
    }

    fn alternative(&self, who: &Who, names: &Names) -> Reason {
        let matches = who.matches(self.caller, self.command, names, &self.permissions.local);
        match (who, self.caller.scopes()) {
            (Who::OAuth(holder), Some(scopes)) => self.token(holder, scopes, names, matches),
            (Who::OAuth(holder), None) => {
                Reason::new(matches, format!("a token with {}; the caller has none", scopes_text(&holder.scopes)))
            }
            (who, Some(_)) => {
                let text =
                    format!("{}; the caller has a token, and only `oauth` conditions match tokens", who_text(who));
                Reason::new(matches, text)
            }
            (who, None) => self.holder(who, names),
        }
    }

    fn token(&self, holder: &TokenHolder, scopes: &[String], names: &Names, matches: bool) -> Reason {
        let wanted = scopes_text(&holder.scopes);
        let scope = Reason::new(
            holder.has_scope(scopes, self.command),
            format!("{wanted}; the token has {}", scopes_text(scopes)),
        );
        let of_holder = match holder.who.as_slice() {
            [] => Reason::new(
                false,
                "no condition on the account of the token, so it matches no caller; add `all` to match every account",
            ),
            [only] => self.holder(only, names),
            many => {
                let parts: Vec<Reason> = many.iter().map(|who| self.holder(who, names)).collect();
                Reason::with(Answer::any(parts.iter().map(|part| part.answer)), "one of these must match", parts)
            }
        };
        Reason::with(matches, "a token with one of the scopes, and a matching account", vec![scope, of_holder])
    }

    /// Tokens aside.
    fn holder(&self, who: &Who, names: &Names) -> Reason {
        let answer = who.is_about(self.caller, names, &self.permissions.local);
        match who {
            Who::Subject(subject) => self.subject(subject, names),
            Who::Access(rule) => self.rule(rule, names, "access rule", answer),
            Who::AccessNamed(name) => match names.access_rules.get(name) {
                Some(rule) => self.rule(rule, names, &format!("access rule {name}"), answer),
                None => Reason::new(answer, format!("access rule {name}, which is not defined")),
            },
            Who::OAuth(_) => Reason::new(answer, "a token inside a token"),
        }
    }

    fn rule(&self, rule: &AccessRule, names: &Names, text: &str, answer: bool) -> Reason {
        let local = &self.permissions.local;
        let decides = rule.deciding_line(self.caller, names, local);
        let parts = rule.lines.iter().map(|line| {
            let holds = line.conditions.iter().all(|condition| condition.matches(self.caller, names, local));
            let verdict = if line.allow { "allow" } else { "deny" };
            let place = if decides.is_some_and(|deciding| std::ptr::eq(deciding, line)) { ", and decides" } else { "" };
            let parts = line.conditions.iter().map(|condition| self.subject(condition, names)).collect();
            let text = match line.conditions.len() {
                0 => format!("{verdict} everybody{place}"),
                1 => format!("{verdict} if this matches{place}"),
                _ => format!("{verdict} if all of these match{place}"),
            };
            Reason::with(holds, text, parts)
        });
        let outcome = if decides.is_some() {
            "the first line that matches decides"
        } else {
            "no line matches, so access is denied"
        };
        Reason::with(answer, format!("{text}: {outcome}"), parts.collect())
    }

    fn subject(&self, subject: &Subject, names: &Names) -> Reason {
        let matches = subject.matches(self.caller, names, &self.permissions.local);
        match subject {
            Subject::Acl(name) => match names.acls.get(name) {
                Some(subjects) => {
                    let parts = subjects.iter().map(|one| self.subject(one, &Names::default())).collect();
                    Reason::with(matches, format!("acl {name}"), parts)
                }
                None => Reason::new(matches, format!("acl {name}, which is not defined")),
            },
            Subject::Ip(_) => {
                let address = self.caller.address.map_or_else(|| "local".to_owned(), |address| address.to_string());
                Reason::new(matches, format!("{subject}; the caller is {address}"))
            }
            Subject::All
            | Subject::NoCaller
            | Subject::User(_)
            | Subject::UserAnyHost(_)
            | Subject::UserPattern { .. }
            | Subject::Server(_)
            | Subject::ServerPattern(_)
            | Subject::Node { .. }
            | Subject::Client(_) => Reason::new(matches, subject.to_string()),
        }
    }

    fn changes(&self, credential: &Reason, groups: &[GroupReason]) -> Vec<String> {
        let name = &self.command.name;
        if self.caller.scopes().is_some_and(<[String]>::is_empty) {
            return vec![format!(
                "request a token with a scope, such as `{name}`; a token without a scope never matches"
            )];
        }
        if credential.answer == Answer::No {
            return vec![format!("create an API key whose scopes cover `{name}`, or use another credential")];
        }
        // By how little they change: other arguments, a group of their own or little more, then wider rights.
        let mut changes = vec![(2, format!("add a group: {}", self.new_group()))];
        for reason in groups.iter().filter(|group| &*group.group != CONSOLE_GROUP) {
            let name = &*reason.group;
            let parts = [&reason.from, &reason.who, &reason.what];
            let failing = parts.iter().filter(|part| part.answer == Answer::No).count();
            let Some(group) = self.permissions.groups.iter().find(|group| &*group.name == name) else { continue };
            let everything = group.what.items().iter().any(|item| item.selector == Selector::All);
            let rank = if everything { 3 } else { 1 };
            if failing == 0 {
                changes.push((0, format!("call it with arguments that match the group `{name}`")));
            } else if failing == 1 && reason.who.answer == Answer::No {
                let warning = if everything { ", which allows `*`" } else { "" };
                changes.push((rank, format!("add `{}` to `who` of the group `{name}`{warning}", self.who_to_add())));
            } else if failing == 1 && reason.what.answer == Answer::No {
                changes.push(self.what_to_change(group));
            } else if failing == 1 {
                changes.push((rank, self.interface_to_change(group)));
            }
        }
        changes.sort_by_key(|(rank, _)| *rank);
        changes.truncate(CHANGES_MAX);
        changes.into_iter().map(|(_, text)| text).collect()
    }

    fn what_to_change(&self, group: &Group) -> (u8, String) {
        let (name, command) = (&group.name, &self.command.name);
        match group.what.excludes(self.command) {
            Some(item) => (3, format!("remove `{}` from `what` of the group `{name}`", item.selector)),
            None if group.what.covers(self.command) => {
                (0, format!("call it with arguments that match `where` of the group `{name}`"))
            }
            None => (1, format!("add `{command}` to `what` of the group `{name}`")),
        }
    }

    fn interface_to_change(&self, group: &Group) -> String {
        let name = &group.name;
        if group.from.fits_interface(self.caller) {
            let tags = group.from.tags.join(" or ");
            return format!("call a listener with the tag {tags}, or remove the tag from `from` of the group `{name}`");
        }
        format!("add `{}` to `from` of the group `{name}`", self.caller.via)
    }

    /// The narrowest entry of `who` that means this caller, as configurations have it.
    fn who_to_add(&self) -> String {
        let holder = match (&self.caller.identity, self.caller.address) {
            (Identity::Account(account), _) => format!("user: {account}"),
            (Identity::Client(client), _) => format!("client: {client}"),
            (Identity::Anonymous | Identity::Console, Some(address)) => format!("ip: '{address}'"),
            (Identity::Anonymous | Identity::Console, None) => return "all".to_owned(),
        };
        match self.caller.scopes() {
            None => format!("{{{holder}}}"),
            // A token without a scope is never enough; the command's own name is what to ask for.
            Some(scopes) => {
                let scope = scopes.first().map_or(self.command.name.as_str(), String::as_str);
                format!("{{oauth: {{scope: '{scope}', {holder}}}}}")
            }
        }
    }

    /// A group for this caller and this command and nothing else, as configurations have it.
    fn new_group(&self) -> String {
        let (command, via) = (&self.command.name, self.caller.via);
        let label = self.caller.label().replace('@', " at ");
        format!("`'{command} for {label}': {{from: {via}, who: {}, what: {command}}}`", self.who_to_add())
    }
}

fn covers_or_not(covers: bool) -> &'static str {
    if covers { "covers" } else { "does not cover" }
}

fn listed(what: &What) -> String {
    let items: Vec<String> = what.items().iter().map(|item| item.selector.to_string()).collect();
    format!("`{}`", items.join(", "))
}

fn scopes_text(scopes: &[String]) -> String {
    match scopes {
        [] => "no scope".to_owned(),
        [only] => format!("the scope {only}"),
        many => format!("the scopes {}", many.join(", ")),
    }
}

fn who_text(who: &Who) -> String {
    match who {
        Who::Subject(subject) => subject.to_string(),
        Who::Access(_) => "an access rule".to_owned(),
        Who::AccessNamed(name) => format!("access rule {name}"),
        Who::OAuth(_) => "a token".to_owned(),
    }
}
