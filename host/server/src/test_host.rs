//! A whole host in a directory that is thrown away: no sockets, no configuration file, the console's rights. Plugins can be
//! tried in it as they will run, and nothing of it stays.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use muster_core::authn::{Credential, Source};
use muster_core::caller::{Authority, Caller, Identity, RequestId};
use muster_core::dispatch::{Head, Outcome};
use muster_core::error::CallError;
use muster_core::name::FrontendName;
use muster_core::plugins::{InstallRequest, PluginInfo, Plugins};
use muster_core::registry::Registered;
use muster_core::schema::Unread;
use tokio::sync::watch;

use crate::certificates::Certificates;
use crate::config::Config;
use crate::control::Configured;
use crate::logging::{GUESTS_ONLY, LogLevel};
use crate::serve::{Host, Start, assemble};

/// How often its directory is tried to be removed.
const REMOVALS_MAX: u32 = 100;

/// Such a host.
pub(crate) struct TestHost {
    host: Option<Host>,
    directory: PathBuf,
    _stop: watch::Receiver<bool>,
}

impl TestHost {
    /// Starts one under this configuration's limits.
    pub(crate) async fn start(config: &Config) -> Result<Self, String> {
        let unique = getrandom::u64().map_err(|error| error.to_string())?;
        let directory = std::env::temp_dir().join(format!("muster-testbed-{unique:016x}"));
        // Settings are kept in it, secret ones too.
        let made = DirBuilder::new().mode(0o700).create(&directory);
        made.map_err(|error| format!("{} cannot be created: {error}", directory.display()))?;
        let (stopping, stop) = watch::channel(false);
        let start = Start {
            config_file: None,
            log_level: Arc::new(LogLevel::start(GUESTS_ONLY, false)),
            address: String::new(),
            configured: Configured::default(),
            stopping,
            certificates: Certificates(Vec::new()),
        };
        let log_level = GUESTS_ONLY.to_owned();
        let config = Config { audit: None, listen: Vec::new(), log_level, ..config.clone() };
        let mut testbed = Self { host: None, directory, _stop: stop };
        testbed.host = Some(assemble(&testbed.directory, &config, start).await?);
        Ok(testbed)
    }

    fn host(&self) -> Result<&Host, String> {
        self.host.as_ref().ok_or_else(|| "the test host did not start".to_owned())
    }

    /// Makes a plugin of a component.
    pub(crate) async fn install(&self, candidate: InstallRequest) -> Result<PluginInfo, String> {
        self.host()?.plugins.install(candidate).await.map_err(|error| error.to_string())
    }

    /// The commands of plugins.
    pub(crate) fn commands(&self) -> Result<Vec<Arc<Registered>>, String> {
        let snapshot = self.host()?.dispatcher.registry().snapshot();
        Ok(snapshot.iter().filter(|registered| registered.command.origin.plugin().is_some()).cloned().collect())
    }

    /// Calls a command as the console does.
    pub(crate) async fn call(&self, name: &str, version: u32, input: &str) -> Result<Outcome, CallError> {
        let request_id = RequestId::from_random(0);
        let caller = Caller {
            identity: Identity::Console,
            authority: Authority::Full,
            record: None,
            via: FrontendName("console"),
            tag: None,
            through_plugin: false,
            address: None,
            request_id: request_id.clone(),
            trace: None,
        };
        let source = Source { via: caller.via, tag: None, address: None, request_id, trace: None };
        let credential = Credential::Authenticated(Arc::new(caller));
        let head = Head { source, credential, name: name.to_owned(), version: Some(version), safe: false };
        let host = self.host().map_err(CallError::internal_from)?;
        let admitted = host.dispatcher.admit(head).await?;
        admitted.call(Unread::Json(input.to_owned().into())).await
    }
}

impl Drop for TestHost {
    fn drop(&mut self) {
        self.host = None;
        // What it began, such as compiling, may put a file there for a moment yet.
        for _ in 0..REMOVALS_MAX {
            if std::fs::remove_dir_all(&self.directory).is_ok() || !self.directory.exists() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
