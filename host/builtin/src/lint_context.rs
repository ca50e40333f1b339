//! What commands about rights look at: the rules, every command there is, and callers that stand for all.

use std::sync::Arc;

use muster_core::command::Command;
use muster_core::error::CallError;
use muster_core::name::AccountId;
use muster_core::permission::Permissions;
use muster_core::permission::matrix::{ACCOUNTS_MAX, SampleCaller, sample_callers};
use muster_core::registry::Registered;

use crate::Services;

/// The host as rules see it, at one moment.
pub(crate) struct LintContext {
    /// The active rules.
    pub(crate) rules: Arc<Permissions>,
    registered: Vec<Arc<Registered>>,
    /// Callers that stand for all both sets of rules can tell apart.
    pub(crate) callers: Vec<SampleCaller>,
    /// Tags of listeners.
    pub(crate) tags: Vec<String>,
}

impl LintContext {
    /// Gathers them. `others` are rules that are not active, whose callers are included too.
    pub(crate) async fn gather(services: &Services, others: Option<&Permissions>) -> Result<Self, CallError> {
        let dispatcher =
            services.dispatcher.upgrade().ok_or_else(|| CallError::internal_from("the dispatcher is gone"))?;
        let rules = dispatcher.permissions();
        let mut accounts = Vec::new();
        for host in services.accounts.hosts() {
            let users = services.accounts.list(&host).await.map_err(crate::result::account_error)?;
            accounts.extend(users.iter().filter_map(|user| AccountId::new(user, &host).ok()));
        }
        accounts.truncate(ACCOUNTS_MAX);
        let sets: Vec<&Permissions> = std::iter::once(&*rules).chain(others).collect();
        let callers = sample_callers(&sets, &accounts, services.control.interfaces());
        let registered = dispatcher.registry().snapshot().iter().map(Arc::clone).collect();
        Ok(Self { rules, registered, callers, tags: services.control.listener_tags() })
    }

    /// Every form of every command.
    pub(crate) fn commands(&self) -> Vec<&Command> {
        self.registered.iter().map(|registered| &registered.command).collect()
    }

    /// Every command in its latest form.
    pub(crate) fn latest(&self) -> Vec<&Command> {
        let mut commands = self.commands();
        commands.dedup_by(|later, first| later.name == first.name);
        commands
    }

    /// A command's form with the highest version at or below `version`, or the latest.
    pub(crate) fn command(&self, name: &str, version: Option<u32>) -> Option<&Command> {
        self.commands()
            .into_iter()
            .find(|command| command.name.as_str() == name && version.is_none_or(|wanted| command.version <= wanted))
    }
}
