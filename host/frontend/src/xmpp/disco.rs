//! Service discovery (XEP-0030): what Muster is, and which commands the sender may run.

use muster_core::dispatch::Listed;

use super::Wire;
use super::jid::Jid;
use super::names::{COMMANDS, DISCO_INFO, DISCO_ITEMS, FORMS, PING};
use super::stanza::StanzaError;
use crate::xml::Element;

/// Most commands listed at once.
pub(super) const ITEMS_MAX: usize = 2000;

/// What the node, or Muster itself, is.
///
/// # Errors
/// When there is no such command for who asks.
pub(super) async fn info(wire: &Wire, from: &Jid, node: Option<&str>) -> Result<Element, StanzaError> {
    let (category, kind, name, features) = match node {
        None => {
            let features = &[DISCO_INFO, DISCO_ITEMS, COMMANDS, FORMS, PING][..];
            ("component", "generic", "Muster".to_owned(), features)
        }
        Some(COMMANDS) => {
            ("automation", "command-list", "Commands".to_owned(), &[DISCO_INFO, DISCO_ITEMS, COMMANDS][..])
        }
        Some(node) => {
            let found = wire.find(from, node).await?;
            let summary = found.registered.command.summary.clone();
            ("automation", "command-node", summary, &[DISCO_INFO, COMMANDS, FORMS][..])
        }
    };
    let identity =
        Element::new(DISCO_INFO, "identity").with("category", category).with("type", kind).with("name", name);
    let features = features.iter().map(|feature| Element::new(DISCO_INFO, "feature").with("var", *feature));
    Ok(query(DISCO_INFO, node).child(identity).children(features))
}

/// What belongs to the node, or to Muster itself.
///
/// # Errors
/// When the caller is not who they say, or there is no such command for them.
pub(super) async fn items(wire: &Wire, from: &Jid, node: Option<&str>) -> Result<Element, StanzaError> {
    let item = |node: &str, name: &str| {
        Element::new(DISCO_ITEMS, "item").with("jid", wire.domain()).with("node", node).with("name", name)
    };
    let items = match node {
        None => vec![item(COMMANDS, "Commands")],
        Some(COMMANDS) => {
            let request_id = wire.request_id();
            let (credential, source) = wire.caller(from, &request_id);
            let listed = wire.dispatcher.list(credential, source).await;
            let listed = listed.map_err(|error| StanzaError::of(&error, &request_id))?;
            latest(&listed).take(ITEMS_MAX).map(|(name, summary)| item(name, summary)).collect()
        }
        // A command has nothing below it.
        Some(node) => wire.find(from, node).await.map(|_| Vec::new())?,
    };
    Ok(query(DISCO_ITEMS, node).children(items))
}

/// Each name once, with the summary of its latest form.
fn latest(listed: &[Listed]) -> impl Iterator<Item = (&str, &str)> {
    let command = |listed: &Listed| listed.registered.command.name.clone();
    listed
        .chunk_by(move |one, other| command(one) == command(other))
        .filter_map(|forms| forms.first())
        .map(|listed| (listed.registered.command.name.as_str(), listed.registered.command.summary.as_str()))
}

fn query(namespace: &'static str, node: Option<&str>) -> Element {
    let query = Element::new(namespace, "query");
    match node {
        Some(node) => query.with("node", node),
        None => query,
    }
}
