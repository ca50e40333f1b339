//! The client: what a person types, said to a host. Every subcommand here calls a host's ReST interface, by default over the
//! local socket of the data directory: it can do nothing the wire cannot, and is checked as every caller is.
//!
//! No engine and no server is in here. The program adds the subcommands that work on this machine itself.

#![expect(
    missing_docs,
    clippy::missing_errors_doc,
    reason = "only the program uses this crate, and a text at arguments is the help a person reads"
)]

pub mod account;
pub mod audit;
mod bulk;
pub mod call;
mod client;
pub mod clients;
mod command_help;
pub mod complete;
mod events;
pub mod help;
pub mod key;
pub mod login;
pub mod mcp;
pub mod output;
pub mod ownership;
pub mod plugin;
mod profile;
mod schema;
pub mod token;
pub mod trust;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args};
use clap_complete::CompleteEnv;
use clap_complete::engine::ArgValueCompleter;

use client::Credential;
pub use client::{Authorization, Client, ClientError};
use output::Format;

/// The whole command line, as the program puts it together.
static PROGRAM: OnceLock<fn() -> clap::Command> = OnceLock::new();

/// Takes the whole command line. A shell that asks what could be written is answered, and the process ends.
pub fn begin(program: fn() -> clap::Command) {
    CompleteEnv::with_factory(PROGRAM.get_or_init(|| program)).var(complete::VARIABLE).complete();
}

/// The whole command line, for those who look into it.
fn program() -> clap::Command {
    PROGRAM.get().map(|program| program()).unwrap_or_default()
}

/// The local socket, below the data directory.
pub const SOCKET: &str = "muster.sock";

/// Which host, and as whom.
#[derive(Args, Debug)]
#[command(next_help_heading = "Host to talk to, and output")]
pub struct Connection {
    /// Data directory of a host on this machine
    #[arg(long, global = true, value_name = "DIR", env = "MUSTER_DATA", default_value = "muster-data")]
    pub data: PathBuf,
    /// Address of a remote host: http://HOST:PORT or https://HOST:PORT
    #[arg(long, global = true, value_name = "URL", env = "MUSTER_URL")]
    url: Option<String>,
    /// Use the login stored under this name by `muster login`
    #[arg(long, global = true, value_name = "NAME", env = "MUSTER_PROFILE", add = ArgValueCompleter::new(complete::profiles))]
    profile: Option<String>,
    /// Certificate authorities (PEM) to trust for an https address, instead of those of this machine
    #[arg(long, global = true, value_name = "FILE", env = "MUSTER_CA")]
    ca: Option<PathBuf>,
    /// Account of the caller; its password is read from `MUSTER_PASSWORD` or from the terminal
    #[arg(long, global = true, value_name = "USER@HOST", env = "MUSTER_USER")]
    user: Option<String>,
    /// Read the token or API key from the first line of standard input; without an account, `MUSTER_TOKEN` is used
    #[arg(long, global = true)]
    token_stdin: bool,
    /// Output format; `plain` prints one value per line, with tabs between columns
    #[arg(short, long, global = true, value_enum, value_name = "FORM", env = "MUSTER_OUTPUT", default_value_t = Format::Table)]
    pub output: Format,
    /// Print results and errors as JSON, like --output json
    #[arg(long, global = true)]
    pub json: bool,
    /// Skip the ownership checks of data directory and socket (unsafe)
    #[arg(long, global = true)]
    pub insecure_data: bool,
    /// Options that stand on the command line itself, and so beat variables.
    #[arg(skip)]
    given: Vec<&'static str>,
}

/// Why a subcommand did not do what it was told.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// It was told something it does not understand.
    #[error("{0}")]
    Usage(String),
    /// Something it was to work on is not there.
    #[error("{0}")]
    Missing(String),
    /// The host could not be reached, or refused.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// It could not be done here.
    #[error("{0}")]
    Failed(String),
}

impl CliError {
    /// The exit code of the program.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Missing(_) => 5,
            Self::Failed(_) => 1,
            Self::Client(ClientError::Unreachable(_)) => 3,
            Self::Client(ClientError::Unusable(_)) => 6,
            Self::Client(ClientError::LoggedOut(_)) => 4,
            Self::Client(ClientError::Refused(problem)) if problem.is_refusal() => 1,
            Self::Client(ClientError::Refused(problem)) => match problem.code() {
                "malformed" | "invalid-arguments" | "too-large" | "not-read-only" => 2,
                "unauthenticated" | "forbidden" | "denied" => 4,
                "unknown-command" | "not-found" | "no-such-address" => 5,
                // What stands before a host has no code, or one of its own.
                _ if matches!(problem.status(), Some(401 | 403)) => 4,
                _ => 6,
            },
        }
    }
}

/// The host to talk to.
#[derive(Clone, Copy, Debug)]
pub enum Host<'a> {
    Data(&'a Path),
    Url(&'a str),
    Profile(&'a str),
}

impl Connection {
    /// Notes which options stand on the command line itself.
    pub fn note_given(&mut self, matches: &ArgMatches) {
        let options = ["data", "url", "profile", "ca", "user"].into_iter();
        self.given = options.filter(|name| matches.value_source(name) == Some(ValueSource::CommandLine)).collect();
    }

    /// Whether the option itself was given, not its variable.
    pub(crate) fn is_given(&self, option: &str) -> bool {
        self.given.contains(&option)
    }

    /// Which host is meant. An option beats every variable.
    pub fn host(&self) -> Result<Host<'_>, CliError> {
        let named = ["data", "url", "profile"].into_iter().filter(|option| self.is_given(option)).collect::<Vec<_>>();
        if let [one, other, ..] = named.as_slice() {
            return Err(CliError::Usage(format!("--{one} and --{other} cannot be used together; name one host")));
        }
        let is_meant = |option: &str| named.is_empty() || named.contains(&option);
        Ok(match (&self.url, &self.profile) {
            (Some(url), _) if is_meant("url") => Host::Url(url),
            (_, Some(profile)) if is_meant("profile") => Host::Profile(profile),
            _ => Host::Data(&self.data),
        })
    }

    /// A client of this host.
    pub fn client_of(&self, host: Host<'_>, authorization: Authorization) -> Result<Client, CliError> {
        match host {
            Host::Data(data) => Ok(Client::local(data.join(SOCKET), self.insecure_data, authorization)),
            Host::Url(url) => Client::remote(url, self.ca.as_deref(), authorization).map_err(CliError::Usage),
            Host::Profile(name) => {
                let profile = profile::kept(name)?;
                let ca = self.ca.as_deref().filter(|_| self.is_given("ca")).or(profile.ca.as_deref());
                Client::remote(&profile.url, ca, authorization).map_err(CliError::Usage)
            }
        }
    }
}

/// A client of the host that is meant, as whom the options say. What belongs to one host is not sent to another: a profile
/// has a token of its own, which only an option replaces.
pub fn client(connection: &Connection) -> Result<Client, CliError> {
    let host = connection.host()?;
    let authorization = match (&connection.user, host) {
        (Some(_), _) if connection.token_stdin && connection.is_given("user") => {
            return Err(CliError::Usage("--user and --token-stdin cannot be used together".to_owned()));
        }
        _ if connection.token_stdin => Some(Credential::Bearer(account::token_of_input()?)).into(),
        (Some(user), Host::Data(_) | Host::Url(_)) => basic(user)?,
        (Some(user), Host::Profile(_)) if connection.is_given("user") => basic(user)?,
        (_, Host::Profile(name)) => Authorization::Renewed(profile::source(name)),
        (None, Host::Data(_) | Host::Url(_)) => account::token_of_environment().map(Credential::Bearer).into(),
    };
    connection.client_of(host, authorization)
}

fn basic(user: &str) -> Result<Authorization, CliError> {
    Ok(Some(Credential::Basic(user.to_owned(), account::password_of(user)?)).into())
}

/// Does what needs a runtime; talking to a host does not.
pub fn block_on<T>(work: impl Future<Output = T>) -> Result<T, CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| CliError::Failed(format!("the runtime cannot start: {error}")))?;
    Ok(runtime.block_on(work))
}
