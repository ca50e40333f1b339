//! The command line: the client's subcommands (`muster_cli`), and those that work on this machine: `serve`, and what needs
//! the engine, the configuration or a backup.

mod backup;
mod compile_worker;
mod config;
mod doctor;
mod permissions;
mod plugin;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use muster_cli::output::{self, Format};
use muster_cli::{CliError, Connection, account, audit, call, client, clients, complete, help, key, login, mcp, token};

pub(crate) use compile_worker::worker as compile_worker_of;

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
    /// Create, list and revoke API keys
    #[command(subcommand)]
    Key(key::Key),
    /// Issue, list and revoke OAuth tokens
    #[command(subcommand)]
    Token(token::Token),
    /// Add, list and remove OAuth clients
    #[command(subcommand)]
    Client(clients::OAuthClient),
    /// Explain, check and list permissions
    #[command(subcommand)]
    Permissions(permissions::Action),
    /// Check and reload the configuration file
    #[command(subcommand)]
    Config(config::Action),
    /// Search and verify the audit log
    #[command(subcommand)]
    Audit(audit::Action),
    /// Write a backup of the running host to a file, or verify one
    Backup(backup::Backup),
    /// Create a data directory from a backup; the directory must not exist, or must be empty
    Restore(backup::Restore),
    /// Log in to a remote host with a browser, and store the login as a profile
    Login(login::Login),
    /// Revoke the login of a profile and delete it
    Logout,
    /// Serve MCP on standard input and output, for assistants that start a program
    Mcp,
    /// Check that the sandbox limits are enforced on this machine
    Doctor(doctor::Doctor),
    /// Compile the component on standard input; hosts start this process for themselves
    #[command(hide = true)]
    CompileWorker(compile_worker::CompileWorkerArguments),
    /// Print the completion script of a shell; it completes commands and arguments by asking the host
    Completion {
        /// The shell
        shell: Shell,
    },
}

/// How to run a host.
#[derive(Args, Debug)]
struct Serve {
    /// Configuration file [default: muster.yaml in the data directory, if it exists]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address to listen on, instead of the configured one; port 0 selects a free port
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// Format of log lines
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    // A shell that asks what could be written is answered, and nothing is done.
    muster_cli::begin(Cli::command);
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
