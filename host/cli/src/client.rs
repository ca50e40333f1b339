//! A client of a host's ReST interface, over the local socket or TCP.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue, RETRY_AFTER};
use hyper::{HeaderMap, Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use serde_json::{Map, Value, json};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use super::events::{EVENTS, Events};
use crate::ownership;
use crate::trust;

/// Longest answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 256 << 20;

/// Why there is no result.
#[derive(Debug, Error)]
pub enum ClientError {
    /// No connection, or it broke.
    #[error("{0}")]
    Unreachable(String),
    /// The host answered with a problem.
    #[error("{0}")]
    Refused(Problem),
    /// What answered is not a host.
    #[error("{0}")]
    Unusable(String),
    /// The login that was to be used is over.
    #[error("{0}")]
    LoggedOut(String),
}

impl ClientError {
    /// As if a host had answered with this problem.
    pub fn refused(problem: Value) -> Self {
        Self::Refused(Problem { value: problem, retry_after_s: None })
    }
}

/// A problem details object (RFC 9457), as the host sends it.
#[derive(Debug)]
pub struct Problem {
    pub(crate) value: Value,
    /// After how many seconds it makes sense to try again, where the host says so.
    pub(crate) retry_after_s: Option<u64>,
}

impl Problem {
    fn text(&self, key: &str) -> &str {
        self.value.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    /// The status it came with.
    pub fn status(&self) -> Option<u64> {
        self.value.get("status").and_then(Value::as_u64)
    }

    /// Whether the command ran and said no.
    pub fn is_refusal(&self) -> bool {
        self.status().is_some_and(|status| [409, 422].contains(&status)) && self.code() != "limit-exceeded"
    }

    /// Its stable code.
    pub fn code(&self) -> &str {
        self.text("code")
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}: {}", self.text("title"), self.text("detail"))?;
        // Where the log has nothing to add, the request's id is no help.
        let speaks_for_itself = matches!(self.code(), "invalid-arguments" | "unknown-command" | "not-found");
        if !self.is_refusal() && !speaks_for_itself && !self.text("instance").is_empty() {
            write!(formatter, " (request {})", self.text("instance"))?;
        }
        Ok(())
    }
}

#[derive(Debug)]
enum Target {
    Local {
        socket: PathBuf,
        /// Whether to speak to another user's process as well.
        any_owner: bool,
    },
    Remote {
        /// `HOST:PORT`.
        address: String,
        /// The host, and whom to believe that it is it; nothing for plain HTTP.
        tls: Option<(ServerName<'static>, Arc<ClientConfig>)>,
    },
}

/// A host to talk to.
pub struct Client {
    target: Target,
    authorization: Authorization,
}

/// Gives what a caller proves itself with, as it is now.
pub(crate) type Source = Arc<dyn Fn() -> Result<Credential, ClientError> + Send + Sync>;

/// What each request brings of who calls.
pub enum Authorization {
    /// Nothing.
    Anonymous,
    /// The same each time.
    Fixed(Credential),
    /// What there is at the time: a login is renewed while a program runs for long.
    Renewed(Source),
}

// Nothing of a credential is shown.
macro_rules! opaque {
    ($($name:ident),*) => {$(
        impl std::fmt::Debug for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(stringify!($name))
            }
        }
    )*};
}
opaque!(Client, Authorization, Credential);

impl From<Option<Credential>> for Authorization {
    fn from(credential: Option<Credential>) -> Self {
        credential.map_or(Self::Anonymous, Self::Fixed)
    }
}

/// What a caller proves itself with.
pub enum Credential {
    /// An account and its password.
    Basic(String, String),
    /// A token or an API key.
    Bearer(String),
}

impl Credential {
    /// As the `Authorization` header has it.
    fn header(&self) -> String {
        match self {
            Self::Basic(user, password) => format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))),
            Self::Bearer(token) => format!("Bearer {token}"),
        }
    }
}

impl Client {
    /// The host whose socket this is; `any_owner`: also where another user answers at it.
    pub fn local(socket: PathBuf, any_owner: bool, authorization: Authorization) -> Self {
        Self { target: Target::Local { socket, any_owner }, authorization }
    }

    /// The host at a URL; `ca`: a file with the authorities to trust instead of this machine's.
    pub fn remote(url: &str, ca: Option<&Path>, authorization: Authorization) -> Result<Self, String> {
        let (scheme, host, address) = place_of(url)?;
        let misfit = || format!("`{url}` is not a URL, such as http://127.0.0.1:5280");
        let target = match scheme.as_str() {
            "http" if ca.is_some() => return Err("--ca needs an https address".to_owned()),
            "http" => Target::Remote { address, tls: None },
            "https" => {
                // The URL has an IPv6 address in brackets, a certificate has it without.
                let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned()).map_err(|_| misfit())?;
                let mut config = trust::client_config(ca)?;
                config.alpn_protocols = vec![b"http/1.1".to_vec()];
                Target::Remote { address, tls: Some((name, Arc::new(config))) }
            }
            _ => return Err(misfit()),
        };
        Ok(Self { target, authorization })
    }

    /// Whether requests come without a credential.
    pub fn is_anonymous(&self) -> bool {
        matches!(self.authorization, Authorization::Anonymous)
    }

    /// What to call the host in texts for people.
    pub fn name(&self) -> String {
        match &self.target {
            Target::Local { .. } => "http://HOST:5280".to_owned(),
            Target::Remote { address, tls: None } => format!("http://{address}"),
            Target::Remote { address, tls: Some(_) } => format!("https://{address}"),
        }
    }

    /// Calls a command, at a version if one is given.
    pub fn call(&self, command: &str, version: Option<u32>, arguments: &Value) -> Result<Value, ClientError> {
        self.call_with(command, version, arguments.to_string())
    }

    /// As [`Client::call`], with the arguments as JSON text: numbers arrive with the digits they were written with.
    pub fn call_with(&self, command: &str, version: Option<u32>, arguments: String) -> Result<Value, ClientError> {
        self.send(post(command, version, arguments), None)
    }

    /// The commands whose name or tag the topic is, with everything known about them.
    pub fn help(&self, topic: Option<&str>) -> Result<Vec<Value>, ClientError> {
        let mut arguments = Map::new();
        if let Some(topic) = topic {
            arguments.insert("topic".to_owned(), json!(topic));
        }
        let help = self.call("help", None, &Value::Object(arguments))?;
        help.as_array().cloned().ok_or_else(|| ClientError::Unusable("the host's help is not a list".to_owned()))
    }

    /// As [`Client::call_with`]; meanwhile `heard` is told how far the command is, as often as it says so.
    pub fn follow(
        &self,
        command: &str,
        version: Option<u32>,
        arguments: String,
        heard: impl Fn(&Value),
    ) -> Result<Value, ClientError> {
        let request = post(command, version, arguments).map(|mut request| {
            request.headers_mut().insert(ACCEPT, HeaderValue::from_static(EVENTS));
            request
        });
        self.send(request, Some(&heard))
    }

    /// Reads what is at an address.
    pub fn fetch(&self, path: &str) -> Result<Value, ClientError> {
        self.send(Request::get(path).body(Full::default()), None)
    }

    /// Sends a request. With progress reports, the answer is a stream.
    fn send(
        &self,
        request: hyper::http::Result<Request<Full<Bytes>>>,
        heard: Option<&dyn Fn(&Value)>,
    ) -> Result<Value, ClientError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| ClientError::Unreachable(error.to_string()))?;
        let request = request.map_err(|error| ClientError::Unusable(format!("the request cannot be sent: {error}")))?;
        runtime.block_on(async {
            let answer = self.ask(request).await?;
            if let (true, Some(heard)) = (answer.is_stream(), heard) {
                return answer.end_of_stream(heard).await;
            }
            let (status, retry_after_s) = (answer.status, answer.retry_after_s());
            let bytes = answer.bytes().await?;
            match serde_json::from_slice(&bytes) {
                Ok(value) if status.is_success() => Ok(value),
                Ok(value) => Err(ClientError::Refused(Problem { value, retry_after_s })),
                // A proxy in front of a host answers in its own format.
                Err(_) if [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE].contains(&status) => {
                    let value = json!({ "title": "Temporarily unavailable", "detail": "a proxy in front of the host rejected \
                        the request", "status": status.as_u16(), "code": "unavailable" });
                    Err(ClientError::Refused(Problem { value, retry_after_s }))
                }
                Err(_) => Err(ClientError::Unusable(format!(
                    "the server at this address is not a Muster host (status {status}, no JSON)"
                ))),
            }
        })
    }

    /// What the next request brings of who calls.
    async fn authorization(&self) -> Result<Option<String>, ClientError> {
        match &self.authorization {
            Authorization::Anonymous => Ok(None),
            Authorization::Fixed(credential) => Ok(Some(credential.header())),
            Authorization::Renewed(source) => {
                let source = Arc::clone(source);
                // Renewing waits for files and for the host.
                let given = tokio::task::spawn_blocking(move || source()).await;
                let given = given.map_err(|error| ClientError::LoggedOut(error.to_string()))?;
                given.map(|credential| Some(credential.header()))
            }
        }
    }

    /// Makes a request over a connection of its own, with this client's credential; gives the answer's head, and its body
    /// as it comes.
    pub(crate) async fn ask(&self, request: Request<Full<Bytes>>) -> Result<Answer, ClientError> {
        let authorization = self.authorization().await?;
        let answer = self.ask_as(request.clone(), authorization.as_deref()).await?;
        let is_renewed = matches!(self.authorization, Authorization::Renewed(_));
        if answer.status != StatusCode::UNAUTHORIZED || !is_renewed {
            return Ok(answer);
        }
        // Another program may have renewed the login just now, which ended the token that was sent.
        let newer = self.authorization().await?;
        if newer == authorization { Ok(answer) } else { self.ask_as(request, newer.as_deref()).await }
    }

    async fn ask_as(
        &self,
        mut request: Request<Full<Bytes>>,
        authorization: Option<&str>,
    ) -> Result<Answer, ClientError> {
        if let Some(authorization) = authorization {
            request.headers_mut().insert(AUTHORIZATION, HeaderValue::from_str(authorization).map_err(misfit)?);
        }
        match &self.target {
            Target::Local { socket, any_owner } => {
                let misfit = |error: std::io::Error| {
                    let socket = socket.display();
                    ClientError::Unreachable(format!(
                        "cannot connect to a host at {socket} ({error}); start one with `muster serve`, name its data \
                         directory with --data, or a remote host with --url"
                    ))
                };
                let stream = UnixStream::connect(socket).await.map_err(misfit)?;
                if !any_owner {
                    let peer = stream.peer_cred().map_err(misfit)?.uid();
                    ownership::check_peer(socket, peer).map_err(ClientError::Unreachable)?;
                }
                exchange(stream, "localhost", request).await
            }
            Target::Remote { address, tls } => {
                let stream = TcpStream::connect(address).await.map_err(|error| {
                    ClientError::Unreachable(format!("cannot connect to a host at {address} ({error})"))
                })?;
                let Some((name, config)) = tls else {
                    return exchange(stream, address, request).await;
                };
                let connector = TlsConnector::from(Arc::clone(config));
                let stream = connector.connect(name.clone(), stream).await.map_err(|error| {
                    ClientError::Unreachable(format!(
                        "the certificate of {address} is not trusted ({error}); name the certificate authority with \
                         --ca FILE"
                    ))
                })?;
                exchange(stream, address, request).await
            }
        }
    }
}

/// Scheme, host, and `HOST:PORT` of a host's URL. Everything else a URL can have is refused: a token must not go anywhere
/// but where its owner wrote.
pub(crate) fn place_of(url: &str) -> Result<(String, String, String), String> {
    let misfit = |why: &str| {
        // What stands before an `@` may be a password.
        let shown = url.rsplit_once('@').map_or(url, |(_, behind)| behind);
        format!("`{shown}` is not the URL of a host: {why}; write it as http://HOST:PORT or https://HOST:PORT")
    };
    let parsed = url::Url::parse(url).map_err(|error| misfit(&error.to_string()))?;
    let begins = ["http://", "https://"]
        .iter()
        .any(|begin| url.get(..begin.len()).is_some_and(|own| own.eq_ignore_ascii_case(begin)));
    if !begins || url.contains(['\\', '\t', '\r', '\n']) {
        return Err(misfit("it does not begin with http:// or https://"));
    }
    if !parsed.username().is_empty() || parsed.password().is_some() || url.contains('@') {
        return Err(misfit("it contains an account or password; use --user and MUSTER_PASSWORD"));
    }
    if parsed.path() != "/" {
        return Err(misfit("it has a path; use the address without it"));
    }
    if parsed.query().is_some() || parsed.fragment().is_some() {
        return Err(misfit("it has a query or a fragment"));
    }
    let host = parsed.host_str().ok_or_else(|| misfit("it has no host"))?;
    let port =
        parsed.port_or_known_default().filter(|port| *port != 0).ok_or_else(|| misfit("its port is not valid"))?;
    Ok((parsed.scheme().to_owned(), host.to_owned(), format!("{host}:{port}")))
}

async fn exchange<S>(stream: S, host: &str, mut request: Request<Full<Bytes>>) -> Result<Answer, ClientError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    request.headers_mut().insert(HOST, HeaderValue::from_str(host).map_err(misfit)?);
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

fn misfit(_: hyper::header::InvalidHeaderValue) -> ClientError {
    ClientError::Unusable("the request cannot be sent: a header has invalid characters".to_owned())
}

/// A call, at a version if one is given.
fn post(command: &str, version: Option<u32>, arguments: String) -> hyper::http::Result<Request<Full<Bytes>>> {
    let body = Full::new(Bytes::from(arguments));
    Request::post(path(command, version)).header(CONTENT_TYPE, "application/json").body(body)
}

/// Where a command is called, at a version if one is given.
fn path(command: &str, version: Option<u32>) -> String {
    let version = version.map_or_else(String::new, |version| format!("/v{version}"));
    format!("/api/{command}{version}")
}

/// What drives a connection.
type Connection = Pin<Box<dyn Future<Output = Result<(), hyper::Error>> + Send>>;

fn broken(error: &dyn std::fmt::Display) -> ClientError {
    ClientError::Unreachable(format!("the connection failed: {error}"))
}

/// An answer whose body is still to come.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    body: Incoming,
    /// Nothing once it is over; what it brought is still there.
    connection: Option<Connection>,
}

impl Answer {
    /// Whether the body is a stream of events.
    pub(crate) fn is_stream(&self) -> bool {
        let kind = self.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        kind.is_some_and(|kind| kind.starts_with(EVENTS))
    }

    /// After how many seconds to try again, where it says so (RFC 9110 §10.2.3).
    fn retry_after_s(&self) -> Option<u64> {
        self.headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()
    }

    /// The result at the end of a stream of reports, each of which `heard` is told.
    async fn end_of_stream(mut self, heard: &dyn Fn(&Value)) -> Result<Value, ClientError> {
        let mut events = Events::default();
        while let Some(part) = self.part().await? {
            for event in events.take(&part)? {
                let value = serde_json::from_str(&event.data).map_err(|_| {
                    ClientError::Unusable("the server at this address is not a Muster host (no JSON)".to_owned())
                })?;
                match event.name.as_str() {
                    "result" => return Ok(value),
                    "problem" => return Err(ClientError::refused(value)),
                    "progress" => heard(&value),
                    _ => {}
                }
            }
        }
        Err(broken(&"the answer is incomplete"))
    }

    /// The next part of the body; nothing at its end.
    pub(crate) async fn part(&mut self) -> Result<Option<Bytes>, ClientError> {
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
    pub(crate) async fn bytes(mut self) -> Result<Vec<u8>, ClientError> {
        let mut bytes = Vec::new();
        while let Some(part) = self.part().await? {
            if bytes.len() + part.len() > ANSWER_BYTES_MAX {
                let detail = format!("the answer has more than {ANSWER_BYTES_MAX} bytes");
                let problem = json!({ "title": "The answer is too long", "detail": detail, "code": "unusable" });
                return Err(ClientError::refused(problem));
            }
            bytes.extend_from_slice(&part);
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_a_place_and_nothing_else() {
        for (url, expected) in [
            ("http://127.0.0.1:5280", Ok(("http", "127.0.0.1", "127.0.0.1:5280"))),
            ("http://localhost", Ok(("http", "localhost", "localhost:80"))),
            ("HTTPS://Example.org/", Ok(("https", "example.org", "example.org:443"))),
            ("https://[::1]:5281", Ok(("https", "[::1]", "[::1]:5281"))),
            ("http://localhost/api", Err("it has a path")),
            ("http://localhost//", Err("it has a path")),
            ("http://ann:secret@localhost", Err("use --user and MUSTER_PASSWORD")),
            ("http://good.example@evil.example", Err("use --user and MUSTER_PASSWORD")),
            ("http://@localhost", Err("use --user and MUSTER_PASSWORD")),
            ("http://localhost?x=1", Err("a query or a fragment")),
            ("http://localhost/?", Err("a query or a fragment")),
            ("http://localhost#x", Err("a query or a fragment")),
            ("http://localhost:99999", Err("invalid port number")),
            ("http://localhost:0", Err("its port is not valid")),
            ("http://localhost:80:81", Err("invalid port number")),
            ("http:localhost", Err("does not begin with http://")),
            ("http:/\\\\localhost", Err("does not begin with http://")),
            ("http:\\\\localhost", Err("does not begin with http://")),
            ("ftp://localhost", Err("does not begin with http://")),
            ("localhost:5280", Err("does not begin with http://")),
            ("localhost", Err("relative URL without a base")),
            ("", Err("relative URL without a base")),
        ] {
            let got = place_of(url);
            match (&got, expected) {
                (Ok((scheme, host, address)), Ok(expected)) => {
                    assert_eq!((scheme.as_str(), host.as_str(), address.as_str()), expected);
                }
                (Err(text), Err(part)) => assert!(text.contains(part) && !text.contains("secret"), "{url}: {text}"),
                _ => panic!("{url}: {got:?}"),
            }
        }
    }
}
