//! `muster mcp`: MCP over standard input and output, for assistants that start a program instead of talking to a host. It
//! passes messages on to the host's `/mcp` as they are, one to a line, and what comes back; it decides nothing.
//!
//! A message goes as a request of its own, so that calls run beside one another and can be cancelled. A session that
//! ended meanwhile (the host restarted, or the session was idle for too long) is opened again with the first message
//! the assistant ever sent: once for all messages that find it gone, and with the next message where that fails.

use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ACCEPT, CONTENT_TYPE};
use hyper::{Method, Request, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::sync::Mutex as AsyncMutex;
use tokio::task::JoinSet;

use super::CliError;
use super::client::{Answer, Client, ClientError};
use super::events::{EVENTS, Events};

const PATH: &str = "/mcp";
const INITIALIZE: &str = "initialize";
const SESSION_ID: &str = "mcp-session-id";
const PROTOCOL_VERSION: &str = "mcp-protocol-version";
/// Where requests since 2026-07-28 name their version.
const VERSION_IN_REQUEST: &str = "io.modelcontextprotocol/protocolVersion";
/// Longest message of an assistant, in bytes.
const MESSAGE_BYTES_MAX: u64 = 128 << 20;
/// Most messages on their way at a time.
const WAITING_MAX: usize = 64;
/// Time before the stream of changes is opened again.
const AGAIN: Duration = Duration::from_secs(3);
/// Error code of a message that is no JSON (JSON-RPC 2.0 §5.1).
const PARSE_ERROR: i64 = -32700;
/// Error code of a request that was not answered, from the range left to implementations.
const NOT_ANSWERED: i64 = -32000;

/// Passes messages on until there are no more.
pub fn run(client: Client) -> Result<(), CliError> {
    super::block_on(pass(Arc::new(Bridge { client, state: Mutex::default(), opening: AsyncMutex::default() })))?
}

async fn pass(bridge: Arc<Bridge>) -> Result<(), CliError> {
    let mut input = BufReader::new(tokio::io::stdin());
    let mut waiting = JoinSet::new();
    let mut changes = JoinSet::new();
    loop {
        let mut line = Vec::new();
        let read = (&mut input).take(MESSAGE_BYTES_MAX).read_until(b'\n', &mut line).await;
        if read.map_err(|error| CliError::Failed(format!("standard input cannot be read: {error}")))? == 0 {
            break;
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let Ok(message) = serde_json::from_slice::<Value>(&line) else {
            say(&failure(&Value::Null, PARSE_ERROR, "the message is not JSON, on one line", &Value::Null));
            continue;
        };
        let method = message.get("method").and_then(Value::as_str).unwrap_or_default().to_owned();
        if method != INITIALIZE && message.get("id").is_some() {
            if waiting.len() >= WAITING_MAX {
                waiting.join_next().await;
            }
            let bridge = Arc::clone(&bridge);
            waiting.spawn(async move { bridge.forward(&message).await });
            while waiting.try_join_next().is_some() {}
        } else {
            // In the order they came: what comes after them builds on them.
            bridge.forward(&message).await;
            if method == "notifications/initialized" && changes.is_empty() && bridge.header(SESSION_ID).is_some() {
                let bridge = Arc::clone(&bridge);
                changes.spawn(async move { bridge.follow().await });
            }
        }
    }
    while waiting.join_next().await.is_some() {}
    changes.abort_all();
    bridge.end().await;
    Ok(())
}

/// A conversation with the host.
struct Bridge {
    client: Client,
    state: Mutex<State>,
    /// Held while the session is opened again; other tasks wait for it.
    opening: AsyncMutex<()>,
}

#[derive(Default)]
struct State {
    session: Option<String>,
    version: Option<String>,
    /// How the assistant opened the session; nothing as long as it has not.
    initialize: Option<Value>,
}

impl Bridge {
    fn state<T>(&self, with: impl FnOnce(&mut State) -> T) -> T {
        with(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn header(&self, name: &str) -> Option<String> {
        self.state(|state| if name == SESSION_ID { state.session.clone() } else { state.version.clone() })
    }

    /// Sends a message, and says what comes back.
    async fn forward(&self, message: &Value) {
        let said = if message.get("method").and_then(Value::as_str) == Some(INITIALIZE) {
            self.initialize(message).await
        } else {
            match self.deliver(message).await {
                Ok(answer) => self.receive(answer, say).await,
                Err(error) => Err(error),
            }
        };
        if let Err(error) = said {
            give_up(message, &error);
        }
    }

    /// Opens a session as the assistant wants it.
    async fn initialize(&self, message: &Value) -> Result<(), ClientError> {
        self.state(|state| *state = State::default());
        let answer = self.send(message, None).await?;
        let opened = |answer: &Value| {
            if self.opened(answer) {
                self.state(|state| state.initialize = Some(message.clone()));
            }
            say(answer);
        };
        self.receive(answer, opened).await
    }

    /// Sends a message of a session, which is opened again where it has ended.
    async fn deliver(&self, message: &Value) -> Result<Answer, ClientError> {
        // Since 2026-07-28 requests need none.
        let is_of_a_session = version_in(message).is_none() && self.state(|state| state.initialize.is_some());
        if !is_of_a_session {
            return self.send(message, self.header(SESSION_ID).as_deref()).await;
        }
        if self.header(SESSION_ID).is_none() {
            self.open_again(None).await?;
        }
        let session = self.header(SESSION_ID);
        let answer = self.send(message, session.as_deref()).await?;
        if answer.status != StatusCode::NOT_FOUND {
            return Ok(answer);
        }
        self.open_again(session.as_deref()).await?;
        self.send(message, self.header(SESSION_ID).as_deref()).await
    }

    /// Opens the session again without the assistant noticing, unless another task already replaced the session
    /// `ended`.
    async fn open_again(&self, ended: Option<&str>) -> Result<(), ClientError> {
        let _alone = self.opening.lock().await;
        let Some(initialize) = self.state(|state| {
            if state.session.as_deref() != ended {
                return None;
            }
            state.session = None;
            state.initialize.clone()
        }) else {
            return Ok(());
        };
        let answer = self.send(&initialize, None).await?;
        self.receive(answer, |message| _ = self.opened(message)).await?;
        let Some(session) = self.header(SESSION_ID) else {
            return Err(ClientError::Unusable("the host opens no new session".to_owned()));
        };
        let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        if let Err(error) = self.send(&ready, Some(&session)).await {
            self.state(|state| state.session = None);
            return Err(error);
        }
        Ok(())
    }

    /// Notes the version that was agreed on, where one was. Tells whether.
    fn opened(&self, message: &Value) -> bool {
        let version = message.pointer("/result/protocolVersion").and_then(Value::as_str).map(str::to_owned);
        let is_open = version.is_some();
        self.state(|state| state.version = version.or(state.version.take()));
        is_open
    }

    async fn send(&self, message: &Value, session: Option<&str>) -> Result<Answer, ClientError> {
        let mut request = Request::post(PATH).header(CONTENT_TYPE, "application/json");
        request = request.header(ACCEPT, format!("application/json, {EVENTS}"));
        // Since 2026-07-28 a request says in its head what it is, too.
        let text = |pointer: &str| message.pointer(pointer).and_then(Value::as_str);
        let version = version_in(message);
        if version.is_some() {
            for (name, value) in [("mcp-method", text("/method")), ("mcp-name", text("/params/name"))] {
                if let Some(value) = value {
                    request = request.header(name, value);
                }
            }
        }
        let is_initialize = text("/method") == Some(INITIALIZE);
        let agreed = self.header(PROTOCOL_VERSION);
        if let Some(version) = version.or(agreed.as_deref()) {
            request = request.header(PROTOCOL_VERSION, version);
        }
        if let Some(session) = session {
            request = request.header(SESSION_ID, session);
        }
        let answer = self.ask(request, message.to_string()).await?;
        // A late answer in a session that ended does not bring it back.
        if is_initialize && let Some(session) = answer.headers.get(SESSION_ID).and_then(|id| id.to_str().ok()) {
            self.state(|state| state.session = Some(session.to_owned()));
        }
        Ok(answer)
    }

    async fn ask(&self, request: hyper::http::request::Builder, body: String) -> Result<Answer, ClientError> {
        let request = request.body(Full::new(Bytes::from(body)));
        self.client.ask(request.map_err(|error| ClientError::Unusable(error.to_string()))?).await
    }

    /// Gives each message of an answer to `take`.
    async fn receive(&self, mut answer: Answer, take: impl Fn(&Value)) -> Result<(), ClientError> {
        if answer.is_stream() {
            let mut events = Events::default();
            while let Some(part) = answer.part().await? {
                for event in events.take(&part)? {
                    if let Ok(message) = serde_json::from_str::<Value>(&event.data) {
                        take(&message);
                    }
                }
            }
            return Ok(());
        }
        let status = answer.status;
        let bytes = answer.bytes().await?;
        if bytes.is_empty() && status.is_success() {
            return Ok(());
        }
        let unusable = || {
            let text = String::from_utf8_lossy(&bytes).chars().take(200).collect::<String>();
            ClientError::Unusable(format!("the host answered with status {status}: {text}"))
        };
        let value: Value = serde_json::from_slice(&bytes).map_err(|_| unusable())?;
        if value.get("jsonrpc").is_some() {
            take(&value);
            return Ok(());
        }
        Err(ClientError::refused(value))
    }

    /// Says what the host says by itself, in this session and in those that come after it.
    async fn follow(&self) {
        let mut ended = None;
        loop {
            if let Some(session) = self.header(SESSION_ID).filter(|session| ended.as_ref() != Some(session)) {
                let mut request = Request::get(PATH).header(ACCEPT, EVENTS).header(SESSION_ID, &session);
                if let Some(version) = self.header(PROTOCOL_VERSION) {
                    request = request.header(PROTOCOL_VERSION, version);
                }
                match self.ask(request, String::new()).await {
                    // The next message opens another.
                    Ok(answer) if answer.status == StatusCode::NOT_FOUND => ended = Some(session),
                    // A stream that breaks off is opened again.
                    Ok(answer) if answer.status.is_success() => _ = self.receive(answer, say).await,
                    Ok(_) | Err(_) => {}
                }
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Ends the session, if there is one.
    async fn end(&self) {
        if let Some(session) = self.header(SESSION_ID) {
            let mut request = Request::builder().method(Method::DELETE).uri(PATH).header(SESSION_ID, session);
            if let Some(version) = self.header(PROTOCOL_VERSION) {
                request = request.header(PROTOCOL_VERSION, version);
            }
            // One that stays open is closed by the host in time.
            let _ = self.ask(request, String::new()).await;
        }
    }
}

/// The version a request names itself.
fn version_in(message: &Value) -> Option<&str> {
    message.pointer("/params/_meta")?.get(VERSION_IN_REQUEST)?.as_str()
}

/// Writes a message on a line of its own.
fn say(message: &Value) {
    let mut output = std::io::stdout().lock();
    // Who does not read any more closes the input as well, and that ends this program.
    let _ = writeln!(output, "{message}").and_then(|()| output.flush());
}

/// Says that a request has no answer. A notification expects none.
fn give_up(message: &Value, error: &ClientError) {
    let problem = if let ClientError::Refused(problem) = error { &problem.value } else { &Value::Null };
    match message.get("id") {
        Some(id) if message.get("method").is_some() => say(&failure(id, NOT_ANSWERED, &error.to_string(), problem)),
        Some(_) | None => super::output::note(&error.to_string()),
    }
}

fn failure(id: &Value, code: i64, text: &str, data: &Value) -> Value {
    let mut error = json!({ "code": code, "message": text });
    if let (Some(error), false) = (error.as_object_mut(), data.is_null()) {
        error.insert("data".to_owned(), data.clone());
    }
    json!({ "jsonrpc": "2.0", "id": id, "error": error })
}
