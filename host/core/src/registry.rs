//! Every command there is, as an immutable snapshot that is swapped whole: a call keeps the one it started with
//! (invariant I4), and a name has one owner (I5).

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use thiserror::Error;

use crate::command::{Command, Origin};
use crate::invoke::Invoke;
use crate::name::{CommandName, Tag};

/// A command and how it is run.
#[derive(Debug)]
pub struct Registered {
    /// What it is.
    pub command: Command,
    /// What runs it.
    pub invoke: Arc<dyn Invoke>,
}

/// Why commands were not registered. Nothing changed.
#[derive(Clone, Debug, Error)]
pub enum RegisterError {
    /// The name is already in use.
    #[error(
        "the command `{name}` of {newcomer} already belongs to {owner}; remove that one first, or rename the command"
    )]
    Clash {
        /// The name.
        name: CommandName,
        /// Who has it.
        owner: Origin,
        /// Who wanted it.
        newcomer: Origin,
    },
    /// The same name and version stand twice in one batch.
    #[error("the command `{name}` version {version} is described twice")]
    Twice {
        /// The name.
        name: CommandName,
        /// The version.
        version: u32,
    },
}

/// All commands at one moment.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// Per name its versions, highest first.
    commands: HashMap<CommandName, Vec<Arc<Registered>>>,
}

impl Snapshot {
    /// The command's form with the highest version at or below `version`, or the latest.
    pub fn get(&self, name: &str, version: Option<u32>) -> Option<&Arc<Registered>> {
        let versions = self.commands.get(name)?;
        match version {
            None => versions.first(),
            Some(wanted) => versions.iter().find(|registered| registered.command.version <= wanted),
        }
    }

    /// Every form of every command, by name, then latest first.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Registered>> {
        self.commands.iter().collect::<BTreeMap<_, _>>().into_values().flatten()
    }
}

/// Hears that something changed.
type Watcher = Box<dyn Fn() + Send + Sync>;

/// The current snapshot, and the one way to change it.
#[derive(Default)]
pub struct Registry {
    snapshot: ArcSwap<Snapshot>,
    /// Held while a new snapshot is made from the old one; readers never wait for it.
    writing: Mutex<()>,
    watchers: Mutex<Vec<Watcher>>,
}

impl fmt::Debug for Registry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Registry").field("snapshot", &self.snapshot).finish_non_exhaustive()
    }
}

impl Registry {
    /// Has `watcher` called after every change of what may be called: commands that come and go, and rules that change.
    /// It is called by the task that made the change, and must not wait. It is never forgotten: one for each wire, not
    /// one for each caller.
    pub fn watch(&self, watcher: impl Fn() + Send + Sync + 'static) {
        self.watchers.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(watcher));
    }

    /// Tells everybody who watches.
    pub(crate) fn tell(&self) {
        for watcher in self.watchers.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            watcher();
        }
    }

    /// The commands as they are now.
    pub fn snapshot(&self) -> arc_swap::Guard<Arc<Snapshot>> {
        self.snapshot.load()
    }

    /// Whether `replace` would succeed now.
    ///
    /// # Errors
    /// As [`Registry::replace`].
    pub fn check(&self, owner: &Origin, commands: &[Registered]) -> Result<(), RegisterError> {
        check(&self.snapshot.load(), owner, commands)
    }

    /// Makes `commands` all that `owner` has, in one step. An empty list removes the owner.
    ///
    /// # Errors
    /// When a name is already in use or is described twice for one version; nothing changes then.
    pub fn replace(&self, owner: &Origin, mut commands: Vec<Registered>) -> Result<(), RegisterError> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let old = self.snapshot.load();
        check(&old, owner, &commands)?;
        set_rule_tags(&mut commands);
        let mut next: HashMap<CommandName, Vec<Arc<Registered>>> = old
            .commands
            .iter()
            .filter(|(_, versions)| versions.iter().all(|other| !other.command.origin.same_owner(owner)))
            .map(|(name, versions)| (name.clone(), versions.clone()))
            .collect();
        for registered in commands {
            next.entry(registered.command.name.clone()).or_default().push(Arc::new(registered));
        }
        for versions in next.values_mut() {
            versions.sort_by_key(|registered| std::cmp::Reverse(registered.command.version));
        }
        self.snapshot.store(Arc::new(Snapshot { commands: next }));
        self.tell();
        Ok(())
    }
}

/// Gives every form of a command the tags of its latest one, and that one's version as a tag: rules about tags must not
/// fall apart between the versions of a command.
fn set_rule_tags(commands: &mut [Registered]) {
    let mut latest: HashMap<CommandName, (u32, Vec<Tag>)> = HashMap::new();
    for Registered { command, .. } in commands.iter() {
        let entry = latest.entry(command.name.clone()).or_default();
        if command.version >= entry.0 {
            *entry = (command.version, command.tags.clone());
        }
    }
    for (version, tags) in latest.values_mut() {
        if *version != 0 {
            tags.extend(Tag::parse(&format!("v{version}")));
        }
    }
    for Registered { command, .. } in commands {
        if let Some((_, tags)) = latest.get(&command.name) {
            command.rule_tags.clone_from(tags);
        }
    }
}

fn check(snapshot: &Snapshot, owner: &Origin, commands: &[Registered]) -> Result<(), RegisterError> {
    let mut seen = std::collections::HashSet::new();
    for Registered { command, .. } in commands {
        if !seen.insert((&command.name, command.version)) {
            return Err(RegisterError::Twice { name: command.name.clone(), version: command.version });
        }
        if let Some(other) = snapshot.get(command.name.as_str(), None)
            && !other.command.origin.same_owner(owner)
        {
            return Err(RegisterError::Clash {
                name: command.name.clone(),
                owner: other.command.origin.clone(),
                newcomer: owner.clone(),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
