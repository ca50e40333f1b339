//! How often a plugin used what it was granted, and how often it was refused, since it was loaded. What it wanted and was
//! not granted is remembered as well, so that an operator sees what to grant, or whom not to trust.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use muster_component::grants::{Grant, Grants, satisfies};
use muster_core::plugins::GrantLine;

/// Wishes that are remembered.
const WISHES_MAX: usize = 64;
/// Longest text of a refusal or wish that is remembered, in characters.
const TEXT_CHARS_MAX: usize = 200;

/// An interface every plugin has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Interface {
    /// Calling commands.
    Dispatch,
    /// Telling how far a command is.
    Progress,
    /// Logging.
    Logging,
    /// Reading settings.
    Config,
}

impl Interface {
    const ALL: [Self; 4] = [Self::Dispatch, Self::Progress, Self::Logging, Self::Config];

    fn name(self) -> &'static str {
        match self {
            Self::Dispatch => "muster:plugin/dispatch",
            Self::Progress => "muster:plugin/progress",
            Self::Logging => "wasi:logging/logging",
            Self::Config => "wasi:config/store",
        }
    }
}

/// The counts of one plugin.
#[derive(Debug)]
pub(crate) struct Uses {
    interfaces: [Use; Interface::ALL.len()],
    /// In the order of the grants.
    grants: Vec<Use>,
    wishes: Mutex<BTreeMap<String, (u64, String)>>,
}

#[derive(Debug, Default)]
struct Use {
    used: AtomicU64,
    refused: AtomicU64,
    last: Mutex<String>,
}

impl Use {
    fn refuse(&self, text: &str) {
        self.refused.fetch_add(1, Ordering::Relaxed);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = cut(text);
    }

    fn line(&self, name: String, declared: bool) -> GrantLine {
        GrantLine {
            name,
            declared,
            granted: true,
            used: self.used.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            last: self.last.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}

fn cut(text: &str) -> String {
    text.chars().take(TEXT_CHARS_MAX).collect()
}

impl Uses {
    pub(super) fn new(grants: &Grants) -> Self {
        let grants = grants.iter().map(|_| Use::default()).collect();
        Self { interfaces: Default::default(), grants, wishes: Mutex::default() }
    }

    /// An interface was used.
    pub(crate) fn interface(&self, interface: Interface) {
        if let Some(own) = self.interfaces.get(interface as usize) {
            own.used.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// An interface was used beyond what it allows.
    pub(crate) fn interface_refused(&self, interface: Interface, text: &str) {
        if let Some(own) = self.interfaces.get(interface as usize) {
            own.refuse(text);
        }
    }

    /// The grant of this number was used.
    pub(crate) fn grant(&self, number: usize) {
        if let Some(own) = self.grants.get(number) {
            own.used.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The grant of this number was not enough.
    pub(crate) fn grant_refused(&self, number: usize, text: &str) {
        if let Some(own) = self.grants.get(number) {
            own.refuse(text);
        }
    }

    /// This was wanted and not granted. Later wishes of other kinds are not remembered once there are many.
    pub(crate) fn wished(&self, grant: &str, text: &str) {
        let mut wishes = self.wishes.lock().unwrap_or_else(PoisonError::into_inner);
        let grant = cut(grant);
        if wishes.len() < WISHES_MAX || wishes.contains_key(&grant) {
            let (refused, last) = wishes.entry(grant).or_default();
            *refused += 1;
            *last = cut(text);
        }
    }

    /// One line for each interface the component imports, each grant, each request that was not granted, and each wish.
    pub(super) fn lines(&self, grants: &Grants, imports: &[String], requests: &[String]) -> Vec<GrantLine> {
        let imported = |start: &str| imports.iter().any(|import| import.starts_with(start));
        let interfaces = Interface::ALL.iter().zip(&self.interfaces);
        let interfaces = interfaces
            .filter(|(interface, _)| imported(interface.name()))
            .map(|(interface, own)| own.line(interface.name().to_owned(), true));
        let granted = grants.iter().zip(&self.grants).map(|(grant, own)| {
            let declared = imported(match grant {
                Grant::Keyvalue => "wasi:keyvalue/",
                Grant::Command(_) => Interface::Dispatch.name(),
                Grant::Http(_) => "wasi:http/",
                Grant::Directory(_) => "wasi:filesystem/",
            });
            let grant = grant.to_string();
            let declared = declared || requests.iter().any(|request| satisfies(&grant, request));
            own.line(grant, declared)
        });
        let texts = grants.texts();
        let missing = requests.iter().filter(|request| !texts.iter().any(|grant| satisfies(grant, request)));
        let mut wishes = self.wishes.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for request in missing {
            wishes.entry(request.clone()).or_default();
        }
        let wishes = wishes.iter().map(|(grant, (refused, last))| GrantLine {
            name: grant.clone(),
            declared: true,
            granted: false,
            used: 0,
            refused: *refused,
            last: last.clone(),
        });
        interfaces.chain(granted).chain(wishes).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_shown_with_what_they_count() {
        let grants = Grants::parse(&["keyvalue".to_owned(), "command:status".to_owned()]).unwrap();
        let uses = Uses::new(&grants);
        uses.interface(Interface::Dispatch);
        uses.grant(1);
        uses.grant_refused(0, "full");
        uses.wished("command:stop", "not granted");
        uses.wished("command:stop", "not granted");
        for number in 0..2 * WISHES_MAX {
            uses.wished(&format!("command:c{number}"), &"x".repeat(1000));
        }
        let imports = ["muster:plugin/dispatch@0.1.0".to_owned(), "wasi:keyvalue/store@0.2.0-draft".to_owned()];
        let requests = ["command:status".to_owned(), "command:stop".to_owned(), "directory:/data".to_owned()];
        let lines = uses.lines(&grants, &imports, &requests);
        assert_eq!(lines.len(), 4 + WISHES_MAX);
        let shown = |name: &str| {
            let line = lines.iter().find(|line| line.name == name).unwrap();
            (line.declared, line.granted, line.used, line.refused, line.last.chars().count())
        };
        assert_eq!(shown("muster:plugin/dispatch"), (true, true, 1, 0, 0));
        assert_eq!(shown("keyvalue"), (true, true, 0, 1, 4));
        assert_eq!(shown("command:status"), (true, true, 1, 0, 0));
        assert_eq!(shown("command:stop"), (true, false, 0, 2, 11));
        assert_eq!(shown("directory:/data"), (true, false, 0, 0, 0));
        assert_eq!(shown("command:c0"), (true, false, 0, 1, TEXT_CHARS_MAX));
        // What its manifest asks for is declared, whatever the component imports.
        let lines = uses.lines(&grants, &[], &requests);
        let declared: Vec<_> = lines.iter().take(2).map(|line| (line.name.as_str(), line.declared)).collect();
        assert_eq!(declared, [("keyvalue", false), ("command:status", true)]);
    }
}
