//! The harness around the shipped binary: starts a host on a free port in a directory of its own, speaks real HTTP to
//! it, runs the real command line against it, and kills it when the test ends.
//!
//! Absent on purpose: anything that reaches into the host. What a user cannot see, these tests cannot either.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    clippy::print_stderr,
    reason = "a harness fails the test it is used by, and shows why"
)]

mod binary;
mod neighbour;

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

pub use binary::binary;
pub use neighbour::beside_a_neighbour;

/// The password every account of these tests has.
pub const PASSWORD: &str = "correct horse";

/// Rules most tests use: `admin` may do everything, every account may greet.
pub const RULES: &str = "
acl: {admin: {user: admin@localhost}}
api_permissions:
  admins: {who: admin, what: '*'}
  greeting: {who: {server: localhost}, what: [hello, status]}
  public: {who: all, what: [check_account]}
";

/// A group for [`RULES`] under which scopes mean something, to an account no test has: consent is asked for no others.
pub const TOKEN_RULE: &str =
    "  tokens: {who: {oauth: {scope: ['@command', 'muster:user', 'muster:admin'], user: operator@localhost}}, what: stop}
";

/// The folder the project is in.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// A built component, by name.
pub fn component(name: &str) -> PathBuf {
    let path = root().join("target/components").join(format!("{name}.wasm"));
    assert!(
        path.exists(),
        "{} is missing: build the components with `cargo xtask guests --all` and `cargo xtask polyglot`",
        path.display()
    );
    path
}

/// A program of others, or its folder, by its place below `target/tools/interfaces`.
pub fn tool(place: &str) -> PathBuf {
    let path = root().join("target/tools/interfaces").join(place);
    assert!(path.exists(), "{} is missing: install it with `cargo xtask interfaces`", path.display());
    path
}

/// A running host.
#[derive(Debug)]
pub struct Host {
    child: Child,
    /// `http://ADDRESS:PORT` or `https://ADDRESS:PORT`, in the order of the configuration.
    urls: Vec<String>,
    address: String,
    /// Whether it listens where its configuration says.
    as_configured: bool,
    /// The words before the program's own, where another program starts it.
    runner: Vec<String>,
    directory: tempfile::TempDir,
    agent: ureq::Agent,
}

impl Host {
    /// Starts a host with [`RULES`], with accounts `admin@localhost` and `ann@localhost`.
    pub fn start() -> Self {
        let host = Self::start_with(RULES);
        host.add_account("admin");
        host.add_account("ann");
        host
    }

    /// Starts a host with this configuration and no accounts.
    pub fn start_with(config: &str) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), config, false, &[])
    }

    /// Starts a host with this configuration in a directory that may have a host's data already.
    pub fn start_on(directory: tempfile::TempDir, config: &str) -> Self {
        Self::start_in(directory, config, false, &[])
    }

    /// Starts a host with this configuration and no accounts by another program, which these words begin with.
    pub fn start_under(runner: &[&str], config: &str) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), config, false, runner)
    }

    /// Starts a host that listens where this configuration says, instead of at one free port, in a directory that may
    /// have files the configuration names.
    pub fn start_listening(directory: tempfile::TempDir, config: &str) -> Self {
        Self::start_in(directory, config, true, &[])
    }

    fn start_in(directory: tempfile::TempDir, config: &str, as_configured: bool, runner: &[&str]) -> Self {
        std::fs::write(directory.path().join("muster.yaml"), config).unwrap();
        let runner: Vec<String> = runner.iter().map(|word| (*word).to_owned()).collect();
        let (child, urls) = spawn(directory.path(), as_configured, &runner);
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_mins(1)))
            .allow_non_standard_methods(true)
            // A redirect is an answer like any other.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .build()
            .new_agent();
        let address = address_of(&urls);
        Self { child, urls, address, as_configured, runner, directory, agent }
    }

    /// Where it listens, as `http://ADDRESS:PORT` or `https://ADDRESS:PORT`, in the order of the configuration.
    pub fn urls(&self) -> &[String] {
        &self.urls
    }

    /// Asks it to stop as a service manager does, and waits.
    pub fn terminate(&mut self) {
        let pid = self.pid().to_string();
        assert_eq!(run(Command::new("kill").args(["-TERM", &pid]), "").code, 0);
        self.wait_for_end();
    }

    /// The data directory.
    pub fn data(&self) -> &Path {
        self.directory.path()
    }

    /// `ADDRESS:PORT`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What the host logged so far. A thread of its own writes that, so what is read is looked at until it stays the same.
    pub fn log(&self) -> String {
        let read = || std::fs::read_to_string(self.data().join("log")).unwrap();
        let mut log = read();
        for _ in 0..50 {
            std::thread::sleep(Duration::from_millis(30));
            let now = read();
            if now.len() == log.len() {
                break;
            }
            log = now;
        }
        log
    }

    /// Ends the host without warning, as `kill -9` does, and starts it again on the same data.
    pub fn crash_and_restart(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.start_again();
    }

    /// Waits for the host to end by itself, and starts it again on the same data.
    pub fn start_again(&mut self) {
        self.wait_for_end();
        (self.child, self.urls) = spawn(self.directory.path(), self.as_configured, &self.runner);
        self.address = address_of(&self.urls);
    }

    /// Waits for the host to end by itself, at most half a minute.
    pub fn wait_for_end(&mut self) {
        for _ in 0..1500 {
            if self.child.try_wait().unwrap().is_some() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("the host did not end");
    }

    /// Adds an account at localhost with [`PASSWORD`].
    pub fn add_account(&self, user: &str) {
        let added =
            self.cli_with_input(&["account", "add", &format!("{user}@localhost"), "--password-stdin"], PASSWORD);
        assert_eq!(added.code, 0, "{added:?}");
    }

    /// Installs a built component with these grants.
    pub fn install(&self, name: &str, grants: &[&str]) {
        let path = component(name);
        let mut words = vec!["plugin", "install", path.to_str().unwrap()];
        for grant in grants {
            words.extend(["--grant", grant]);
        }
        let installed = self.cli(&words);
        assert_eq!(installed.code, 0, "{installed:?}");
    }

    /// Runs the command line against this host.
    pub fn cli(&self, words: &[&str]) -> Ran {
        self.cli_with_input(words, "")
    }

    /// Runs the command line against this host, with a text on standard input.
    pub fn cli_with_input(&self, words: &[&str], input: &str) -> Ran {
        let mut command = Command::new(binary());
        // A test that names another host means it.
        if !words.iter().any(|word| ["--data", "--url"].contains(word)) {
            command.arg("--data").arg(self.data());
        }
        run(command.args(words), input)
    }

    /// A request to this host.
    pub fn request(&self, method: &str, path: &str) -> Request<'_> {
        Request { host: self, method: method.to_owned(), path: path.to_owned(), headers: Vec::new(), body: Vec::new() }
    }

    /// `POST /api/COMMAND` as an account at localhost; nobody with an empty name.
    pub fn call(&self, user: &str, command: &str, arguments: &Value) -> Answer {
        let request = self.request("POST", &format!("/api/{command}")).json(arguments);
        if user.is_empty() { request.send() } else { request.as_user(user).send() }
    }

    /// Bytes on a new connection, and everything that comes back until the host closes it or three seconds pass.
    pub fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = std::net::TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
        // The host may answer and close before everything is sent.
        let _ = stream.write_all(bytes);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- log of the host\n{}", self.log());
        }
    }
}

fn spawn(data: &Path, as_configured: bool, runner: &[String]) -> (Child, Vec<String>) {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(data.join("log")).unwrap();
    let listen: &[&str] = if as_configured { &[] } else { &["--listen", "127.0.0.1:0"] };
    let mut words: Vec<OsString> = runner.iter().map(OsString::from).collect();
    words.push(binary().into());
    let mut words = words.into_iter();
    let mut child = Command::new(words.next().unwrap_or_default())
        .args(words)
        .arg("--data")
        .arg(data)
        .arg("serve")
        .args(listen)
        // Whoever watches the tests may want backtraces; the host is run as it is shipped.
        .env_remove("RUST_BACKTRACE")
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .unwrap();
    let mut ready = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
    let urls: Vec<String> = ready.split(' ').filter(|word| word.starts_with("http")).map(str::to_owned).collect();
    let log = std::fs::read_to_string(data.join("log")).unwrap();
    assert!(!urls.is_empty(), "the host did not start: {log}");
    (child, urls)
}

/// `ADDRESS:PORT` of the first socket that speaks plain HTTP.
fn address_of(urls: &[String]) -> String {
    urls.iter().find_map(|url| url.strip_prefix("http://")).unwrap_or_default().to_owned()
}

/// What a command did.
#[derive(Debug)]
pub struct Ran {
    /// Its exit code.
    pub code: i32,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

/// Runs a command with a text on standard input.
pub fn run(command: &mut Command, input: &str) -> Ran {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for variable in ["MUSTER_DATA", "MUSTER_URL", "MUSTER_USER", "MUSTER_TOKEN"] {
        command.env_remove(variable);
    }
    let mut child = command.spawn().unwrap();
    // A command that does not read its input may be gone already.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A request being made.
#[derive(Debug)]
pub struct Request<'a> {
    host: &'a Host,
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request<'_> {
    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Presents Basic credentials of an account at localhost, with [`PASSWORD`].
    #[must_use]
    pub fn as_user(self, user: &str) -> Self {
        self.basic(&format!("{user}@localhost"), PASSWORD)
    }

    /// Presents Basic credentials.
    #[must_use]
    pub fn basic(self, account: &str, password: &str) -> Self {
        let token = STANDARD.encode(format!("{account}:{password}"));
        self.header("authorization", &format!("Basic {token}"))
    }

    /// Presents a token or an API key.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// Sends a form.
    #[must_use]
    pub fn form(self, fields: &[(&str, &str)]) -> Self {
        let fields: Vec<String> =
            fields.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
        self.header("content-type", "application/x-www-form-urlencoded").body(fields.join("&"))
    }

    /// Sends JSON.
    #[must_use]
    pub fn json(self, value: &Value) -> Self {
        self.header("content-type", "application/json").body(value.to_string())
    }

    /// Sends bytes.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sends it.
    pub fn send(self) -> Answer {
        self.try_send().unwrap()
    }

    /// Sends it; an error means that there was no answer.
    ///
    /// # Errors
    /// When the connection fails.
    pub fn try_send(self) -> Result<Answer, ureq::Error> {
        let url = format!("http://{}{}", self.host.address, self.path);
        let mut request = ureq::http::Request::builder().method(self.method.as_str()).uri(url);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let sends_body = !matches!(self.method.as_str(), "GET" | "HEAD" | "OPTIONS");
        let mut response = if sends_body {
            self.host.agent.run(request.body(self.body).unwrap())?
        } else {
            self.host.agent.run(request.body(()).unwrap())?
        };
        let bytes = response.body_mut().with_config().limit(1 << 30).read_to_vec()?;
        let headers = response
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), value.to_str().unwrap_or_default().to_owned()))
            .collect();
        Ok(Answer { status: response.status().as_u16(), headers, bytes })
    }
}

/// A text as it stands in a form or a query.
pub fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    headers: Vec<(String, String)>,
    /// The body.
    pub bytes: Vec<u8>,
}

impl Answer {
    /// The body as JSON; null when it is none.
    pub fn value(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_default()
    }

    /// Every header of that name.
    pub fn headers(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(own, _)| own == name).map(|(_, value)| value.as_str()).collect()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// The first header of that name; empty when there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(own, _)| own == name).map_or("", |(_, value)| value)
    }

    /// The problem's stable code; empty when it is none.
    pub fn code(&self) -> String {
        self.value().get("code").and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    /// Status and code, such as `403 forbidden`; `200` for a result.
    pub fn verdict(&self) -> String {
        format!("{} {}", self.status, self.code()).trim_end().to_owned()
    }
}
