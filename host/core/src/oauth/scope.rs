//! Scopes: labels a token carries (RFC 6749 §3.3). What a label allows is said by the operator's rules alone.

use super::OAuthError;
use crate::command::Command;
use crate::permission::{Permissions, Selector, What, same_scope};
use crate::registry::Snapshot;

/// Most scopes of one token.
pub const SCOPES_MAX: usize = 64;
/// Longest scope, in bytes.
pub const SCOPE_BYTES_MAX: usize = 128;

/// The scope for ordinary users and their own accounts.
pub const USER_SCOPE: &str = "muster:user";
/// The scope of what administrators do.
pub const ADMIN_SCOPE: &str = "muster:admin";
/// Scopes there always are; each has a second name, which configurations of ejabberd have.
pub(super) const WELL_KNOWN: [&str; 2] = [USER_SCOPE, ADMIN_SCOPE];
/// Most commands listed for a scope that covers many.
const COMMANDS_SHOWN_MAX: usize = 50;

/// Whether a text can be a scope: 1 to [`SCOPE_BYTES_MAX`] of the bytes RFC 6749 §3.3 allows.
pub fn is_scope(text: &str) -> bool {
    (1..=SCOPE_BYTES_MAX).contains(&text.len())
        && text.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}

/// Reads a list separated by spaces, without repetitions.
///
/// # Errors
/// [`OAuthError::InvalidScope`] when it is empty, too long, or has characters no scope can have.
pub fn parse_scopes(text: &str) -> Result<Vec<String>, OAuthError> {
    let mut scopes: Vec<String> = Vec::new();
    for scope in text.split(' ').filter(|scope| !scope.is_empty()) {
        if !is_scope(scope) {
            return Err(OAuthError::InvalidScope("a scope has invalid characters or is too long".to_owned()));
        }
        if !scopes.iter().any(|known| known == scope) {
            scopes.push(scope.to_owned());
        }
    }
    match scopes.len() {
        0 => Err(OAuthError::InvalidScope("request at least one scope".to_owned())),
        1..=SCOPES_MAX => Ok(scopes),
        _ => Err(OAuthError::InvalidScope(format!("request at most {SCOPES_MAX} scopes"))),
    }
}

/// Whether `wanted` is among `granted`, under either name.
pub(super) fn is_within(wanted: &str, granted: &[String]) -> bool {
    granted.iter().any(|scope| same_scope(scope, wanted))
}

/// Those of the scopes that mean something here: well-known ones, those rules speak of, and those that name commands there
/// are now. Less may be given than is asked for, which the client is told (RFC 6749 §3.3): many ask for `openid` or
/// `offline_access` as a matter of course.
///
/// # Errors
/// [`OAuthError::InvalidScope`] when none is left.
pub(super) fn known(scopes: Vec<String>, rules: &Permissions, snapshot: &Snapshot) -> Result<Vec<String>, OAuthError> {
    let is_well_known = |scope: &str| WELL_KNOWN.iter().any(|known| same_scope(known, scope));
    narrowed(scopes, "there is no scope", |scope| {
        is_well_known(scope) || rules.honours(scope, false) || names_commands(scope, snapshot)
    })
}

/// Those of the scopes that some rule honours: a person is not asked to consent to what opens nothing.
///
/// # Errors
/// [`OAuthError::InvalidScope`] when none is left.
pub(super) fn honoured(
    scopes: Vec<String>,
    rules: &Permissions,
    snapshot: &Snapshot,
) -> Result<Vec<String>, OAuthError> {
    narrowed(scopes, "no rule of this server uses the scope", |scope| {
        rules.honours(scope, names_commands(scope, snapshot))
    })
}

fn names_commands(scope: &str, snapshot: &Snapshot) -> bool {
    covered(scope, snapshot.iter().map(|registered| &registered.command)).next().is_some()
}

fn narrowed(scopes: Vec<String>, what: &str, counts: impl Fn(&str) -> bool) -> Result<Vec<String>, OAuthError> {
    let (kept, others): (Vec<String>, Vec<String>) = scopes.into_iter().partition(|scope| counts(scope));
    match (kept.is_empty(), others.first()) {
        // What is repeated was checked to be harmless.
        (true, Some(scope)) => Err(OAuthError::InvalidScope(format!("{what} {scope}"))),
        _ => Ok(kept),
    }
}

/// Those of `commands` a scope names, each once though its forms follow one another; none when it names something else.
fn covered<'a>(scope: &str, commands: impl Iterator<Item = &'a Command>) -> impl Iterator<Item = &'a Command> {
    let what = match Selector::parse(scope) {
        Ok(selector @ (Selector::Command(_) | Selector::Tag(_) | Selector::Plugin(_))) => What::of([selector]),
        _ => What::default(),
    };
    let mut last = None;
    commands.filter(move |command| {
        let again = last.replace(command.name.clone()).is_some_and(|last| last == command.name);
        !again && what.covers(command)
    })
}

/// A scope as its giver should understand it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ScopeInWords {
    /// The scope itself.
    pub scope: String,
    /// A sentence about it.
    pub words: String,
    /// Names and summaries of the commands it names, where it names more than one.
    pub commands: Vec<(String, String)>,
}

/// Says what a scope is about, in words of these commands, the latest form of each first.
pub fn scope_in_words<'a>(scope: &str, commands: impl Iterator<Item = &'a Command>) -> ScopeInWords {
    let commands: Vec<(String, String)> = covered(scope, commands)
        .take(COMMANDS_SHOWN_MAX)
        .map(|command| (command.name.as_str().to_owned(), command.summary.clone()))
        .collect();
    let told = |words: &str, commands| ScopeInWords { scope: scope.to_owned(), words: words.to_owned(), commands };
    match (scope, commands.as_slice()) {
        ("muster:user" | "ejabberd:user", _) => told("Use this server as you", Vec::new()),
        ("muster:admin" | "ejabberd:admin", _) => told("Administer this server as you", Vec::new()),
        (_, [(name, summary)]) if name == scope => told(summary, Vec::new()),
        (_, [_, ..]) => told("Use these commands as you", commands),
        (_, []) => told("Use what the rules of this server allow for the scope", Vec::new()),
    }
}
