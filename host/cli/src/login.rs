//! `muster login`: a person logs in with a browser, and this machine keeps what they were given. An authorization code
//! with PKCE, sent back to a loopback address (RFC 8252 §7.3, RFC 7636); no password passes through here.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Args;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use ureq::Agent;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use url::Url;

use super::client::{ClientError, place_of};
use super::output::{self, Format};
use super::profile::{self, Profile};
use super::{CliError, Connection};

/// The client this program is, where nothing else is said.
const CLIENT: &str = "muster-cli";
/// How long a person may take.
const PATIENCE: Duration = Duration::from_mins(5);
/// How long the host may take for an answer.
const ANSWER: Duration = Duration::from_secs(30);
/// Longest request line a browser may send back, in bytes.
const LINE_BYTES_MAX: u64 = 16 << 10;
/// Longest answer of a host that is read, in bytes.
const ANSWER_BYTES_MAX: u64 = 1 << 20;
const DONE: &str =
    "<!doctype html><html lang=\"en\"><title>Muster</title><p>Done. You can return to the terminal.</p></html>";

#[derive(Args, Debug)]
pub struct Login {
    /// Scope to request: a command, '[tag:x]', muster:user, muster:admin, or a scope of the rules
    #[arg(long = "scope", value_name = "SCOPE", default_value = "muster:user")]
    scopes: Vec<String>,
    /// Id of the OAuth client; the operator registers it with the redirect address `http://127.0.0.1/callback`
    #[arg(long, value_name = "ID", default_value = CLIENT)]
    client: String,
    /// Print the address and do not start a browser
    #[arg(long)]
    no_browser: bool,
}

/// Logs in, and keeps the tokens under the profile's name.
pub fn run(connection: &Connection, login: &Login, format: Format) -> Result<(), CliError> {
    let name = connection.profile.as_deref().unwrap_or("default");
    let before = profile::kept(name).ok();
    // A profile that is named means its host, whatever variables say; an option means itself.
    let means_its_host = before.is_some() && connection.is_given("profile");
    let own = |option: &str| connection.is_given(option) || !means_its_host;
    let url = connection.url.clone().filter(|_| own("url"));
    let url = url.or_else(|| before.as_ref().map(|profile| profile.url.clone()));
    let url = url.ok_or_else(|| CliError::Usage("no host is named; add --url URL".to_owned()))?;
    let ca = connection.ca.clone().filter(|_| own("ca")).or_else(|| before.and_then(|profile| profile.ca));
    let ca = ca.map(std::path::absolute).transpose().map_err(|error| CliError::Usage(error.to_string()))?;
    let server = Server::find(&url, ca.as_deref())?;
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| failed(&error))?;
    let port = listener.local_addr().map_err(|error| failed(&error))?.port();
    let redirect = format!("http://127.0.0.1:{port}/callback");
    let (state, verifier) = (random()?, random()?);
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&verifier));
    let address = Url::parse_with_params(
        &server.authorize,
        [
            ("response_type", "code"),
            ("client_id", &login.client),
            ("redirect_uri", &redirect),
            ("scope", &login.scopes.join(" ")),
            ("state", &state),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ],
    )
    .map_err(|error| failed(&error))?;
    output::note(&format!("Log in at {address}"));
    if !login.no_browser {
        open(address.as_str());
    }
    let spinner = output::spinner("waiting for the login in the browser");
    let code = wait(&listener, &state)?;
    spinner.finish_and_clear();
    let granted = server.token(&[
        ("grant_type", "authorization_code"),
        ("client_id", &login.client),
        ("code", &code),
        ("redirect_uri", &redirect),
        ("code_verifier", &verifier),
    ])?;
    let kept = Profile { url, ca, client: login.client.clone(), token: String::new(), refresh_token: None, ends_s: 0 };
    profile::save(name, &with_tokens(kept, &granted)?)?;
    let scope = granted.get("scope").and_then(Value::as_str).unwrap_or_default();
    let line = format!("logged in with scope {scope}; use it with --profile {name}");
    output::line(&line, &json!({ "profile": name, "scope": scope }), format);
    Ok(())
}

/// Revokes the tokens of a profile and forgets it.
pub fn out(connection: &Connection, format: Format) -> Result<(), CliError> {
    let name = connection.profile.as_deref().unwrap_or("default");
    let known = profile::kept(name)?;
    let token = known.refresh_token.as_deref().unwrap_or(&known.token);
    let revoked = Server::find(&known.url, known.ca.as_deref())
        .and_then(|server| server.post(&server.revoke, &[("token", token), ("client_id", &known.client)]).map(drop));
    profile::remove(name)?;
    revoked.map_err(|error| {
        CliError::Failed(format!("the profile was deleted here, but the host did not revoke its tokens: {error}"))
    })?;
    output::line("logged out", &json!({ "profile": name }), format);
    Ok(())
}

/// Other tokens for those that end.
pub(crate) fn renew(profile: &Profile) -> Result<Profile, CliError> {
    let refresh = profile.refresh_token.as_deref();
    let refresh = refresh.ok_or_else(|| ClientError::LoggedOut("it has no refresh token".to_owned()))?;
    let server = Server::find(&profile.url, profile.ca.as_deref())?;
    let fields = [("grant_type", "refresh_token"), ("client_id", profile.client.as_str()), ("refresh_token", refresh)];
    with_tokens(profile.clone(), &server.token(&fields)?)
}

fn with_tokens(profile: Profile, granted: &Value) -> Result<Profile, CliError> {
    let text = |key: &str| granted.get(key).and_then(Value::as_str).map(str::to_owned);
    let token = text("access_token").ok_or_else(|| CliError::Failed("the host returned no token".to_owned()))?;
    let lives_s = granted.get("expires_in").and_then(Value::as_u64).unwrap_or_default();
    let refresh_token = text("refresh_token").or(profile.refresh_token);
    Ok(Profile { token, refresh_token, ends_s: profile::now_s() + lives_s, ..profile })
}

/// Where a host gives tokens (RFC 8414).
struct Server {
    agent: Agent,
    authorize: String,
    token: String,
    revoke: String,
}

impl Server {
    fn find(url: &str, ca: Option<&std::path::Path>) -> Result<Self, CliError> {
        place_of(url).map_err(CliError::Usage)?;
        let mut config =
            Agent::config_builder().timeout_global(Some(ANSWER)).max_redirects(0).http_status_as_error(false);
        if let Some(file) = ca {
            let unusable = |reason: &dyn std::fmt::Display| CliError::Usage(format!("{}: {reason}", file.display()));
            let text = std::fs::read(file).map_err(|error| unusable(&error))?;
            let roots: Vec<Certificate<'static>> = parse_pem(&text)
                .filter_map(|item| match item {
                    Ok(PemItem::Certificate(certificate)) => Some(certificate),
                    _ => None,
                })
                .collect();
            config = config.tls_config(TlsConfig::builder().root_certs(RootCerts::new_with_certs(&roots)).build());
        }
        let agent = config.build().new_agent();
        let origin = url.trim_end_matches('/');
        let unreachable = |error: &dyn std::fmt::Display| {
            ClientError::Unreachable(format!("the host at {origin} cannot be reached: {error}"))
        };
        let answer = agent.get(format!("{origin}/.well-known/oauth-authorization-server")).call();
        let mut answer = answer.map_err(|error| unreachable(&error))?;
        let metadata: Value = serde_json::from_reader(answer.body_mut().as_reader().take(ANSWER_BYTES_MAX))
            .map_err(|error| unreachable(&error))?;
        let text = |key: &str| metadata.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        // A server that answers for another name could send tokens elsewhere (RFC 8414 §3.3).
        if text("issuer") != origin {
            return Err(CliError::Failed(format!("the host has the address {}; log in there", text("issuer"))));
        }
        let [authorize, token, revoke] = ["authorization_endpoint", "token_endpoint", "revocation_endpoint"].map(text);
        Ok(Self { agent, authorize, token, revoke })
    }

    fn token(&self, fields: &[(&str, &str)]) -> Result<Value, CliError> {
        self.post(&self.token, fields)
    }

    fn post(&self, address: &str, fields: &[(&str, &str)]) -> Result<Value, CliError> {
        let mut answer =
            self.agent.post(address).send_form(fields.iter().copied()).map_err(|error| {
                ClientError::Unreachable(format!("the host at {address} cannot be reached: {error}"))
            })?;
        let status = answer.status();
        let value = serde_json::from_reader(answer.body_mut().as_reader().take(ANSWER_BYTES_MAX));
        let value: Value = value.unwrap_or_default();
        if status.is_success() {
            return Ok(value);
        }
        let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default();
        let reason = format!("the host refused: {} {}", text("error"), text("error_description"));
        // Only these say that what was presented is worth nothing any more (RFC 6749 §5.2).
        let is_over = ["invalid_grant", "invalid_client", "unauthorized_client"].contains(&text("error"));
        Err(if is_over { CliError::Client(ClientError::LoggedOut(reason)) } else { CliError::Failed(reason) })
    }
}

/// Waits for the browser to come back with a code for this state. Any process on this machine could connect: a request
/// that is not the expected answer is rejected.
fn wait(listener: &TcpListener, state: &str) -> Result<String, CliError> {
    let end = Instant::now() + PATIENCE;
    listener.set_nonblocking(true).map_err(|error| failed(&error))?;
    while Instant::now() < end {
        match listener.accept() {
            Ok((stream, _)) => {
                if let Some(answer) = hear(&stream, state) {
                    return answer;
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                std::thread::sleep(Duration::from_millis(50));
            }
            Err(error) => return Err(failed(&error)),
        }
    }
    Err(CliError::Failed("login timed out after five minutes".to_owned()))
}

/// What one visitor says; nothing where it is no answer to this login.
fn hear(mut stream: &TcpStream, state: &str) -> Option<Result<String, CliError>> {
    stream.set_nonblocking(false).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
    let mut line = String::new();
    BufReader::new(stream.take(LINE_BYTES_MAX)).read_line(&mut line).ok()?;
    let target = line.strip_prefix("GET /callback?")?.split(' ').next()?;
    let given = |name: &str| {
        url::form_urlencoded::parse(target.as_bytes()).find(|(own, _)| own == name).map(|(_, value)| value.into_owned())
    };
    let ours = given("state").as_deref() == Some(state);
    let status = if ours { "200 OK" } else { "400 Bad Request" };
    let body = if ours { DONE } else { "" };
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/html; charset=utf-8\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
    if !ours {
        return None;
    }
    match (given("code"), given("error")) {
        (Some(code), None) => Some(Ok(code)),
        (_, error) => {
            let error = error.unwrap_or_else(|| "no code".to_owned());
            Some(Err(CliError::Failed(format!("not logged in: {error}"))))
        }
    }
}

/// Starts a browser, where there is one.
fn open(address: &str) {
    let program = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let _ = Command::new(program).arg(address).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
}

/// 256 random bits, as text that needs no encoding.
fn random() -> Result<String, CliError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| failed(&error))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

fn failed(error: &dyn std::fmt::Display) -> CliError {
    CliError::Failed(error.to_string())
}
