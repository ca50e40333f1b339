//! What a client is told: what the host is, its tools, what came of calling one, and when the tools change. Every answer is
//! made for the one who sent that very message.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::http::request::Parts;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use muster_core::caller::Caller;
use muster_core::dispatch::{Dispatcher, Listed};
use muster_core::schema::Unread;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, ErrorData, Extensions, Implementation, ListToolsResult,
    PaginatedRequestParams, ProgressNotificationParam, ProgressToken, ServerCapabilities, ServerConfig,
    SubscriptionFilter,
};
use rmcp::service::{NotificationContext, Peer, RequestContext, SubscriptionContext};
use rmcp::{RoleServer, ServerHandler};
use serde_json::json;
use tokio::sync::{mpsc, watch};

use super::{Sender, encode, tool};
use crate::reports::{self, Report};

/// Most tools on one page of the list.
const PAGE_TOOLS_MAX: usize = 50;
/// Longest time a client may take to receive one; after that it gets no more.
const REPORT_TIME_MAX: Duration = Duration::from_millis(500);
const INSTRUCTIONS: &str = "\
The tools are the commands of a Muster host that you may call; the list changes when plugins come and go. The error of a failed call has a stable `code`, and for invalid arguments the position of each as a JSON Pointer. An empty list means that the rules of the host allow you no command over MCP.";

/// One conversation: a session, or a single request of a client that needs none.
#[derive(Debug)]
pub(super) struct Server {
    dispatcher: Arc<Dispatcher>,
    /// Hears of every change of what may be called.
    changed: watch::Receiver<()>,
    /// Dropped with the conversation, which ends what waits for changes.
    life: watch::Sender<()>,
}

impl Server {
    pub(super) fn new(dispatcher: Arc<Dispatcher>, changed: watch::Receiver<()>) -> Self {
        Self { dispatcher, changed, life: watch::Sender::new(()) }
    }

    fn tools_of(&self, caller: Arc<Caller>) -> OwnTools {
        let known = tools(&self.dispatcher, &caller);
        OwnTools { dispatcher: Arc::clone(&self.dispatcher), caller, changed: self.changed.clone(), known }
    }
}

/// Who sent the message.
fn sender(extensions: &Extensions) -> Result<Sender, ErrorData> {
    let parts = extensions.get::<Parts>();
    let sender = parts.and_then(|parts| parts.extensions.get::<Sender>());
    sender.cloned().ok_or_else(|| ErrorData::internal_error("the request has no sender", None))
}

/// The latest form of each command the caller may call, by name: what is a tool.
fn tools(dispatcher: &Dispatcher, caller: &Caller) -> Vec<Listed> {
    let mut listed = dispatcher.list_for(caller);
    listed.dedup_by(|one, other| one.registered.command.name == other.registered.command.name);
    listed
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder().enable_tools().enable_tool_list_changed().build();
        let mut info = ServerConfig::new(capabilities);
        info.server_info = Implementation::new("muster", env!("CARGO_PKG_VERSION"));
        info.server_info.title = Some("Muster".to_owned());
        info.instructions = Some(INSTRUCTIONS.to_owned());
        info
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let caller = sender(&context.extensions)?.caller;
        let after = request.and_then(|request| request.cursor).map(|cursor| behind(&cursor)).transpose()?;
        let tools = tools(&self.dispatcher, &caller);
        let is_left = |one: &&Listed| after.as_deref().is_none_or(|after| one.registered.command.name.as_str() > after);
        let mut left = tools.iter().filter(is_left);
        let page: Vec<&Listed> = left.by_ref().take(PAGE_TOOLS_MAX).collect();
        let mut result = ListToolsResult::with_all_items(page.iter().map(|listed| tool::tool(listed)).collect());
        if let (Some(last), Some(_)) = (page.last(), left.next()) {
            result.next_cursor = Some(URL_SAFE_NO_PAD.encode(last.registered.command.name.as_str()));
        }
        Ok(result)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        // Until the call ends, it keeps its session in use.
        let Sender { caller, running: _running, .. } = sender(&context.extensions)?;
        let request_id = caller.request_id.clone();
        let arguments = Unread::Object(request.arguments.unwrap_or_default());
        let admitted = match self.dispatcher.admit_recognized(caller, request.name.into_owned()).await {
            Ok(admitted) => admitted,
            Err(error) => return Ok(encode::failure(&error, &request_id).into()),
        };
        let registered = Arc::clone(admitted.registered());
        let (reports, waiting) = reports::channel();
        let token = context.meta.get_progress_token();
        let admitted = if token.is_some() { admitted.with_progress(reports) } else { admitted };
        let tell = tell(&context.peer, token, waiting);
        tokio::select! {
            // Who does not want the result any more ends the call: its future is dropped.
            () = context.ct.cancelled() => Err(ErrorData::internal_error("the call was cancelled", None)),
            result = admitted.call(arguments) => Ok(match result {
                Ok(outcome) => encode::result(&registered.command, outcome),
                Err(error) => encode::failure(&error, &request_id),
            }.into()),
            never = tell => match never {},
        }
    }

    async fn on_initialized(&self, context: NotificationContext<RoleServer>) {
        let Ok(sender) = sender(&context.extensions) else { return };
        let mut tools = self.tools_of(sender.caller);
        let mut life = self.life.subscribe();
        let peer = context.peer;
        #[expect(clippy::disallowed_methods, reason = "ends with the conversation whose changes it tells")]
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    more = tools.change() => if !more { return },
                    _ = life.changed() => return,
                }
                if peer.notify_tool_list_changed().await.is_err() {
                    return;
                }
            }
        });
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(requested.clone())
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        // Until the stream ends, its place is taken.
        let Sender { caller, place: _place, .. } = sender(&context.request_context().extensions)?;
        let mut tools = self.tools_of(caller);
        loop {
            tokio::select! {
                more = tools.change() => if !more { return Ok(()) },
                () = context.cancelled() => return Ok(()),
            }
            if context.sink().notify_tool_list_changed().await.is_err() {
                return Ok(());
            }
        }
    }
}

/// The name the next page begins behind.
fn behind(cursor: &str) -> Result<String, ErrorData> {
    let name = URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    name.ok_or_else(|| {
        ErrorData::invalid_params("the cursor is not from this host", Some(json!({ "code": "malformed" })))
    })
}

/// The tools of one caller, and what hears of changes.
struct OwnTools {
    dispatcher: Arc<Dispatcher>,
    caller: Arc<Caller>,
    changed: watch::Receiver<()>,
    known: Vec<Listed>,
}

impl OwnTools {
    /// Waits until the caller's own tools are others than before; changes for other callers are not reported. Nothing
    /// will change any more when this gives `false`.
    async fn change(&mut self) -> bool {
        while self.changed.changed().await.is_ok() {
            let now = tools(&self.dispatcher, &self.caller);
            let is_same =
                self.known.len() == now.len() && self.known.iter().zip(&now).all(|(one, other)| one.is_same(other));
            self.known = now;
            if !is_same {
                return true;
            }
        }
        false
    }
}

/// Passes reports on, as long as the client reads them. Never ends: the call does.
#[expect(clippy::cast_precision_loss, reason = "the protocol has no other numbers")]
async fn tell(
    peer: &Peer<RoleServer>,
    token: Option<ProgressToken>,
    mut waiting: mpsc::Receiver<Report>,
) -> Infallible {
    let mut last = None;
    if let Some(token) = token {
        while let Some(Report { done, total, message }) = waiting.recv().await {
            // The protocol wants each to be more than the one before.
            if last.is_some_and(|last| done <= last) {
                continue;
            }
            last = Some(done);
            let mut progress = ProgressNotificationParam::new(token.clone(), done as f64).with_message(message);
            progress.total = total.map(|total| total as f64);
            let sent = tokio::time::timeout(REPORT_TIME_MAX, peer.notify_progress(progress)).await;
            if !matches!(sent, Ok(Ok(()))) {
                break;
            }
        }
    }
    std::future::pending().await
}
