//! A client of a host's ReST interface, over the local socket or TCP.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{HeaderMap, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use serde_json::{Map, Value, json};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use super::events::{EVENTS, Events};
use crate::trust;

/// Longest answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 256 << 20;

/// Why there is no result.
#[derive(Debug, Error)]
pub(super) enum ClientError {
    /// No connection, or it broke.
    #[error("{0}")]
    Unreachable(String),
    /// The host answered with a problem.
    #[error("{0}")]
    Refused(Problem),
    /// What answered is not a host.
    #[error("{0}")]
    Unusable(String),
}

impl ClientError {
    /// As if a host had answered with this problem.
    pub(super) fn refused(problem: Value) -> Self {
        Self::Refused(Problem(problem))
    }
}

/// A problem details object (RFC 9457), as the host sends it.
#[derive(Debug)]
pub(super) struct Problem(pub(super) Value);

impl Problem {
    fn text(&self, key: &str) -> &str {
        self.0.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    /// Whether the command ran and said no.
    pub(super) fn is_refusal(&self) -> bool {
        self.0.get("status").and_then(Value::as_u64).is_some_and(|status| [409, 422].contains(&status))
    }

    /// Its stable code.
    pub(super) fn code(&self) -> &str {
        self.text("code")
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}: {}", self.text("title"), self.text("detail"))?;
        // Where the log has nothing to add, the request's id is no help.
        if !self.is_refusal() && !matches!(self.code(), "invalid-arguments" | "unknown-command" | "not-found") {
            write!(formatter, " (request {})", self.text("instance"))?;
        }
        Ok(())
    }
}

#[derive(Debug)]
enum Target {
    Local(PathBuf),
    Remote {
        /// `HOST:PORT`.
        address: String,
        /// The host, and whom to believe that it is it; nothing for plain HTTP.
        tls: Option<(ServerName<'static>, Arc<ClientConfig>)>,
    },
}

/// A host to talk to.
#[derive(Debug)]
pub(super) struct Client {
    target: Target,
    authorization: Option<String>,
}

/// What a caller proves itself with.
pub(super) enum Credential {
    /// An account and its password.
    Basic(String, String),
    /// A token or an API key.
    Bearer(String),
}

impl Credential {
    /// As the `Authorization` header has it.
    fn header(self) -> String {
        match self {
            Self::Basic(user, password) => format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))),
            Self::Bearer(token) => format!("Bearer {token}"),
        }
    }
}

impl Client {
    /// The host whose socket this is.
    pub(super) fn local(socket: PathBuf, credential: Option<Credential>) -> Self {
        Self { target: Target::Local(socket), authorization: credential.map(Credential::header) }
    }

    /// The host at a URL; `ca`: a file with the authorities to trust instead of this machine's.
    pub(super) fn remote(url: &str, ca: Option<&Path>, credential: Option<Credential>) -> Result<Self, String> {
        let misfit = || format!("`{url}` is not a URL, such as http://127.0.0.1:5280");
        let uri: Uri = url.parse().map_err(|_| misfit())?;
        let host = uri.host().ok_or_else(misfit)?;
        let target = match uri.scheme_str() {
            Some("http") if ca.is_some() => return Err("--ca means nothing without https".to_owned()),
            Some("http") => Target::Remote { address: format!("{host}:{}", uri.port_u16().unwrap_or(80)), tls: None },
            Some("https") => {
                // The URL has an IPv6 address in brackets, a certificate has it without.
                let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned()).map_err(|_| misfit())?;
                let address = format!("{host}:{}", uri.port_u16().unwrap_or(443));
                let mut config = trust::client_config(ca)?;
                config.alpn_protocols = vec![b"http/1.1".to_vec()];
                Target::Remote { address, tls: Some((name, Arc::new(config))) }
            }
            _ => return Err(misfit()),
        };
        Ok(Self { target, authorization: credential.map(Credential::header) })
    }

    /// What to call the host in texts for people.
    pub(super) fn name(&self) -> String {
        match &self.target {
            Target::Local(_) => "http://HOST:5280".to_owned(),
            Target::Remote { address, tls: None } => format!("http://{address}"),
            Target::Remote { address, tls: Some(_) } => format!("https://{address}"),
        }
    }

    /// Calls a command, at a version if one is given.
    pub(super) fn call(&self, command: &str, version: Option<u32>, arguments: &Value) -> Result<Value, ClientError> {
        self.send(&path(command, version), arguments.to_string(), None)
    }

    /// The commands whose name or tag the topic is, with everything known about them.
    pub(super) fn help(&self, topic: Option<&str>) -> Result<Vec<Value>, ClientError> {
        let mut arguments = Map::new();
        if let Some(topic) = topic {
            arguments.insert("topic".to_owned(), json!(topic));
        }
        let help = self.call("help", None, &Value::Object(arguments))?;
        help.as_array().cloned().ok_or_else(|| ClientError::Unusable("the host's help is not a list".to_owned()))
    }

    /// As [`Client::call`]; meanwhile `heard` is told how far the command is, as often as it says so.
    pub(super) fn follow(
        &self,
        command: &str,
        version: Option<u32>,
        arguments: &Value,
        heard: impl Fn(&Value),
    ) -> Result<Value, ClientError> {
        self.send(&path(command, version), arguments.to_string(), Some(&heard))
    }

    /// Sends a call. Whoever wants to hear how far it is gets its answer as a stream.
    fn send(&self, path: &str, body: String, heard: Option<&dyn Fn(&Value)>) -> Result<Value, ClientError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| ClientError::Unreachable(error.to_string()))?;
        let mut request = Request::post(path).header(CONTENT_TYPE, "application/json");
        if heard.is_some() {
            request = request.header(ACCEPT, EVENTS);
        }
        let request = request.body(Full::new(Bytes::from(body)));
        let request = request.map_err(|error| ClientError::Unusable(format!("that cannot be asked for: {error}")))?;
        runtime.block_on(async {
            let answer = self.ask(request).await?;
            if let (true, Some(heard)) = (answer.is_stream(), heard) {
                return answer.end_of_stream(heard).await;
            }
            let status = answer.status;
            let bytes = answer.bytes().await?;
            let value: Value = serde_json::from_slice(&bytes).map_err(|_| {
                ClientError::Unusable(format!("what answers there is no Muster host (status {status}, no JSON)"))
            })?;
            if status.is_success() { Ok(value) } else { Err(ClientError::Refused(Problem(value))) }
        })
    }

    /// Makes a request over a connection of its own, with this client's credential; gives the answer's head, and its body
    /// as it comes.
    pub(super) async fn ask(&self, request: Request<Full<Bytes>>) -> Result<Answer, ClientError> {
        match &self.target {
            Target::Local(socket) => {
                let stream = UnixStream::connect(socket).await.map_err(|error| {
                    let socket = socket.display();
                    ClientError::Unreachable(format!(
                        "no host answers at {socket} ({error}); start one with `muster serve`, or name its data \
                         directory with --data, or a remote one with --url"
                    ))
                })?;
                self.exchange(stream, "localhost", request).await
            }
            Target::Remote { address, tls } => {
                let stream = TcpStream::connect(address)
                    .await
                    .map_err(|error| ClientError::Unreachable(format!("no host answers at {address} ({error})")))?;
                let Some((name, config)) = tls else {
                    return self.exchange(stream, address, request).await;
                };
                let connector = TlsConnector::from(Arc::clone(config));
                let stream = connector.connect(name.clone(), stream).await.map_err(|error| {
                    ClientError::Unreachable(format!(
                        "{address} is not trusted ({error}); --ca FILE names who vouches for it"
                    ))
                })?;
                self.exchange(stream, address, request).await
            }
        }
    }

    async fn exchange<S>(&self, stream: S, host: &str, mut request: Request<Full<Bytes>>) -> Result<Answer, ClientError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let misfit =
            |_| ClientError::Unusable("that cannot be asked for: a header has characters it cannot".to_owned());
        request.headers_mut().insert(HOST, HeaderValue::from_str(host).map_err(misfit)?);
        if let Some(authorization) = &self.authorization {
            request.headers_mut().insert(AUTHORIZATION, HeaderValue::from_str(authorization).map_err(misfit)?);
        }
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| broken(&error))?;
        let mut connection: Connection = Box::pin(connection);
        let mut answered = std::pin::pin!(sender.send_request(request));
        // The connection is driven until the answer is there, and then with its body.
        let (response, connection) = tokio::select! {
            response = &mut answered => (response, Some(connection)),
            ended = &mut connection => match ended {
                Ok(()) => (answered.await, None),
                Err(error) => return Err(broken(&error)),
            },
        };
        let (head, body) = response.map_err(|error| broken(&error))?.into_parts();
        Ok(Answer { status: head.status, headers: head.headers, body, connection })
    }
}

/// Where a command is called, at a version if one is given.
fn path(command: &str, version: Option<u32>) -> String {
    let version = version.map_or_else(String::new, |version| format!("/v{version}"));
    format!("/api/{command}{version}")
}

/// What drives a connection.
type Connection = Pin<Box<dyn Future<Output = Result<(), hyper::Error>> + Send>>;

fn broken(error: &dyn std::fmt::Display) -> ClientError {
    ClientError::Unreachable(format!("the connection broke: {error}"))
}

/// An answer whose body is still to come.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    body: Incoming,
    /// Nothing once it is over; what it brought is still there.
    connection: Option<Connection>,
}

impl Answer {
    /// Whether the body is a stream of events.
    pub(super) fn is_stream(&self) -> bool {
        let kind = self.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        kind.is_some_and(|kind| kind.starts_with(EVENTS))
    }

    /// The result at the end of a stream of reports, each of which `heard` is told.
    async fn end_of_stream(mut self, heard: &dyn Fn(&Value)) -> Result<Value, ClientError> {
        let mut events = Events::default();
        while let Some(part) = self.part().await? {
            for event in events.take(&part)? {
                let value = serde_json::from_str(&event.data)
                    .map_err(|_| ClientError::Unusable("what answers there is no Muster host (no JSON)".to_owned()))?;
                match event.name.as_str() {
                    "result" => return Ok(value),
                    "problem" => return Err(ClientError::Refused(Problem(value))),
                    "progress" => heard(&value),
                    _ => {}
                }
            }
        }
        Err(broken(&"the answer has no end"))
    }

    /// The next part of the body; nothing at its end.
    pub(super) async fn part(&mut self) -> Result<Option<Bytes>, ClientError> {
        loop {
            let frame = match &mut self.connection {
                None => self.body.frame().await,
                Some(connection) => tokio::select! {
                    frame = self.body.frame() => frame,
                    ended = connection => {
                        self.connection = None;
                        match ended {
                            Ok(()) => continue,
                            Err(error) => return Err(broken(&error)),
                        }
                    }
                },
            };
            match frame.transpose().map_err(|error| broken(&error))? {
                None => return Ok(None),
                Some(frame) => {
                    // Trailers say nothing here.
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }

    /// The whole body, within bounds.
    pub(super) async fn bytes(mut self) -> Result<Vec<u8>, ClientError> {
        let mut bytes = Vec::new();
        while let Some(part) = self.part().await? {
            if bytes.len() + part.len() > ANSWER_BYTES_MAX {
                return Err(ClientError::Unusable(format!("the answer has more than {ANSWER_BYTES_MAX} bytes")));
            }
            bytes.extend_from_slice(&part);
        }
        Ok(bytes)
    }
}
