//! The two doors every interface goes through: [`Dispatcher::admit`] (then [`Admitted::call`]) runs a command,
//! [`Dispatcher::list`] tells what a caller may run.
//!
//! A call is split after the permission check, so that a wire reads no arguments of a caller who may not call: a
//! forbidden command reveals nothing about its parameters, and costs nothing either. What «unknown» and «forbidden»
//! look like from outside is decided here, once: an anonymous caller is told to authenticate in both cases, other
//! callers are told which it is.

mod rejections;
mod trail;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use futures_util::future::{Either, select};
use serde_json::{Map, Value};
use tracing::{Instrument, Span, debug, debug_span, error, field, warn};

use crate::audit::{Audit, Record, Subject};
use crate::authn::{Authenticator, Credential, Source};
use crate::caller::{Authority, Caller, Identity, RequestId};
use crate::clock::Clock;
use crate::command::{Command, Origin};
use crate::error::{CallError, Fault};
use crate::invoke::{Invocation, Output, Progress};
use crate::name::PluginName;
use crate::permission::{Admission, Permissions, Permit};
use crate::rate::{Rate, RateLimitStatus, RateLimits};
use crate::registry::{Registered, Registry, Snapshot};
use crate::schema::{Arguments, DEPTH_MAX, Unread, parse_json};
use crate::suggest;
use crate::trace::TraceContext;
use rejections::RejectionLog;
use trail::CallRecorder;

/// Deepest chain of commands that call commands.
pub const DISPATCH_DEPTH_MAX: u8 = 4;

/// The command that explains verdicts.
pub const EXPLAIN: &str = "permissions_explain";

/// What a wire knows of a call before it reads the arguments.
#[derive(Debug)]
pub struct Head {
    /// Where it came from.
    pub source: Source,
    /// Who says to be calling.
    pub credential: Credential,
    /// The command's name, as sent.
    pub name: String,
    /// The version asked for; the latest without.
    pub version: Option<u32>,
    /// Whether the wire promised to change nothing (HTTP's safe methods, RFC 9110 §9.2.1).
    pub safe: bool,
}

/// A result that satisfies the command's schema.
#[derive(Debug)]
pub struct Outcome {
    /// The result.
    pub value: Value,
    /// The same as JSON text.
    pub text: String,
    /// The arguments of a call that goes on where this result ends; nothing where it is whole.
    pub next: Option<Map<String, Value>>,
}

/// Everything that decides about calls.
#[derive(Debug)]
pub struct Dispatcher {
    registry: Registry,
    authenticator: Authenticator,
    permissions: ArcSwap<Permissions>,
    rates: ArcSwap<RateLimits>,
    counts: Counts,
    rejections: RejectionLog,
    audit: Option<Arc<dyn Audit>>,
    clock: Arc<dyn Clock>,
    deadline: ArcSwap<Duration>,
}

impl Dispatcher {
    /// A dispatcher without commands. `deadline` bounds every call as a whole.
    pub fn new(authenticator: Authenticator, clock: Arc<dyn Clock>, deadline: Duration) -> Self {
        Self {
            registry: Registry::default(),
            authenticator,
            permissions: ArcSwap::from_pointee(Permissions::default()),
            rates: ArcSwap::default(),
            counts: Counts::default(),
            rejections: RejectionLog::default(),
            audit: None,
            clock,
            deadline: ArcSwap::from_pointee(deadline),
        }
    }

    /// The same, with a record of every call in `audit`.
    #[must_use]
    pub fn with_audit(self, audit: Arc<dyn Audit>) -> Self {
        Self { audit: Some(audit), ..self }
    }

    /// Every command there is.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The active rules.
    pub fn permissions(&self) -> Arc<Permissions> {
        self.permissions.load_full()
    }

    /// What checks credentials, for wires that do so without a call.
    pub fn authenticator(&self) -> &Authenticator {
        &self.authenticator
    }

    /// Puts other rules into force for every call that begins from now on.
    pub fn set_permissions(&self, permissions: Arc<Permissions>) {
        self.permissions.store(permissions);
        self.registry.tell();
    }

    /// Puts other rate limits into force. Where they are the same, everybody stands where they stood.
    pub fn set_rates(&self, rates: Vec<Rate>) {
        if !self.rates.load().are(&rates) {
            self.rates.store(Arc::new(RateLimits::new(rates)));
        }
    }

    /// Records something that happened beside calls; `detail` is an object without secrets.
    pub fn record_event(&self, name: &'static str, detail: Value) {
        if let Some(audit) = &self.audit {
            audit.record(Record { time: self.clock.since_epoch(), subject: Subject::Event { name, detail } });
        }
    }

    /// How many calls there were.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The bound of every call that begins now.
    pub fn deadline(&self) -> Duration {
        **self.deadline.load()
    }

    /// Bounds every call that begins from now on.
    pub fn set_deadline(&self, deadline: Duration) {
        self.deadline.store(Arc::new(deadline));
    }

    /// authenticate → resolve → admit.
    ///
    /// # Errors
    /// See the module's text for who is told what.
    pub async fn admit(self: &Arc<Self>, head: Head) -> Result<Admitted, CallError> {
        let deadline = **self.deadline.load();
        let started = Instant::now();
        let (via, address, request_id) = (head.source.via, head.source.address, head.source.request_id.clone());
        // At the level of debugging, since a span costs more than the rest of this function: louder lines name the
        // call themselves.
        let span = debug_span!(
            "call",
            request_id = head.source.request_id.as_str(),
            sent_request_id = head.source.request_id.sent(),
            trace_id = head.source.trace.as_ref().map(TraceContext::trace_id),
            via = %head.source.via,
            command = field::Empty,
            caller = field::Empty,
        );
        let mut trail = self.trail(&head.source, &head.credential, started)?;
        let result = self.admit_within(head, &span, &mut trail).instrument(span.clone()).await;
        let result = result.and_then(|admission| {
            let drawn = self.rates.load().draw(admission.caller(), &admission.registered().command);
            drawn.map(|rates| (admission, rates)).map_err(|standing| CallError::RateLimited { standing })
        });
        match result {
            Ok((admission, rates)) => {
                self.counts.calls.fetch_add(1, Ordering::Relaxed);
                trail.admitted();
                let deadline = deadline.max(admission.registered().command.deadline_least.unwrap_or_default());
                let dispatcher = Arc::clone(self);
                Ok(Admitted { dispatcher, admission, rates, trail, span, started, deadline, depth: 0, progress: None })
            }
            Err(error) => {
                self.counts.refused.fetch_add(1, Ordering::Relaxed);
                trail.end(Some(&error));
                self.rejections.note(&error, via, address, &request_id);
                span.in_scope(|| report(&error, started, &request_id, None));
                Err(error)
            }
        }
    }

    /// Begins the record of a call. Fails closed: calls are rejected while the audit log cannot be written.
    fn trail(&self, source: &Source, credential: &Credential, started: Instant) -> Result<CallRecorder, CallError> {
        if self.audit.as_ref().is_some_and(|audit| !audit.is_ready()) {
            return Err(CallError::Unavailable("the audit log cannot be written at present".to_owned()));
        }
        Ok(CallRecorder::begin(self.audit.as_ref(), &self.clock, source, credential, started))
    }

    async fn admit_within(&self, head: Head, span: &Span, trail: &mut CallRecorder) -> Result<Admission, CallError> {
        let Head { source, credential, name, version, safe } = head;
        let caller = match self.authenticator.authenticate(credential, source).await {
            Ok(caller) => caller,
            Err(error) => {
                trail.rejected(&error, name, |account| self.authenticator.knows_host_of(account));
                return Err(error);
            }
        };
        span.record("caller", caller.label());
        trail.caller(&caller);
        let snapshot = self.registry.snapshot();
        let registered = snapshot.get(&name, version);
        if let Some(registered) = registered {
            span.record("command", registered.command.name.as_str());
            trail.registered(registered);
        }
        let permissions = self.permissions.load();
        let admission = registered.and_then(|registered| permissions.admit(&caller, registered));
        let result = match (admission, registered) {
            (Some(_), Some(registered)) if safe && !registered.command.effects.read_only => Err(CallError::NotReadOnly),
            (Some(admission), _) => Ok(admission),
            (None, None) if !caller.is_anonymous() => Err(unknown(&name, version, &caller, &snapshot, &permissions)),
            (None, _) => {
                let command = registered.map(|registered| &registered.command);
                Err(refusal(&caller, command, &snapshot, &permissions))
            }
        };
        trail.name(name);
        result
    }

    /// authenticate → resolve → admit, and no call: for a wire that shows what a command takes before it is called. No
    /// rate limit is drawn from.
    ///
    /// # Errors
    /// As [`Dispatcher::admit`]: who may not call learns nothing.
    pub async fn find(&self, head: Head) -> Result<Listed, CallError> {
        let started = Instant::now();
        let (via, address, request_id) = (head.source.via, head.source.address, head.source.request_id.clone());
        let mut trail = self.trail(&head.source, &head.credential, started)?;
        let result = self.admit_within(head, &Span::none(), &mut trail).await;
        if result.is_ok() {
            // Nothing ran, so this is no record of that command.
            trail.unnamed();
            trail.admitted();
        }
        trail.end(result.as_ref().err());
        let admission = result.inspect_err(|error| {
            self.rejections.note(error, via, address, &request_id);
            report(error, started, &request_id, None);
        })?;
        Ok(listed(&self.permissions.load(), admission.caller(), admission.registered()))
    }

    /// As [`Dispatcher::admit`], for a caller who is already authenticated.
    ///
    /// # Errors
    /// As [`Dispatcher::admit`].
    pub async fn admit_recognized(self: &Arc<Self>, caller: Arc<Caller>, name: String) -> Result<Admitted, CallError> {
        let source = Source {
            via: caller.via,
            tag: caller.tag.clone(),
            address: caller.address,
            request_id: caller.request_id.clone(),
            trace: caller.trace.clone(),
        };
        let credential = Credential::Authenticated(caller);
        self.admit(Head { source, credential, name, version: None, safe: false }).await
    }

    /// A command calls another one for its own caller: the same two checks, the rest of its deadline, one level deeper.
    ///
    /// # Errors
    /// As [`Dispatcher::admit`], and [`CallError::LimitExceeded`] when the chain is too deep.
    pub async fn admit_nested(
        self: &Arc<Self>,
        outer: &Permit,
        name: String,
        deadline: Instant,
        depth: u8,
    ) -> Result<Admitted, CallError> {
        if depth >= DISPATCH_DEPTH_MAX {
            return Err(CallError::LimitExceeded {
                limit: "dispatch_depth_max",
                bound: DISPATCH_DEPTH_MAX.to_string(),
            });
        }
        let caller = Arc::new(Caller { through_plugin: true, ..Caller::clone(outer.caller()) });
        let mut admitted = self.admit_recognized(caller, name).await?;
        admitted.deadline = deadline.saturating_duration_since(admitted.started);
        admitted.depth = depth + 1;
        Ok(admitted)
    }

    /// The commands this caller may run, in every form, by name and latest first.
    ///
    /// # Errors
    /// When the credential is wrong.
    pub async fn list(&self, credential: Credential, source: Source) -> Result<Vec<Listed>, CallError> {
        let (mut trail, caller) = self.recognized(credential, source).await?;
        if caller.is_ok() {
            trail.admitted();
        }
        trail.end(caller.as_ref().err());
        Ok(self.list_for(&*caller?))
    }

    /// Who presents this credential, for a wire whose callers say more than one thing at a time. What they call then goes
    /// through [`Dispatcher::admit_recognized`]. A credential that is wrong leaves a record, as in a call.
    ///
    /// # Errors
    /// When the credential is wrong.
    pub async fn recognize(&self, credential: Credential, source: Source) -> Result<Arc<Caller>, CallError> {
        let (trail, caller) = self.recognized(credential, source).await?;
        match &caller {
            Ok(_) => trail.forget(),
            Err(error) => trail.end(Some(error)),
        }
        caller
    }

    async fn recognized(
        &self,
        credential: Credential,
        source: Source,
    ) -> Result<(CallRecorder, Result<Arc<Caller>, CallError>), CallError> {
        let mut trail = self.trail(&source, &credential, Instant::now())?;
        let (via, address, request_id) = (source.via, source.address, source.request_id.clone());
        let caller = self.authenticator.authenticate(credential, source).await;
        match &caller {
            Ok(caller) => trail.caller(caller),
            Err(error) => {
                self.rejections.note(error, via, address, &request_id);
                trail.rejected(error, String::new(), |account| self.authenticator.knows_host_of(account));
            }
        }
        Ok((trail, caller))
    }

    /// The commands this caller may run, in every form, by name and latest first.
    pub fn list_for(&self, caller: &Caller) -> Vec<Listed> {
        let permissions = self.permissions.load();
        let snapshot = self.registry.snapshot();
        let allowed = snapshot.iter().filter(|registered| permissions.may_call(caller, &registered.command));
        allowed.map(|registered| listed(&permissions, caller, registered)).collect()
    }
}

/// What there is to say of a command the caller may run.
fn listed(permissions: &Permissions, caller: &Caller, registered: &Arc<Registered>) -> Listed {
    let anonymous = Caller { identity: Identity::Anonymous, authority: Authority::Full, ..caller.clone() };
    Listed {
        registered: Arc::clone(registered),
        only_where: permissions.demands(caller, &registered.command),
        needs_credential: !permissions.may_call(&anonymous, &registered.command),
    }
}

/// A command a caller may run.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The command.
    pub registered: Arc<Registered>,
    /// What the rules demand of its arguments, as alternatives in words; empty when nothing.
    pub only_where: Vec<String>,
    /// Whether a caller without a credential could not run it from there.
    pub needs_credential: bool,
}

impl Listed {
    /// Whether this is the same form of the same command under the same rules.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.registered, &other.registered)
            && self.only_where == other.only_where
            && self.needs_credential == other.needs_credential
    }
}

/// Says that there is no such command, and names the closest one this caller may run. Never one they may not.
fn unknown(
    name: &str,
    version: Option<u32>,
    caller: &Caller,
    snapshot: &Snapshot,
    permissions: &Permissions,
) -> CallError {
    let shown: String = name.chars().take(80).collect();
    if let (Some(version), Some(latest)) = (version, snapshot.get(name, None))
        && permissions.may_call(caller, &latest.command)
    {
        return CallError::UnknownCommand(format!("the command `{shown}` has no version at or below {version}"));
    }
    let visible = snapshot
        .iter()
        .filter(|registered| permissions.may_call(caller, &registered.command))
        .map(|registered| registered.command.name.as_str());
    CallError::UnknownCommand(suggest::missing("command", name, visible))
}

/// How many calls there were since the start.
#[derive(Debug, Default)]
pub struct Counts {
    calls: AtomicU64,
    refused: AtomicU64,
}

impl Counts {
    /// Calls that were accepted.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// Calls that were not.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

/// A call that may be made, and whose arguments were not read yet.
#[derive(Debug)]
pub struct Admitted {
    dispatcher: Arc<Dispatcher>,
    admission: Admission,
    rates: Vec<RateLimitStatus>,
    trail: CallRecorder,
    span: Span,
    started: Instant,
    deadline: Duration,
    depth: u8,
    progress: Option<Arc<dyn Progress>>,
}

impl Admitted {
    /// The same, told of how far the command is. Commands that it calls itself report no progress.
    #[must_use]
    pub fn with_progress(self, progress: Arc<dyn Progress>) -> Self {
        Self { progress: Some(progress), ..self }
    }

    /// The command that may be called.
    pub fn command(&self) -> &Command {
        &self.admission.registered().command
    }

    /// The same, to be kept beyond the call.
    pub fn registered(&self) -> &Arc<Registered> {
        self.admission.registered()
    }

    /// Where the caller stands with each rate limit that is about this call.
    pub fn rates(&self) -> &[RateLimitStatus] {
        &self.rates
    }

    /// When the call must be over, its reading included.
    pub fn deadline(&self) -> Instant {
        self.started + self.deadline
    }

    /// validate → permit → invoke → check, within the deadline.
    ///
    /// # Errors
    /// When the arguments do not fit, or the command has no result.
    pub async fn call(mut self, unread: Unread) -> Result<Outcome, CallError> {
        let (span, started, admission) = (self.span.clone(), self.started, self.admission.clone());
        let mut trail = std::mem::take(&mut self.trail);
        let deadline_ms = u64::try_from(self.deadline.as_millis()).unwrap_or(u64::MAX);
        let sleep = self.dispatcher.clock.sleep_until(self.deadline());
        let work = Box::pin(self.run(unread, &mut trail).instrument(span.clone()));
        let result = match select(work, sleep).await {
            Either::Left((result, _)) => result,
            Either::Right(_) => Err(CallError::Deadline { deadline_ms }),
        };
        span.in_scope(|| match &result {
            Ok(_) => debug!(duration_us = micros(started), "done"),
            Err(error) => {
                report(error, started, &admission.caller().request_id, Some(&admission.registered().command));
            }
        });
        let command = &admission.registered().command;
        // A call that changed the host is answered only after its audit record is durable.
        if result.is_ok() && command.origin == Origin::Builtin && !command.effects.read_only {
            trail.end_durably().await?;
        } else {
            trail.end(result.as_ref().err());
        }
        result
    }

    async fn run(self, unread: Unread, trail: &mut CallRecorder) -> Result<Outcome, CallError> {
        let arguments = Arguments::read(unread, &self.command().input)?;
        let deadline = self.deadline();
        let caller = Arc::clone(self.admission.caller());
        let permit = self.admission.permit(&arguments);
        trail.judged(arguments.bytes(), permit.as_ref());
        let permit = permit.ok_or_else(|| {
            let (snapshot, permissions) = (self.dispatcher.registry.snapshot(), self.dispatcher.permissions.load());
            refusal(&caller, None, &snapshot, &permissions)
        })?;
        let (depth, progress) = (self.depth, self.progress);
        let invocation = Invocation { permit: permit.clone(), arguments, deadline, depth, progress };
        let invoke = &permit.registered().invoke;
        let checked = check_output(permit.command(), invoke.invoke(invocation).await?);
        invoke.checked(permit.caller(), checked.is_ok());
        checked
    }
}

/// What a caller is told who may not: an anonymous one to authenticate, and one who may ask why how to ask. To others it
/// reveals nothing.
fn refusal(caller: &Caller, command: Option<&Command>, snapshot: &Snapshot, permissions: &Permissions) -> CallError {
    if caller.is_anonymous() {
        return CallError::Unauthenticated { rejected: None };
    }
    let explains = snapshot.get(EXPLAIN, None).is_some_and(|explain| permissions.may_call(caller, &explain.command));
    CallError::Forbidden {
        scope: command.and_then(|command| permissions.missing_scope(caller, command)),
        reference: explains.then(|| caller.request_id.clone()),
    }
}

/// Holds a result against the command's schema: a command that breaks its own promise is at fault, not its caller.
fn check_output(command: &Command, output: Output) -> Result<Outcome, CallError> {
    let fault = |internal: String| match command.origin.plugin() {
        Some(_) => CallError::PluginFault { fault: Fault::InvalidOutput, internal },
        None => CallError::Internal { internal },
    };
    let (value, text, next) = match output {
        Output::Value(value) => {
            let text = value.to_string();
            (value, text, None)
        }
        Output::Page(value, next) => {
            let text = value.to_string();
            (value, text, Some(next))
        }
        Output::Text(text) => {
            let value = parse_json(text.as_bytes(), DEPTH_MAX)
                .map_err(|error| fault(format!("the result of `{}` is not valid JSON: {error}", command.name)))?;
            (value, text, None)
        }
    };
    command.output.check(&value).map_err(|errors| {
        let first = errors.first().map(ToString::to_string).unwrap_or_default();
        fault(format!("the result of `{}` does not satisfy its schema: {first}", command.name))
    })?;
    Ok(Outcome { value, text, next })
}

fn micros(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX)
}

/// One line per failed call. The level depends on whether the operator or the plugin author has to act.
#[expect(clippy::wildcard_enum_match_arm, reason = "a new kind of failure is quiet until it needs an action")]
fn report(error: &CallError, started: Instant, request_id: &RequestId, command: Option<&Command>) {
    let (code, duration_us, request_id) = (error.code(), micros(started), request_id.as_str());
    let plugin = command.and_then(|command| command.origin.plugin()).map(PluginName::as_str);
    let command = command.map(|command| command.name.as_str());
    match error {
        CallError::Internal { internal } => {
            error!(request_id, plugin, command, code, duration_us, internal, "call failed");
        }
        CallError::PluginFault { internal, .. } => {
            warn!(request_id, plugin, command, code, duration_us, internal, "call failed");
        }
        CallError::LimitExceeded { .. } | CallError::Deadline { .. } | CallError::TooManyCalls => {
            warn!(request_id, plugin, command, code, duration_us, detail = error.detail(), "call failed");
        }
        // Details of these can repeat what the caller sent.
        _ => debug!(code, duration_us, "call failed"),
    }
}
