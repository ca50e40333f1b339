//! Puts the parts together and runs them until the host is stopped.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::{OptionFuture, join_all};
use muster_audit::KeptAudit;
use muster_builtin::Services;
use muster_core::audit::Audit;
use muster_core::authn::{Accounts, Authenticator, Bearers, Keys, Passwords};
use muster_core::clock::Clock;
use muster_core::command::Origin;
use muster_core::dispatch::Dispatcher;
use muster_core::oauth::{AuthorizationServer, Clients};
use muster_core::random::Random;
use muster_core::storage::Storage;
use muster_frontend::http::entrance::Entrance;
use muster_frontend::http::listen::{
    ConnectionLimits, Connections, ListenerConfig, Tls, Unsent, bind_local, serve_local, serve_tcp,
};
use muster_frontend::mcp::Mcp;
use muster_frontend::oauth::OAuth;
use muster_frontend::openapi::OpenApi;
use muster_frontend::rest::Rest;
use muster_frontend::xmlrpc::XmlRpc;
use muster_frontend::xmpp::{self, Xmpp};
use muster_issuer::TrustedIssuers;
use muster_storage::RedbStorage;
use muster_wasm::{Lifecycle, Loader};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::backup;
use crate::certificates::Certificates;
use crate::clock::SystemClock;
use crate::config::{self, Config, Listener};
use crate::control::{Configured, Process};
use crate::descriptors;
use crate::events::Events;
use crate::logging::LogLevel;
use crate::maintenance;
use crate::passwords::Argon2Passwords;
use crate::place;
use crate::random::SystemRandom;
use crate::service;
use crate::signals::Signals;
use muster_cli::ownership;
use muster_cli::trust;

/// File name of the configuration, where none is given.
pub const CONFIG: &str = "muster.yaml";

/// How long the end of the host waits for the last audit records to be written.
const CLOSED_WITHIN: Duration = Duration::from_secs(10);

/// The part of all connections that one network may have, where nothing else is said: one of so many.
const PARTS_PER_ADDRESS: usize = 4;

/// How the host is started.
#[derive(Clone, Debug)]
pub struct Options {
    /// State, socket and compiled code go here.
    pub data: PathBuf,
    /// The configuration file. Without, `muster.yaml` in the data directory if there is one, else the defaults.
    pub config: Option<PathBuf>,
    /// Overrides the configured address.
    pub listen: Option<SocketAddr>,
    /// Log lines as JSON.
    pub log_json: bool,
    /// Serve a data directory that others can write to, too.
    pub insecure_data: bool,
}

/// Runs the host until it is told to stop, by a signal or by the command `stop`.
///
/// # Errors
/// A sentence for the operator when it cannot start.
pub fn run(options: &Options) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("the runtime cannot start: {error}"))?;
    let result = runtime.block_on(run_host(options));
    // Work on blocking threads (hashing, compiling) is not waited for: nothing of it is acknowledged.
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}

/// The configuration file: the given one, or else that of the data directory if there is one.
pub(crate) fn config_file(given: Option<&Path>, data: &Path) -> Option<PathBuf> {
    given.map(Path::to_path_buf).or_else(|| Some(data.join(CONFIG)).filter(|file| file.exists()))
}

async fn run_host(options: &Options) -> Result<(), String> {
    let signals = Signals::take()?;
    let config_file = config_file(options.config.as_deref(), &options.data);
    // Everything is checked before anything is opened.
    let mut config = Config::read_or_default(config_file.as_deref())?;
    let configured = Configured::of(&config);
    if let Some(address) = options.listen {
        config.listen = vec![Listener::plain(address)];
    }
    let log_level = Arc::new(LogLevel::start(&config.log_level, options.log_json));
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&options.data)
        .map_err(|error| format!("the data directory {} cannot be created: {error}", options.data.display()))?;
    if !options.insecure_data {
        ownership::check_data(&options.data)?;
    }
    let lock = place::lock(&options.data)?;
    place::check_store(&options.data)?;
    let socket = options.data.join(muster_cli::SOCKET);
    place::check_socket(&socket)?;
    let sockets = Sockets::open(&config.listen).await?;
    let local = bind_local(&socket).map_err(|error| format!("{} cannot be opened: {error}", socket.display()))?;
    let socket_file = place::Removed(socket.clone());

    let (stopping, stop) = watch::channel(false);
    let start = Start {
        config_file,
        log_level: Arc::clone(&log_level),
        address: sockets.first_url()?,
        configured,
        stopping: stopping.clone(),
        certificates: sockets.certificates(),
    };
    let host = assemble(&options.data, &config, start).await?;
    let rest = Rest::new(Arc::clone(&host.dispatcher), config.body_bytes_max).router();
    let oauth = OAuth::new(Arc::clone(&host.dispatcher), Arc::clone(&host.tokens), Arc::new(SystemRandom));
    let openapi = OpenApi::new(Arc::clone(&host.dispatcher)).router();
    let mcp = muster_frontend::mcp::Settings { message_bytes_max: config.body_bytes_max, ..config.mcp.clone() };
    let mcp = Mcp::new(Arc::clone(&host.dispatcher), mcp);
    let mut rest =
        rest.merge(oauth.map_err(|error| error.to_string())?.router()).merge(openapi).merge(mcp.clone().router());
    if let Some(path) = &config.xmlrpc {
        let wire = XmlRpc::new(Arc::clone(&host.dispatcher), config.body_bytes_max)?;
        rest = rest.merge(wire.router(path));
    }
    // Where there is no such file, the machine's name is one that has to be listed.
    let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let unsent = Unsent::new(config.unsent_bytes_max, config.unsent_bytes_per_caller_max);
    let entrance = config.entrance.clone();
    let rest =
        Entrance::new(Arc::clone(&host.dispatcher), random_u64()?, entrance, unsent, machine.trim()).before(rest);
    let xmpp = match &config.xmpp {
        Some(xmpp) => {
            let settings = xmpp_settings(xmpp, config.drain_deadline)?;
            Some(Xmpp::new(Arc::clone(&host.dispatcher), settings, random_u64()?, Arc::new(SystemRandom)))
        }
        None => None,
    };
    let limits = connection_limits(&config);
    let owner = ownership::own_uid();
    let signals = signals.take_all()?;
    announce(&sockets, &socket)?;
    service::ready();
    let (signals, certificates) = (signals.follow(&host.dispatcher, stopping), sockets.certificates());
    let connections = Connections::new(limits);
    let network = sockets.0.into_iter();
    let network = network.map(|(tcp, door)| serve_tcp(tcp, door, rest.clone(), Arc::clone(&connections), stop.clone()));
    tokio::select! {
        _ = async {
            tokio::join!(
                maintenance::run(Arc::clone(&host.keys), Arc::clone(&host.tokens), stop.clone()),
                mcp.close_with(stop.clone()),
                join_all(network),
                OptionFuture::from(xmpp.map(|xmpp| xmpp.run(stop.clone()))),
                serve_local(local, owner, rest.clone(), limits, stop.clone()),
            )
        } => {}
        () = signals => {}
        () = service::follow(stop.clone()) => {}
        () = certificates.follow(&host.journal) => {}
        () = maintenance::evict_idle(&host.plugins) => {}
        () = log_level.count_dropped() => {}
    }
    host.journal.event("stopped", json!({}));
    let audit = host.audit.clone();
    drop(host);
    if let Some(audit) = audit {
        // What is waiting is written, and the head anchored, unless the disk stalls.
        let closed = tokio::task::spawn_blocking(move || audit.close());
        if tokio::time::timeout(CLOSED_WITHIN, closed).await.is_err() {
            tracing::error!("writing the last audit records failed; they are lost");
        }
    }
    drop((socket_file, lock));
    tracing::info!("stopped");
    Ok(())
}

/// The bounds on connections, as many as this process can have.
fn connection_limits(config: &Config) -> ConnectionLimits {
    let connections_max = descriptors::connections(config.connections_max);
    ConnectionLimits {
        connections_max,
        connections_per_address_max: config
            .connections_per_address_max
            .unwrap_or_else(|| connections_max.div_ceil(PARTS_PER_ADDRESS)),
        idle_deadline_ms: config.idle_deadline_ms,
        write_deadline_ms: config.write_deadline_ms,
        drain_deadline_ms: u64::try_from(config.drain_deadline.as_millis()).unwrap_or(u64::MAX),
        ..ConnectionLimits::default()
    }
}

/// The server this host is a component of, with the certificates read its TLS is made of.
fn xmpp_settings(xmpp: &config::Xmpp, drain_deadline: Duration) -> Result<xmpp::Settings, String> {
    let tls = match &xmpp.tls {
        Some(tls) => Some((tls.name.clone(), Arc::new(trust::client_config(tls.ca.as_deref())?))),
        None => None,
    };
    Ok(xmpp::Settings {
        server: xmpp.server.clone(),
        domain: xmpp.domain.clone(),
        secret: xmpp.secret.clone(),
        tls,
        trusted_domains: xmpp.trusted_domains.clone(),
        drain_deadline,
    })
}

/// The sockets ReST is served at, with what sets each apart.
struct Sockets(Vec<(TcpListener, Arc<ListenerConfig>)>);

impl Sockets {
    /// Opens every socket, once every file its TLS is made of was read.
    async fn open(listeners: &[Listener]) -> Result<Self, String> {
        let mut doors = Vec::new();
        for listener in listeners {
            let tls = listener.tls.clone().map(Tls::load).transpose().map_err(|error| error.to_string())?;
            let tag = listener.tag.as_deref().map(Arc::from);
            let trusted_proxies = listener.trusted_proxies.clone();
            doors.push((listener.address, Arc::new(ListenerConfig { tag, trusted_proxies, tls: tls.map(Arc::new) })));
        }
        let mut sockets = Vec::new();
        for (address, door) in doors {
            let bound = TcpListener::bind(address).await;
            sockets.push((bound.map_err(|error| format!("{address} cannot be opened: {error}"))?, door));
        }
        Ok(Self(sockets))
    }

    /// How clients reach the host, if nothing else says so.
    fn first_url(&self) -> Result<String, String> {
        self.0.first().map_or_else(|| Ok(String::new()), |(socket, door)| url(socket, door))
    }

    fn certificates(&self) -> Certificates {
        Certificates(self.0.iter().filter_map(|(_, door)| door.tls.clone()).collect())
    }
}

/// What the process brings to the host it runs.
pub(crate) struct Start {
    pub(crate) config_file: Option<PathBuf>,
    pub(crate) log_level: Arc<LogLevel>,
    pub(crate) address: String,
    pub(crate) configured: Configured,
    pub(crate) stopping: watch::Sender<bool>,
    pub(crate) certificates: Certificates,
}

/// What must live as long as the host.
pub(crate) struct Host {
    pub(crate) dispatcher: Arc<Dispatcher>,
    pub(crate) tokens: Arc<AuthorizationServer>,
    pub(crate) keys: Arc<Keys>,
    pub(crate) plugins: Arc<Lifecycle>,
    pub(crate) audit: Option<Arc<KeptAudit>>,
    pub(crate) journal: Events,
    /// Commands hold these weakly or through the registry; the host holds them for good.
    _parts: (Arc<Services>, Arc<Process>),
}

pub(crate) async fn assemble(data: &Path, config: &Config, start: Start) -> Result<Host, String> {
    let store = RedbStorage::open(&data.join(place::STORE))
        .map_err(|error| format!("the store in {} cannot be opened: {error}", data.display()))?;
    let store = Arc::new(store);
    let storage: Arc<dyn Storage> = Arc::clone(&store) as _;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let passwords: Arc<dyn Passwords> = Arc::new(Argon2Passwords::new()?);
    let random: Arc<dyn Random> = Arc::new(SystemRandom);
    let told = |error: muster_core::error::CallError| error.to_string();
    let accounts = Accounts::new(Arc::clone(&storage), Arc::clone(&passwords), Arc::clone(&clock), Arc::clone(&random));
    let accounts = Arc::new(accounts.map_err(told)?);
    for (name, what) in accounts.adopt_old_names().await.map_err(told)? {
        tracing::warn!(
            account = name.escape_debug().to_string(),
            "the name of this account {what}; create an account with another name"
        );
    }
    let clients =
        Clients::new(Arc::clone(&storage), Arc::clone(&accounts), passwords, Arc::clone(&clock), Arc::clone(&random));
    let tokens = Arc::new(AuthorizationServer::new(
        Arc::clone(&storage),
        Arc::clone(&accounts),
        clients.map_err(told)?,
        Arc::clone(&clock),
        Arc::clone(&random),
    ));
    let keys = Arc::new(Keys::new(Arc::clone(&storage), Arc::clone(&accounts), Arc::clone(&clock), random));
    let issuers = Arc::new(TrustedIssuers::new(Arc::clone(&clock)));
    let authenticator = Authenticator::new(Bearers {
        accounts: Arc::clone(&accounts),
        server: Arc::clone(&tokens),
        keys: Arc::clone(&keys),
        issuers: Arc::clone(&issuers) as _,
    });
    let audit = match config.audit.clone() {
        None => None,
        Some(options) => {
            let (storage, clock) = (Arc::clone(&storage), Arc::clone(&clock));
            Some(Arc::new(KeptAudit::open(&data.join(backup::AUDIT_FOLDER), options, storage, clock).await?))
        }
    };
    let recorder = audit.clone().map(|audit| audit as Arc<dyn Audit>);
    let journal = Events { audit: recorder.clone(), clock: Arc::clone(&clock) };
    let mut dispatcher = Dispatcher::new(authenticator, clock, config.call_deadline);
    if let Some(recorder) = recorder.clone() {
        dispatcher = dispatcher.with_audit(recorder);
    }
    let dispatcher = Arc::new(dispatcher);
    let process = Arc::new(Process {
        config_file: start.config_file,
        log_level: start.log_level,
        dispatcher: Arc::downgrade(&dispatcher),
        accounts: Arc::clone(&accounts),
        tokens: Arc::clone(&tokens),
        issuers,
        address: start.address,
        stopping: start.stopping,
        started: Instant::now(),
        listen: config.listen.clone(),
        configured: start.configured,
        certificates: start.certificates,
        journal: journal.clone(),
        data: data.to_path_buf(),
        storage: store,
    });
    process.apply(config.clone());

    let loader = Loader::new(config.limits, Some(&data.join("code")), Arc::clone(&storage))
        .map_err(|error| error.to_string())?
        .with_compile_worker(crate::commands::compile_worker_of(&config.limits)?);
    tracing::info!(pooling = loader.info().pooling, "engine ready");
    let available = config.plugins_available.clone().unwrap_or_else(|| data.join("available"));
    let plugins = Arc::new(Lifecycle::new(Arc::new(loader), storage, Arc::clone(&dispatcher), available));
    let services = Arc::new(Services {
        accounts,
        keys: Arc::clone(&keys),
        tokens: Arc::clone(&tokens),
        plugins: Arc::clone(&plugins) as _,
        control: Arc::clone(&process) as _,
        dispatcher: Arc::downgrade(&dispatcher),
        audit: recorder,
    });
    let commands = muster_builtin::commands(&services)?;
    dispatcher.registry().replace(&Origin::Builtin, commands).map_err(|error| error.to_string())?;
    plugins.restore().await.map_err(|error| error.to_string())?;
    process.warn_about_rules();
    backup::sweep(data);
    say_restored(data, &journal).await?;
    journal.event("started", json!({ "version": env!("CARGO_PKG_VERSION") }));
    Ok(Host { dispatcher, tokens, keys, plugins, audit, journal, _parts: (services, process) })
}

/// Records that the directory was made of a backup, once.
async fn say_restored(data: &Path, journal: &Events) -> Result<(), String> {
    let file = data.join(backup::RESTORED);
    let Ok(text) = std::fs::read(&file) else { return Ok(()) };
    let header: serde_json::Value = serde_json::from_slice(&text).unwrap_or_default();
    let part = |key: &str| header.get(key).cloned().unwrap_or_default();
    journal.event_durably("restored", json!({ "backup_time": part("time"), "muster": part("muster") })).await?;
    tracing::info!(backup_time = %part("time"), "the data directory was restored from a backup");
    std::fs::remove_file(&file).map_err(|error| format!("{} cannot be removed: {error}", file.display()))
}

/// One line on standard output that the process that started the host can wait for.
fn announce(sockets: &Sockets, local: &Path) -> Result<(), String> {
    let mut line = "ready: ".to_owned();
    for (socket, door) in &sockets.0 {
        let _ = write!(line, "{} and ", url(socket, door)?);
    }
    let mut output = std::io::stdout().lock();
    writeln!(output, "{line}{}", local.display()).and_then(|()| output.flush()).map_err(|error| error.to_string())
}

fn url(socket: &TcpListener, door: &ListenerConfig) -> Result<String, String> {
    let scheme = if door.tls.is_some() { "https" } else { "http" };
    let address = socket.local_addr().map_err(|error| error.to_string())?;
    Ok(format!("{scheme}://{address}"))
}

fn random_u64() -> Result<u64, String> {
    getrandom::u64().map_err(|error| error.to_string())
}
