//! Contact lists of accounts, kept in the host's key-value store: a plugin with durable data and two API versions.
//!
//! The commands have the names, arguments and results of ejabberd's, so that its clients work unchanged. Read `jid` (what
//! an address may look like), `contact` (what is stored, and where), then the commands here.
//!
//! Deliberately absent: subscription requests and pushes to connected clients. They are the XMPP server's business.

mod contact;
mod jid;

use muster_sdk::{CallError, command, plugin};

use crate::contact::{Contact, Group, Listed, Nick, Roster, Subscription};
use crate::jid::{Domain, Jid, Local};

/// What ejabberd's commands give when they succeed.
const SUCCESS: u8 = 0;

/// Adds a contact to the contact list of an account
///
/// A contact that is there already is replaced. The other side's list is not changed. Gives 0.
#[command(
    version = 1, tags("roster"), effects(idempotent), audience = "admin",
    example("Ann adds Bob as a friend",
            input = {"localuser": "ann", "localhost": "localhost", "user": "bob", "host": "localhost", "nick": "Bob",
                     "groups": ["Friends", "Work"], "subs": "both"},
            output = 0),
)]
fn add_rosteritem(
    /// Whose list: the part before the `@`.
    localuser: Local,
    /// Whose list: the part after the `@`.
    localhost: Domain,
    /// The contact's address: the part before the `@`.
    user: Local,
    /// The contact's address: the part after the `@`.
    host: Domain,
    /// What the owner of the list calls the contact.
    nick: Nick,
    /// The groups the contact is in.
    #[schemars(length(max = 64))]
    groups: Vec<Group>,
    /// Who sees whose presence.
    subs: Subscription,
) -> Result<u8, CallError> {
    let contact = Contact { nick, subscription: subs, groups };
    Roster::open(&Jid::new(localuser, localhost))?.put(&Jid::new(user, host), &contact)?;
    Ok(SUCCESS)
}

/// Adds a contact to the contact list of an account
///
/// A contact that is there already is replaced. The other side's list is not changed. Gives 0.
#[command(
    name = "add_rosteritem", version = 0, tags("roster"), effects(idempotent), audience = "admin",
    deprecated = "version 1 takes a list of groups",
    example("Ann adds Bob as a friend",
            input = {"localuser": "ann", "localhost": "localhost", "user": "bob", "host": "localhost", "nick": "Bob",
                     "group": "Friends;Work", "subs": "both"},
            output = 0),
)]
fn add_rosteritem_v0(
    /// Whose list: the part before the `@`.
    localuser: Local,
    /// Whose list: the part after the `@`.
    localhost: Domain,
    /// The contact's address: the part before the `@`.
    user: Local,
    /// The contact's address: the part after the `@`.
    host: Domain,
    /// What the owner of the list calls the contact.
    nick: Nick,
    /// The groups the contact is in, separated by `;`.
    #[schemars(length(max = 4096))]
    group: String,
    /// Who sees whose presence.
    subs: Subscription,
) -> Result<u8, CallError> {
    let groups = contact::groups(&group)?;
    add_rosteritem(localuser, localhost, user, host, nick, groups, subs)
}

/// Removes a contact from the contact list of an account
///
/// A contact that is not there is no error. The other side's list is not changed. Gives 0.
#[command(
    tags("roster"), effects(idempotent, destructive), audience = "admin",
    example("Ann forgets Bob",
            input = {"localuser": "ann", "localhost": "localhost", "user": "bob", "host": "localhost"}, output = 0),
)]
fn delete_rosteritem(
    /// Whose list: the part before the `@`.
    localuser: Local,
    /// Whose list: the part after the `@`.
    localhost: Domain,
    /// The contact's address: the part before the `@`.
    user: Local,
    /// The contact's address: the part after the `@`.
    host: Domain,
) -> Result<u8, CallError> {
    Roster::open(&Jid::new(localuser, localhost))?.remove(&Jid::new(user, host))?;
    Ok(SUCCESS)
}

/// Lists the contacts of an account
///
/// They are sorted by address. An account without contacts has an empty list.
#[command(
    tags("roster"), effects(read_only, idempotent), audience = "admin",
    example("An account without contacts", input = {"user": "zoe", "host": "localhost"}, output = []),
)]
fn get_roster(
    /// Whose list: the part before the `@`.
    user: Local,
    /// Whose list: the part after the `@`.
    host: Domain,
) -> Result<Vec<Listed>, CallError> {
    Ok(Roster::open(&Jid::new(user, host))?.list()?)
}

/// Counts the contacts of an account
#[command(
    tags("roster"), effects(read_only, idempotent), audience = "admin",
    example("An account without contacts", input = {"user": "zoe", "host": "localhost"}, output = 0),
)]
fn get_roster_count(
    /// Whose list: the part before the `@`.
    user: Local,
    /// Whose list: the part after the `@`.
    host: Domain,
) -> Result<usize, CallError> {
    Ok(Roster::open(&Jid::new(user, host))?.count()?)
}

plugin!(add_rosteritem, add_rosteritem_v0, delete_rosteritem, get_roster, get_roster_count);
