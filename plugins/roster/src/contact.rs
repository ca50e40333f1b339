//! What is stored, and where: a bucket for each owner, in it a key for each contact.
//!
//! A key of its own for every contact means that two calls that add contacts at the same time cannot lose one. A bucket
//! of its own for every owner means that listing reads one owner's contacts and no others. The store gives keys in
//! ascending order, which is the order of the list.

use muster_sdk::CallError;
use muster_sdk::store::{self, Error, Store};

use crate::jid::Jid;

/// The bound of a group's name, in characters.
const GROUP_CHARS_MAX: usize = 256;
/// The bound of the groups of a contact.
const GROUPS_MAX: usize = 64;

/// Who sees whose presence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[muster_sdk::data]
#[serde(rename_all = "lowercase")]
pub(crate) enum Subscription {
    /// Neither sees the other.
    None,
    /// The contact sees the owner of the list.
    From,
    /// The owner of the list sees the contact.
    To,
    /// Each sees the other.
    Both,
}

/// What the owner of the list calls the contact.
#[derive(Debug, Clone, PartialEq, Eq)]
#[muster_sdk::data]
#[serde(transparent)]
pub(crate) struct Nick(#[schemars(length(max = 1023))] String);

/// The name of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
#[muster_sdk::data]
#[serde(transparent)]
pub(crate) struct Group(#[schemars(length(min = 1, max = 256))] String);

/// The groups in a text that separates them by `;`, without the empty ones.
///
/// # Errors
///
/// `invalid-argument` at `/group`, with the bound.
pub(crate) fn groups(text: &str) -> Result<Vec<Group>, CallError> {
    let groups: Vec<&str> = text.split(';').filter(|group| !group.is_empty()).collect();
    if groups.len() > GROUPS_MAX || groups.iter().any(|group| group.chars().count() > GROUP_CHARS_MAX) {
        let rule = format!("expected at most {GROUPS_MAX} groups of at most {GROUP_CHARS_MAX} characters");
        return Err(CallError::invalid("/group", rule));
    }
    Ok(groups.into_iter().map(|group| Group(group.into())).collect())
}

/// A contact as it is stored, under its address.
#[derive(Debug, Clone)]
#[muster_sdk::data]
pub(crate) struct Contact {
    pub(crate) nick: Nick,
    pub(crate) subscription: Subscription,
    pub(crate) groups: Vec<Group>,
}

/// A contact.
#[derive(Debug, Clone)]
#[muster_sdk::data]
pub(crate) struct Listed {
    /// The contact's address.
    jid: String,
    /// What the owner of the list calls the contact.
    nick: Nick,
    /// Who sees whose presence.
    subscription: Subscription,
    /// Requests to subscribe that wait for an answer: always `none`, since requests are not possible through this
    /// plugin.
    pending: Pending,
    /// The groups the contact is in.
    groups: Vec<Group>,
}

/// The one state a contact can be in here; ejabberd has more.
#[derive(Debug, Clone, Copy)]
#[muster_sdk::data]
#[serde(rename_all = "lowercase")]
enum Pending {
    None,
}

/// One owner's contacts.
#[derive(Debug)]
pub(crate) struct Roster(Store);

impl Roster {
    /// The contacts of `owner`, of whom nothing is known but the address.
    pub(crate) fn open(owner: &Jid) -> Result<Self, Error> {
        store::open(owner.as_str()).map(Self)
    }

    pub(crate) fn put(&self, jid: &Jid, contact: &Contact) -> Result<(), Error> {
        self.0.set(jid.as_str(), contact)
    }

    pub(crate) fn remove(&self, jid: &Jid) -> Result<(), Error> {
        self.0.delete(jid.as_str())
    }

    pub(crate) fn count(&self) -> Result<usize, Error> {
        Ok(self.0.keys()?.len())
    }

    /// Every contact, sorted by address. One that is removed while this reads is left out.
    pub(crate) fn list(&self) -> Result<Vec<Listed>, Error> {
        let keys = self.0.keys()?;
        let contacts = self.0.get_many::<Contact>(&keys)?;
        let found = keys.into_iter().zip(contacts).filter_map(|(jid, contact)| contact.map(|contact| (jid, contact)));
        Ok(found.map(|(jid, contact)| Listed::new(jid, contact)).collect())
    }
}

impl Listed {
    fn new(jid: String, Contact { nick, subscription, groups }: Contact) -> Self {
        Self { jid, nick, subscription, pending: Pending::None, groups }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_separated_by_semicolons() {
        assert_eq!(groups("").unwrap(), []);
        assert_eq!(groups("Friends").unwrap(), [Group("Friends".into())]);
        assert_eq!(groups("Friends;;Work;").unwrap(), [Group("Friends".into()), Group("Work".into())]);
        assert_eq!(groups(&"g;".repeat(64)).unwrap().len(), 64);
        assert!(groups(&"g;".repeat(65)).is_err());
        assert!(groups(&"g".repeat(257)).is_err());
    }
}
