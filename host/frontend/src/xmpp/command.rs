//! Commands (XEP-0050): a command that takes nothing and changes nothing runs at once; any other shows its form, and runs
//! when it is completed. With a form in the first request it runs at once as well.
//!
//! What may be called is decided before the form is shown, and again when it is completed.

use std::sync::Arc;
use std::time::Instant;

use muster_core::caller::RequestId;
use muster_core::command::Command;
use muster_core::dispatch::Head;
use muster_core::error::{ArgumentError, CallError};
use muster_core::schema::Unread;
use serde_json::Value;

use super::form::{self, Submitted};
use super::names::{COMMANDS, FORMS};
use super::sessions::SessionError;
use super::stanza::{Request, StanzaError};
use super::{Wire, result};
use crate::xml::Element;

/// One stage of a command.
struct Stage<'a> {
    wire: &'a Wire,
    request: &'a Request,
    request_id: RequestId,
    node: &'a str,
    session: Option<&'a str>,
}

/// Does what a `command` element asks for.
///
/// # Errors
/// When the request is not of the standard's form, the session is not the sender's, or the call fails.
pub(super) async fn run(wire: &Wire, request: &Request) -> Result<Element, StanzaError> {
    let asked = &request.payload;
    let node = asked.attribute("node").ok_or_else(|| StanzaError::bad_request("`command` needs a `node`"))?;
    let session = asked.attribute("sessionid").filter(|id| !id.is_empty());
    let stage = Stage { wire, request, request_id: wire.request_id(), node, session };
    match asked.attribute("action") {
        None | Some("execute" | "complete") => stage.execute().await,
        Some("cancel") => stage.cancel(),
        Some("next" | "prev") => {
            Err(StanzaError::bad_stage("bad-action", "the command has only one stage; use `complete` or `cancel`"))
        }
        Some(_) => {
            Err(StanzaError::bad_stage("malformed-action", "the action must be `execute`, `complete` or `cancel`"))
        }
    }
}

impl Stage<'_> {
    async fn execute(&self) -> Result<Element, StanzaError> {
        let form = self.request.payload.find(FORMS, "x");
        if let Some(session) = self.session {
            if form.is_some_and(|form| form.attribute("type") == Some("cancel")) {
                return self.cancel();
            }
            // Also one that was submitted wrongly has to be begun by the sender.
            self.take(session)?;
        }
        match (form, self.session) {
            (Some(form), _) => {
                let submitted = form::submitted(form);
                if submitted.is_err() {
                    self.keep()?;
                }
                self.call(submitted?).await
            }
            (None, Some(_)) => self.call(Submitted::new()).await,
            (None, None) => self.begin().await,
        }
    }

    async fn begin(&self) -> Result<Element, StanzaError> {
        let found = self.wire.find_as(&self.request.from, self.node, &self.request_id).await?;
        let command = &found.registered.command;
        if command.effects.read_only && !form::takes_arguments(&command.input) {
            return self.call(Submitted::new()).await;
        }
        self.ask(command, &found.only_where, &Submitted::new(), &[])
    }

    /// Shows the form, in the session there is or in a new one.
    fn ask(
        &self,
        command: &Command,
        only_where: &[String],
        given: &Submitted,
        errors: &[ArgumentError],
    ) -> Result<Element, StanzaError> {
        let session = if let Some(session) = self.session {
            self.keep()?;
            session.to_owned()
        } else {
            let opened = self.wire.sessions.open(&self.request.from, self.node, Instant::now());
            opened.map_err(|error| StanzaError::of(&error, &self.request_id))?
        };
        let actions =
            Element::new(COMMANDS, "actions").with("execute", "complete").child(Element::new(COMMANDS, "complete"));
        let mistakes: Vec<String> = errors.iter().map(|error| error.to_string().replacen('/', "", 1)).collect();
        let note = (!mistakes.is_empty()).then(|| note("error", mistakes.join("; ")));
        let form = form::ask(command, only_where, given, errors);
        Ok(self.answer("executing", Some(&session)).child(actions).children(note).child(form))
    }

    async fn call(&self, submitted: Submitted) -> Result<Element, StanzaError> {
        let (credential, source) = self.wire.caller(&self.request.from, &self.request_id);
        let (name, version) = name_and_version(self.node);
        let head = Head { source, credential, name: name.to_owned(), version, safe: false };
        let failed = |error: CallError| {
            // What can be tried again is.
            let _ = self.keep();
            StanzaError::of(&error, &self.request_id)
        };
        let admitted = self.wire.dispatcher.admit(head).await.map_err(failed)?;
        let registered = Arc::clone(admitted.registered());
        let command = &registered.command;
        let arguments = form::arguments(&command.input, &submitted);
        match admitted.call(Unread::Object(arguments)).await {
            Ok(outcome) => Ok(self.completed(command, &outcome.value)),
            Err(CallError::InvalidArguments(errors)) => self.ask(command, &[], &submitted, &errors),
            Err(error) => Err(failed(error)),
        }
    }

    fn completed(&self, command: &Command, result: &Value) -> Element {
        let deprecated = command.deprecated.as_ref().map(|text| note("warn", format!("deprecated: {text}")));
        let answer = self.answer("completed", self.session).children(deprecated);
        let form = result::show(command, result);
        let bytes = form.write("").len();
        let bytes_max = super::ANSWER_BYTES_MAX;
        if bytes <= bytes_max {
            return answer.child(form);
        }
        let text = format!(
            "The command has run. Its result has {bytes} bytes; over XMPP, at most {bytes_max} are sent. Use another \
             interface to get the complete result."
        );
        answer.child(note("warn", text))
    }

    fn cancel(&self) -> Result<Element, StanzaError> {
        let session = self.session.ok_or_else(|| bad_session("there is nothing to cancel"))?;
        self.take(session)?;
        Ok(self.answer("canceled", Some(session)))
    }

    fn take(&self, session: &str) -> Result<(), StanzaError> {
        let taken = self.wire.sessions.take(session, &self.request.from, self.node, Instant::now());
        taken.map_err(|error| match error {
            SessionError::Unknown => bad_session("unknown session for this sender and command"),
            SessionError::Expired => StanzaError::session_expired(),
        })
    }

    /// Lets the session go on, if there is one.
    fn keep(&self) -> Result<(), StanzaError> {
        let Some(session) = self.session else { return Ok(()) };
        let kept = self.wire.sessions.keep(session.to_owned(), &self.request.from, self.node, Instant::now());
        kept.map_err(|error| StanzaError::of(&error, &self.request_id))
    }

    fn answer(&self, status: &'static str, session: Option<&str>) -> Element {
        // A command that ran at once never had a session, and its answer needs an id all the same (XEP-0050 §2.4).
        let session = session.unwrap_or_else(|| self.request_id.as_str());
        Element::new(COMMANDS, "command").with("node", self.node).with("sessionid", session).with("status", status)
    }
}

fn bad_session(text: &str) -> StanzaError {
    StanzaError::bad_stage("bad-sessionid", text)
}

fn note(kind: &'static str, text: String) -> Element {
    Element::new(COMMANDS, "note").with("type", kind).text(text)
}

/// The command a node stands for: `NAME`, or `NAME/vN` for one of its earlier forms.
pub(super) fn name_and_version(node: &str) -> (&str, Option<u32>) {
    let versioned = node.rsplit_once("/v").and_then(|(name, digits)| {
        let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
        Some((name, digits.parse().ok().filter(|_| is_number)?))
    });
    versioned.map_or((node, None), |(name, version)| (name, Some(version)))
}
