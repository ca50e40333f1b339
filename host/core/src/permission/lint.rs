//! Problems of rules: groups that can never allow a call, conditions that no caller matches, undefined names.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::answer::Answer;
use super::matrix::SampleCaller;
use super::subject::{AccessRule, Subject, Who};
use super::what::{Selector, What};
use super::{CONSOLE, CONSOLE_GROUP, Group, Permissions};
use crate::caller::{Caller, Identity};
use crate::command::{Audience, Command};
use crate::name::{AccountId, PluginName, Tag};
use crate::suggest;

/// Longest time a look at rules takes for what is only good to know.
const LOOK_TIME_MAX: Duration = Duration::from_millis(700);

/// How much a finding matters.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Severity {
    /// Good to know.
    Notice,
    /// Most likely not what was meant.
    Warning,
}

impl Severity {
    /// The severity in a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Notice => "notice",
            Self::Warning => "warning",
        }
    }
}

/// A problem of the rules.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// Where: `group admins`, `acl loopback`; empty when it is about all rules.
    pub place: String,
    /// What, and what to do.
    pub text: String,
}

/// What the rules are held against.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    /// Every command there is, in its latest form; empty when that is not known.
    pub commands: &'a [&'a Command],
    /// Callers that stand for all.
    pub callers: &'a [SampleCaller],
    /// Tags of listeners; nothing when that is not known.
    pub tags: Option<&'a [String]>,
}

impl Permissions {
    /// All problems of the rules, the most important first. What would take longer than [`LOOK_TIME_MAX`] is left out,
    /// and said so.
    pub fn lint(&self, surroundings: Surroundings<'_>) -> Vec<Finding> {
        self.look(surroundings, Some(Instant::now() + LOOK_TIME_MAX))
    }

    /// What is most likely not meant, without the rest: quick, whatever the rules.
    pub fn warnings(&self, surroundings: Surroundings<'_>) -> Vec<Finding> {
        let mut findings = self.look(surroundings, None);
        findings.retain(|finding| finding.severity == Severity::Warning);
        findings
    }

    /// `notes_until`: when to stop looking for what is good to know; nothing not to begin.
    fn look(&self, surroundings: Surroundings<'_>, notes_until: Option<Instant>) -> Vec<Finding> {
        let mut lint = Lint { rules: self, surroundings, notes_until, findings: Vec::new() };
        lint.console();
        for group in &self.groups {
            lint.group(group);
        }
        lint.names();
        if !surroundings.commands.is_empty() {
            lint.commands();
        }
        if lint.notes_until.is_some() && !lint.has_time() {
            lint.note("", "there are too many rules to check them all in time: redundant groups were not searched for");
        }
        let mut findings = lint.findings;
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        findings.dedup();
        findings
    }
}

struct Lint<'a> {
    rules: &'a Permissions,
    surroundings: Surroundings<'a>,
    notes_until: Option<Instant>,
    findings: Vec<Finding>,
}

impl Lint<'_> {
    fn warn(&mut self, place: &str, text: impl Into<String>) {
        self.findings.push(Finding { severity: Severity::Warning, place: place.to_owned(), text: text.into() });
    }

    fn note(&mut self, place: &str, text: impl Into<String>) {
        self.findings.push(Finding { severity: Severity::Notice, place: place.to_owned(), text: text.into() });
    }

    /// Whether there is time for what is only good to know.
    fn has_time(&self) -> bool {
        self.notes_until.is_some_and(|until| Instant::now() < until)
    }

    fn console(&mut self) {
        let is_console = |caller: &Caller| caller.identity == Identity::Console;
        let console = self.surroundings.callers.iter().find(|one| is_console(&one.caller));
        let reload = self.surroundings.commands.iter().find(|command| command.name.as_str() == "reload_config");
        if let (Some(console), Some(reload)) = (console, reload)
            && !self.rules.may_call(&console.caller, reload)
        {
            let place = format!("group {CONSOLE_GROUP}");
            self.warn(&place, "the console may not call `reload_config`, so it cannot correct a mistake in the rules");
        }
    }

    fn group(&mut self, group: &Group) {
        let place = format!("group {}", group.name);
        let before = self.findings.len();
        if group.who.is_empty() {
            self.warn(&place, "the group has no `who`, so it matches no caller; add `who: all` to match every caller");
        }
        if group.what.items().is_empty() {
            self.warn(
                &place,
                "the group has no `what`, so it matches no command; add `what: '*'` to match every command",
            );
        }
        self.from(group, &place);
        self.what(&group.what, &place);
        let mut reasons = Vec::new();
        for who in &group.who {
            match self.never(who) {
                Some(reason) => reasons.push(reason),
                None => self.lines(who, &place),
            }
        }
        let all_never = reasons.len() == group.who.len();
        for reason in reasons {
            let consequence = if all_never { "the group matches no caller: " } else { "" };
            self.warn(&place, format!("{consequence}{reason}"));
        }
        let clean = self.findings.len() == before;
        if clean && &*group.name != CONSOLE_GROUP && self.has_time() {
            self.use_of(group, &place);
        }
    }

    fn from(&mut self, group: &Group, place: &str) {
        let local = [CONSOLE, "cli"];
        let only_local = group.from.interfaces.iter().all(|name| local.contains(&name.as_str()));
        if !group.from.tags.is_empty() && !group.from.interfaces.is_empty() && only_local {
            let names = group.from.interfaces.join(" or ");
            self.warn(
                place,
                format!(
                    "interface and tag must both match, but calls through {names} use no listener, so the group \
                         never applies; write two groups"
                ),
            );
        }
        for tag in &group.from.tags {
            if let Some(known) = self.surroundings.tags
                && !known.contains(tag)
            {
                let close = suggest::closest(tag, known.iter().map(String::as_str));
                let hint = close.map_or_else(String::new, |close| format!("; did you mean `{close}`?"));
                self.warn(place, format!("no listener has the tag `{tag}`{hint}"));
            }
        }
    }

    fn what(&mut self, what: &What, place: &str) {
        let commands = self.surroundings.commands;
        let positive = what.items().iter().any(|item| !matches!(item.selector, Selector::Not(_)));
        if !positive && !what.items().is_empty() {
            self.warn(
                place,
                "`what` only has exclusions, so it matches no command; add `'*'` to match the other commands",
            );
        }
        if commands.is_empty() {
            return;
        }
        for item in what.items() {
            let (selector, negative) = match &item.selector {
                Selector::Not(inner) => (&**inner, true),
                Selector::All
                | Selector::Command(_)
                | Selector::Tag(_)
                | Selector::Plugin(_)
                | Selector::Audience(_) => (&item.selector, false),
            };
            let covered: Vec<&&Command> = commands.iter().filter(|command| selector.covers(command)).collect();
            if covered.is_empty() {
                // Taking away what is not there is harmless; rules are often pasted with commands of elsewhere.
                let text = unknown_selector(selector, commands);
                if negative {
                    self.note(place, text);
                } else {
                    self.warn(place, text);
                }
                continue;
            }
            let takes_away = |command: &&&Command| what.covering(command).next().is_some();
            if negative && positive && !covered.iter().any(takes_away) {
                self.note(place, format!("`{}` excludes commands that the group does not match anyway", item.selector));
            }
            for condition in &item.conditions {
                let without: Vec<&str> = covered
                    .iter()
                    .filter(|command| !command.input.has_property(&condition.argument))
                    .map(|command| command.name.as_str())
                    .collect();
                if without.len() == covered.len() {
                    let known = covered.iter().flat_map(|command| command.input.properties());
                    let close = suggest::closest(&condition.argument, known.map(|(name, _)| name.as_str()));
                    let hint = close.map_or_else(String::new, |close| format!("; did you mean `{close}`?"));
                    let text = format!(
                        "no command of `{}` has an argument `{}`, so it matches none{hint}",
                        item.selector, condition.argument
                    );
                    self.warn(place, text);
                } else if !without.is_empty() {
                    let text = format!(
                        "`{}` does not match {}, which have no argument `{}`",
                        item.selector,
                        without.join(", "),
                        condition.argument
                    );
                    self.note(place, text);
                }
            }
        }
    }

    /// Why no caller ever matches; nothing if a caller could.
    fn never(&self, who: &Who) -> Option<String> {
        match who {
            Who::Subject(Subject::NoCaller) => Some("`none` matches no caller".to_owned()),
            Who::Subject(Subject::Acl(name)) => undefined("acl", name, self.acl_names()),
            Who::Subject(_) => None,
            Who::AccessNamed(name) => {
                let names = self.rules.names.access_rules.keys();
                let known = names.chain(self.rules.hosts.values().flat_map(|own| own.access_rules.keys()));
                undefined("access rule", name, known.map(String::as_str).collect())
            }
            Who::Access(rule) => {
                let possible = rule.lines.iter().any(|line| line.allow && self.impossible(&line.conditions).is_none());
                (!possible).then(|| {
                    let reason = rule.lines.iter().find_map(|line| self.impossible(&line.conditions));
                    reason.unwrap_or_else(|| "its access rule has no `allow`, so it never matches".to_owned())
                })
            }
            Who::OAuth(holder) if holder.who.is_empty() => Some(format!(
                "`oauth` with the scope {} has no condition on the account of the token, so it matches no caller; add \
                 `all`, an acl or a user",
                holder.scopes.join(", ")
            )),
            Who::OAuth(holder) => {
                let reasons: Vec<String> = holder.who.iter().filter_map(|inner| self.never(inner)).collect();
                (reasons.len() == holder.who.len()).then(|| reasons.join("; "))
            }
        }
    }

    /// Lines of access rules written in place that can never hold, or stand behind one that always does.
    fn lines(&mut self, who: &Who, place: &str) {
        if let Who::Access(rule) = who {
            self.rule(rule, place);
        }
    }

    fn rule(&mut self, rule: &AccessRule, place: &str) {
        for line in &rule.lines {
            if let Some(reason) = self.impossible(&line.conditions) {
                self.warn(place, reason);
            }
        }
        let unconditional =
            rule.lines.iter().position(|line| line.conditions.is_empty() || line.conditions == [Subject::All]);
        if let Some(at) = unconditional
            && at + 1 < rule.lines.len()
        {
            self.warn(
                place,
                format!("line {} of its access rule always matches, so the lines after it have no effect", at + 1),
            );
        }
    }

    fn acl_names(&self) -> BTreeSet<&str> {
        let own = self.rules.hosts.values().flat_map(|names| names.acls.keys());
        self.rules.names.acls.keys().chain(own).map(String::as_str).collect()
    }

    /// Why no caller meets all of these conditions; nothing when one could.
    fn impossible(&self, conditions: &[Subject]) -> Option<String> {
        for (index, one) in conditions.iter().enumerate() {
            if *one == Subject::NoCaller {
                return Some("`none` matches no caller".to_owned());
            }
            if let Subject::Acl(name) = one
                && let Some(text) = undefined("acl", name, self.acl_names())
            {
                return Some(text);
            }
            if let Some(other) = conditions.iter().skip(index + 1).find(|other| self.exclude(one, other)) {
                return Some(format!(
                    "no caller matches both `{one}` and `{other}`: all conditions of one `allow` or `deny` must \
                     match; for alternatives write a line for each"
                ));
            }
        }
        None
    }

    /// Whether no caller is of both kinds.
    fn exclude(&self, one: &Subject, other: &Subject) -> bool {
        let with_account =
            |account: &AccountId, other: &Subject| other.is_about_accounts() && !other.fits(account, &self.rules.local);
        match (one, other) {
            (Subject::Acl(name), other) | (other, Subject::Acl(name)) => {
                self.rules.hosts.is_empty()
                    && self.rules.names.acls.get(name).is_some_and(|subjects| {
                        subjects.iter().all(|inner| !matches!(inner, Subject::Acl(_)) && self.exclude(inner, other))
                    })
            }
            (Subject::NoCaller, _) | (_, Subject::NoCaller) => true,
            (Subject::User(account), other) | (other, Subject::User(account)) => {
                with_account(account, other) || matches!(other, Subject::Client(_))
            }
            (Subject::UserAnyHost(one), Subject::UserAnyHost(other))
            | (Subject::Server(one), Subject::Server(other))
            | (Subject::Client(one), Subject::Client(other)) => one != other,
            (Subject::Client(_), other) | (other, Subject::Client(_)) => other.is_about_accounts(),
            (Subject::Ip(one), Subject::Ip(other)) => !one.contains(other) && !other.contains(one),
            _ => false,
        }
    }

    fn use_of(&mut self, group: &Group, place: &str) {
        let (mut matches, mut alone) = (false, false);
        for one in self.surroundings.callers {
            if !self.has_time() {
                return;
            }
            for command in self.surroundings.commands {
                if self.rules.group_answer(group, &one.calling(command), command, None) == Answer::No {
                    continue;
                }
                matches = true;
                let others = self.rules.groups.iter().filter(|other| other.name != group.name);
                alone = alone
                    || !others.into_iter().any(|other| {
                        self.rules.group_answer(other, &one.calling(command), command, None)
                            >= self.rules.group_answer(group, &one.calling(command), command, None)
                    });
            }
        }
        if self.surroundings.commands.is_empty() {
            return;
        }
        if !matches {
            self.note(place, "it currently allows no caller any command");
        } else if !alone {
            self.note(place, "it is redundant: other groups allow the same calls");
        }
    }

    fn names(&mut self) {
        let rules = self.rules;
        let tables = std::iter::once((String::new(), &rules.names))
            .chain(rules.hosts.iter().map(|(host, names)| (format!(" of {host}"), names)));
        for (of_host, names) in tables {
            for (name, rule) in &names.access_rules {
                self.rule(rule, &format!("access rule {name}{of_host}"));
            }
        }
        let used: BTreeSet<&str> = rules
            .subjects()
            .filter_map(|subject| if let Subject::Acl(name) = subject { Some(name.as_str()) } else { None })
            .collect();
        for name in self.acl_names().into_iter().map(str::to_owned).collect::<Vec<_>>() {
            if !used.contains(name.as_str()) {
                self.note(&format!("acl {name}"), "no rule uses it");
            }
        }
    }

    /// Commands that no caller may call, and those that every caller may call.
    fn commands(&mut self) {
        let (mut unreachable, mut open, mut risky) = (Vec::new(), Vec::new(), Vec::new());
        for command in self.surroundings.commands {
            let may = |one: &&SampleCaller| self.rules.may_call(&one.calling(command), command);
            let callers = self.surroundings.callers.iter();
            let name = command.name.as_str();
            if self.has_time()
                && !callers.clone().filter(|one| one.caller.identity != Identity::Console).any(|one| may(&one))
            {
                unreachable.push(name);
            }
            if callers.clone().filter(|one| one.caller.is_anonymous()).any(|one| may(&one)) {
                let advised = matches!(command.audience, Audience::Open | Audience::User);
                if advised || command.effects.read_only { open.push(name) } else { risky.push(name) }
            }
        }
        if !risky.is_empty() {
            self.warn(
                "",
                format!(
                    "anonymous callers may call commands that change data and whose audience is not `open`: {}",
                    risky.join(", ")
                ),
            );
        }
        if !open.is_empty() {
            self.note("", format!("anonymous callers may call {}", open.join(", ")));
        }
        if unreachable.len() == self.surroundings.commands.len() {
            self.note("", "only the console may call commands");
        } else if !unreachable.is_empty() {
            self.note("", format!("only the console may call {}", unreachable.join(", ")));
        }
    }
}

/// Says that a name stands for nothing; nothing where it is known.
fn undefined(kind: &str, name: &str, known: BTreeSet<&str>) -> Option<String> {
    if known.contains(name) {
        return None;
    }
    let close = suggest::closest(name, known);
    let hint = close.map_or_else(String::new, |close| format!(" (did you mean `{close}`?)"));
    Some(format!("the {kind} `{name}` is not defined{hint}"))
}

fn unknown_selector(selector: &Selector, commands: &[&Command]) -> String {
    let close = |word: &str, known: BTreeSet<&str>| {
        suggest::closest(word, known).map_or_else(String::new, |close| format!("; did you mean `{close}`?"))
    };
    match selector {
        Selector::Command(name) => {
            let hint = close(name, commands.iter().map(|command| command.name.as_str()).collect());
            format!("there is no command `{name}` at present{hint}")
        }
        Selector::Tag(tag) => {
            let known = commands.iter().flat_map(|command| &command.rule_tags).map(Tag::as_str);
            format!("no command has the tag `{tag}` at present{}", close(tag, known.collect()))
        }
        Selector::Plugin(plugin) => {
            let known = commands.iter().filter_map(|command| command.origin.plugin());
            let hint = close(plugin, known.map(PluginName::as_str).collect());
            format!("there is no plugin `{plugin}` with commands at present{hint}")
        }
        Selector::All | Selector::Audience(_) | Selector::Not(_) => {
            format!("`{selector}` covers no command at present")
        }
    }
}
