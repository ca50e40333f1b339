//! The command line. Every subcommand but `serve` is a client of a host's ReST interface, by default over the local
//! socket of the data directory: it can do nothing the wire cannot, and is checked like everybody.

mod account;
mod audit;
mod backup;
mod bulk;
mod call;
mod client;
mod clients;
mod command_help;
mod compile_worker;
mod complete;
mod config;
mod doctor;
mod events;
mod help;
mod key;
mod login;
mod mcp;
mod output;
mod permissions;
mod plugin;
mod profile;
mod schema;
mod token;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use clap_complete::engine::ArgValueCompleter;
use clap_complete::{CompleteEnv, Shell};

use client::{Authorization, Client, ClientError, Credential};
pub(crate) use compile_worker::worker as compile_worker_of;
use output::Format;

const AFTER_HELP: &str = "\
Exit codes:
  0  done
  1  the command ran and failed
  2  wrong usage or arguments
  3  the host cannot be reached
  4  not authenticated, or not permitted
  5  no such command, plugin or file
  6  the host or a plugin is at fault, or a limit was hit";

/// A WebAssembly plugin host: every command through every interface, behind one permission layer.
#[derive(Debug, Parser)]
#[command(name = "muster", version, after_help = AFTER_HELP, disable_help_subcommand = true, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    action: Action,
}

/// Which host, and as whom.
#[derive(Args, Debug)]
#[command(next_help_heading = "Host to talk to, and output")]
struct Connection {
    /// Data directory of a host on this machine
    #[arg(long, global = true, value_name = "DIR", env = "MUSTER_DATA", default_value = "muster-data")]
    data: PathBuf,
    /// Address of a host elsewhere: http://HOST:PORT or https://HOST:PORT
    #[arg(long, global = true, value_name = "URL", env = "MUSTER_URL")]
    url: Option<String>,
    /// A host somebody logged in to with `muster login`, by the name of the login
    #[arg(long, global = true, value_name = "NAME", env = "MUSTER_PROFILE", add = ArgValueCompleter::new(complete::profiles))]
    profile: Option<String>,
    /// Certificates (PEM) of the authorities to trust at an https address, instead of this machine's
    #[arg(long, global = true, value_name = "FILE", env = "MUSTER_CA")]
    ca: Option<PathBuf>,
    /// Account to call as; its password is read from `MUSTER_PASSWORD`, or asked for
    #[arg(long, global = true, value_name = "USER@HOST", env = "MUSTER_USER")]
    user: Option<String>,
    /// Call with the token or API key on the first line of standard input; one in `MUSTER_TOKEN` is used where no account
    /// is named
    #[arg(long, global = true)]
    token_stdin: bool,
    /// Form of results: plain are bare values, a line for each, tabs between columns
    #[arg(short, long, global = true, value_enum, value_name = "FORM", env = "MUSTER_OUTPUT", default_value_t = Format::Table)]
    output: Format,
    /// Print results and errors as JSON: the same as --output json
    #[arg(long, global = true)]
    json: bool,
    /// Use a data directory others can write to, and a local socket another user answers; they can then do everything
    #[arg(long, global = true)]
    insecure_data: bool,
    /// Options that stand on the command line itself, and so beat variables.
    #[arg(skip)]
    given: Vec<&'static str>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Run a host
    Serve(Serve),
    /// Call a command
    Call(call::Call),
    /// Describe commands: a name, a tag, a pattern, or everything
    Help(help::Help),
    /// Install, upgrade, remove and inspect plugins
    #[command(subcommand)]
    Plugin(plugin::Plugin),
    /// Add, list and remove accounts
    #[command(subcommand)]
    Account(account::Account),
    /// Make, list and revoke API keys
    #[command(subcommand)]
    Key(key::Key),
    /// Issue, list and revoke OAuth tokens
    #[command(subcommand)]
    Token(token::Token),
    /// Add, list and remove OAuth clients
    #[command(subcommand)]
    Client(clients::OAuthClient),
    /// Ask who may call what, and why
    #[command(subcommand)]
    Permissions(permissions::Action),
    /// Check and reload the configuration file
    #[command(subcommand)]
    Config(config::Action),
    /// See who called what, and verify that nobody changed the record of it
    #[command(subcommand)]
    Audit(audit::Action),
    /// Write a backup of the running host to a file, or verify one
    Backup(backup::Backup),
    /// Make a data directory of a backup; the directory must not exist or be empty
    Restore(backup::Restore),
    /// Log in to a host elsewhere with a browser, and keep the login as a profile
    Login(login::Login),
    /// Revoke the login of a profile, and forget it
    Logout,
    /// Serve MCP on standard input and output: for assistants that start a program
    Mcp,
    /// Prove on this machine that the limits of plugins bite
    Doctor(doctor::Doctor),
    /// Try out the component on standard input in a process that may end for it: what a host starts for itself
    #[command(hide = true)]
    CompileWorker(compile_worker::CompileWorkerArguments),
    /// Print the completion script of a shell: commands and their arguments are completed by asking the host
    Completion {
        /// Which shell
        shell: Shell,
    },
}

/// How to run a host.
#[derive(Args, Debug)]
struct Serve {
    /// Configuration file; without, muster.yaml in the data directory if there is one
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address to serve ReST at, instead of the configured one; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// Form of log lines
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

/// Why a subcommand did not do what it was told.
#[derive(Debug, thiserror::Error)]
enum CliError {
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

/// Does what needs a runtime; talking to a host does not.
fn block_on<T>(work: impl Future<Output = T>) -> Result<T, CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| CliError::Failed(format!("the runtime cannot start: {error}")))?;
    Ok(runtime.block_on(work))
}

impl CliError {
    fn exit_code(&self) -> u8 {
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

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    // A shell that asks what could be written is answered, and nothing is done.
    CompleteEnv::with_factory(Cli::command).var(complete::VARIABLE).complete();
    let matches = Cli::command().get_matches();
    let mut cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    cli.connection.note_given(&matches);
    let mut format = if cli.connection.json { Format::Json } else { cli.connection.output };
    let done = run(cli, &mut format);
    crate::logging::finish();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::error(&error, format);
            ExitCode::from(error.exit_code())
        }
    }
}

/// Does what it was told. Behind a command's name, a call may ask for another form of results and errors.
fn run(cli: Cli, form: &mut Format) -> Result<(), CliError> {
    let (connection, format) = (cli.connection, *form);
    match cli.action {
        Action::Serve(serve) => {
            let options = crate::serve::Options {
                data: connection.data,
                config: serve.config,
                listen: serve.listen,
                log_json: matches!(serve.log_format, LogFormat::Json),
                insecure_data: connection.insecure_data,
            };
            crate::serve::run(&options).map_err(CliError::Failed)
        }
        Action::Call(call) => call::run(|| client(&connection), call, form),
        Action::Help(help) => help::run(&client(&connection)?, &help, format),
        Action::Plugin(action) => plugin::run(|| client(&connection), action, format),
        Action::Account(action) => account::run(&client(&connection)?, action, format),
        Action::Key(action) => key::run(&client(&connection)?, action, format),
        Action::Token(action) => token::run(&client(&connection)?, action, format),
        Action::Client(action) => clients::run(&client(&connection)?, action, format),
        Action::Permissions(action) => permissions::run(&client(&connection)?, action, format),
        Action::Config(action) => config::run(|| client(&connection), &connection.data, &action, format),
        Action::Doctor(doctor) => doctor::run(&connection.data, &doctor, format),
        Action::Audit(action) => audit::run(|| client(&connection), action, format),
        Action::Backup(action) => backup::run(|| client(&connection), &connection, action, format),
        Action::Restore(action) => backup::restore(&connection.data, &action, format),
        Action::Login(login) => login::run(&connection, &login, format),
        Action::Logout => login::out(&connection, format),
        Action::Mcp => mcp::run(client(&connection)?),
        Action::CompileWorker(arguments) => compile_worker::run(arguments),
        Action::Completion { shell } => complete::script(shell),
    }
}

/// The host to talk to.
#[derive(Clone, Copy, Debug)]
enum Host<'a> {
    Data(&'a Path),
    Url(&'a str),
    Profile(&'a str),
}

impl Connection {
    fn note_given(&mut self, matches: &ArgMatches) {
        let options = ["data", "url", "profile", "ca", "user"].into_iter();
        self.given = options.filter(|name| matches.value_source(name) == Some(ValueSource::CommandLine)).collect();
    }

    /// Whether the option itself was given, not its variable.
    fn is_given(&self, option: &str) -> bool {
        self.given.contains(&option)
    }

    /// Which host is meant. An option beats every variable.
    fn host(&self) -> Result<Host<'_>, CliError> {
        let named = ["data", "url", "profile"].into_iter().filter(|option| self.is_given(option)).collect::<Vec<_>>();
        if let [one, other, ..] = named.as_slice() {
            return Err(CliError::Usage(format!("--{one} and --{other} name two hosts; name one")));
        }
        let is_meant = |option: &str| named.is_empty() || named.contains(&option);
        Ok(match (&self.url, &self.profile) {
            (Some(url), _) if is_meant("url") => Host::Url(url),
            (_, Some(profile)) if is_meant("profile") => Host::Profile(profile),
            _ => Host::Data(&self.data),
        })
    }

    /// A client of this host.
    fn client_of(&self, host: Host<'_>, authorization: Authorization) -> Result<Client, CliError> {
        match host {
            Host::Data(data) => Ok(Client::local(data.join(crate::serve::SOCKET), self.insecure_data, authorization)),
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
fn client(connection: &Connection) -> Result<Client, CliError> {
    let host = connection.host()?;
    let authorization = match (&connection.user, host) {
        (Some(_), _) if connection.token_stdin && connection.is_given("user") => {
            return Err(CliError::Usage("--user and --token-stdin name two callers; name one".to_owned()));
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
