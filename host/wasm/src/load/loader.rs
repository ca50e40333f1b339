//! From bytes to commands that can be registered: inspect → imports against grants → compile → link → describe →
//! check. Nothing outside changes on the way.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use muster_component::Grants;
use muster_component::LoadError;
use muster_component::core_module;
use muster_component::functions::{Docs, Functions};
use muster_component::inspect::{COMMANDS, Inspection, inspect};
use muster_component::toolchain;
use muster_core::command::{Command, Origin};
use muster_core::dispatch::Dispatcher;
use muster_core::invoke::Invoke;
use muster_core::name::PluginName;
use muster_core::plugins::Isolation;
use muster_core::printable;
use muster_core::registry::Registered;
use muster_core::storage::Storage;
use serde_json::Value;
use wasmtime::Engine;
use wasmtime::component::{Component, Linker};
use wasmtime_wasi::I32Exit;

use crate::bindings::muster::plugin::types::Command as Described;
use crate::capability::{self, Granted, LogRate, Quotas};
use crate::limits::Limits;
use crate::load::code_cache::CodeCache;
use crate::load::compile_worker::CompileWorker;
use crate::load::describe;
use crate::load::engine::{self, EngineError, EngineInfo};
use crate::run::concurrency::ConcurrencyLimits;
use crate::run::instance_pool::InstancePool;
use crate::run::invoke::{PluginCommand, Prepared, Shared, limit_of};
use crate::run::quarantine::FaultTracker;
use crate::run::scheduling::ComputeRuntime;
use crate::run::store::{PluginContext, PluginState, new_store};

/// Shortest secret that is looked for in what a guest logs, in bytes.
const SECRET_BYTES_LEAST: usize = 4;
/// Longest reason of a guest that refuses to describe its commands, in characters.
const MESSAGE_CHARS_MAX: usize = 1000;
/// Components that are remembered as harmless to look into.
const KNOWN_MAX: usize = 10_000;

/// How long the steps of one load took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timings {
    /// Whether the compiled code was in the cache.
    pub cached: bool,
    /// Reading the component's sections and validating it.
    pub inspect: Duration,
    /// Compiling, or mapping compiled code.
    pub compile: Duration,
    /// Linking.
    pub link: Duration,
    /// Asking the guest for its commands, or thawing them.
    pub describe: Duration,
}

/// What a load needs to know besides the component.
#[derive(Clone, Debug)]
pub(crate) struct LoadRequest {
    pub(crate) component: Bytes,
    pub(crate) name: Option<PluginName>,
    pub(crate) terms: PluginSettings,
    /// What is said about its functions, if it does not describe its commands itself.
    pub(crate) docs: Docs,
    /// The commands as they were described before, if this component was loaded before.
    pub(crate) encoded: Option<Vec<Value>>,
}

/// What an operator gives a plugin, and keeps from version to version.
#[derive(Clone, Debug, Default)]
pub(crate) struct PluginSettings {
    /// What it may do.
    pub(crate) grants: Vec<String>,
    /// Settings it can read.
    pub(crate) settings: BTreeMap<String, String>,
    /// Who shares an instance.
    pub(crate) isolation: Isolation,
}

/// A plugin that could be registered now.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) name: PluginName,
    pub(crate) origin: Origin,
    pub(crate) inspection: Inspection,
    pub(crate) commands: Vec<Registered>,
    /// What its author may not have meant.
    pub(crate) notes: Vec<String>,
    /// What the plugin's calls share.
    pub(crate) context: Arc<PluginContext>,
    pub(crate) timings: Timings,
}

/// Loads components. One for each host.
pub struct Loader {
    engine: Engine,
    info: EngineInfo,
    cache: Option<CodeCache>,
    /// Where compiled code is kept.
    code: Option<PathBuf>,
    /// How to start a process that tries components out.
    worker: Option<CompileWorker>,
    /// Components from which one came back, by digest.
    known: Mutex<HashSet<String>>,
    /// Held while one is tried out: each may take all the memory there is for that, and compiling takes every processor.
    trying: Mutex<()>,
    /// The host's own data, which no plugin sees.
    data: Option<PathBuf>,
    linker: Linker<PluginState>,
    limits: Limits,
    storage: Arc<dyn Storage>,
    shared: Arc<Shared>,
    quotas: Quotas,
    loads: AtomicU64,
}

impl std::fmt::Debug for Loader {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Loader").field("info", &self.info).field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Loader {
    /// Makes the engine and what all plugins share. Compiled code is kept below `cache`, if anywhere.
    ///
    /// # Errors
    /// When no engine can be made, or the cache directory cannot.
    pub fn new(limits: Limits, cache: Option<&Path>, storage: Arc<dyn Storage>) -> Result<Self, EngineError> {
        let (engine, info) = engine::build(&limits)?;
        let (code, data) = (cache.map(Path::to_owned), cache.and_then(Path::parent).map(Path::to_owned));
        let cache = cache.map(|directory| CodeCache::open(directory, &engine)).transpose();
        let cache = cache
            .map_err(|error| EngineError::new(format!("the directory for compiled code cannot be created: {error}")))?;
        if let Some(cache) = &cache {
            cache.sweep();
        }
        let mut linker = Linker::new(&engine);
        capability::add_always(&mut linker).map_err(|error| EngineError::new(format!("{error:#}")))?;
        let compute = ComputeRuntime::start()
            .map_err(|error| EngineError::new(format!("the threads for long calls cannot start: {error}")))?;
        let shared = Arc::new(Shared {
            concurrency: Arc::new(ConcurrencyLimits::new(&limits)),
            pool: InstancePool::new(&limits),
            compute,
        });
        Ok(Self {
            engine,
            info,
            cache,
            code,
            worker: None,
            known: Mutex::default(),
            trying: Mutex::default(),
            data,
            linker,
            limits,
            storage,
            shared,
            quotas: Quotas::default(),
            loads: AtomicU64::new(0),
        })
    }

    /// Components are tried in a process of their own first. Without, they are looked into at once, which is for programs
    /// that can end with them.
    #[must_use]
    pub fn with_compile_worker(self, worker: CompileWorker) -> Self {
        Self { worker: Some(worker), ..self }
    }

    /// What is in a component, without compiling or running it.
    ///
    /// # Errors
    /// When it is none, or too much for the process that looked into it first.
    pub(crate) async fn inspect(self: &Arc<Self>, component: &Bytes) -> Result<Inspection, LoadError> {
        let (loader, component) = (Arc::clone(self), component.clone());
        blocking(move || loader.inspect_blocking(&component)).await
    }

    /// As [`Loader::inspect`], on this thread.
    ///
    /// # Errors
    /// As [`Loader::inspect`].
    pub(crate) fn inspect_blocking(&self, component: &[u8]) -> Result<Inspection, LoadError> {
        self.compile_in_worker(component, None)?;
        inspect(component)
    }

    /// Has a process of its own look into a component, and compile it where code is kept. Once one came back from it, it
    /// is not asked again. Blocks.
    fn compile_in_worker(&self, component: &[u8], code: Option<&Path>) -> Result<(), LoadError> {
        let Some(worker) = &self.worker else { return Ok(()) };
        let digest = muster_component::inspect::digest(component);
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let trying = self.trying.lock().unwrap_or_else(PoisonError::into_inner);
        if code.is_none() && known().contains(&digest) {
            return Ok(());
        }
        worker.compile(component, code)?;
        drop(trying);
        let mut known = known();
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(digest);
        drop(known);
        Ok(())
    }

    /// Which settings of the engine took effect.
    pub fn info(&self) -> EngineInfo {
        self.info
    }

    /// The bounds on guests.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Lets go of instances that waited for a call too long; tells how many.
    pub(crate) fn evict_idle(&self) -> usize {
        self.shared.pool.evict(Instant::now())
    }

    /// Loads a component. Inspecting and compiling block, so they happen on a thread for that.
    pub(crate) async fn load(
        self: &Arc<Self>,
        wish: LoadRequest,
        dispatcher: Weak<Dispatcher>,
    ) -> Result<Loaded, LoadError> {
        let loader = Arc::clone(self);
        let ((name, inspection, prepared, mut timings), wish) =
            blocking(move || loader.prepare(&wish, dispatcher).map(|done| (done, wish))).await?;
        let version = inspection.version.clone().unwrap_or_else(|| "0.0.0".to_owned());
        let origin = Origin::Plugin { name: name.clone(), version };
        let started = Instant::now();
        let commands = self.commands(&wish, &inspection, &prepared, &origin).await;
        let (commands, notes) = commands.map_err(|error| toolchain::explain(error, &inspection.producers))?;
        timings.describe = started.elapsed();
        let context = Arc::clone(&prepared.context);
        let plugin = Arc::new(prepared);
        let register = |command: Command| {
            let invoke = Arc::new(PluginCommand::new(&plugin, &command)) as Arc<dyn Invoke>;
            Registered { command, invoke }
        };
        let commands = commands.into_iter().map(register).collect();
        Ok(Loaded { name, origin, inspection, commands, notes, context, timings })
    }

    /// The commands of a plugin: as it was known before, as its types say, or as it says itself; and what their author may
    /// not have meant.
    async fn commands(
        &self,
        wish: &LoadRequest,
        inspection: &Inspection,
        prepared: &Prepared,
        origin: &Origin,
    ) -> Result<(Vec<Command>, Vec<String>), LoadError> {
        let without_notes = |commands: Result<Vec<Command>, LoadError>| commands.map(|commands| (commands, Vec::new()));
        if let Some(encoded) = &wish.encoded {
            return without_notes(encoded.iter().map(|encoded| describe::decode(encoded, origin)).collect());
        }
        // Also where its types say it all: a component that cannot start is no plugin.
        let described = self.describe(prepared).await?;
        if let Some(functions) = &inspection.functions {
            return without_notes(functions.commands.iter().map(|function| function.command(origin)).collect());
        }
        let notes = describe::notes(&described);
        let described = describe::from_guest(described, origin)?;
        if let Some(manifest) = &inspection.manifest {
            manifest.check_described(&described.iter().map(describe::encode).collect::<Vec<_>>())?;
        }
        Ok((described, notes))
    }

    fn prepare(
        &self,
        wish: &LoadRequest,
        dispatcher: Weak<Dispatcher>,
    ) -> Result<(PluginName, Inspection, Prepared, Timings), LoadError> {
        let started = Instant::now();
        // Compiled code that can be used shows that one came back from it before.
        let digest = muster_component::inspect::digest(&wish.component);
        let ready = self.cache.as_ref().and_then(|cache| cache.read(&self.engine, &digest));
        let cached = ready.is_some();
        if !cached {
            let tried = self.compile_in_worker(&wish.component, self.code.as_deref());
            tried.map_err(|error| explain_not_compiled(error, &wish.component))?;
        }
        let apart = started.elapsed();
        let started = Instant::now();
        let inspection = inspect(&wish.component)?;
        let producers = inspection.producers.clone();
        let fitted = self.fit(wish, inspection, ready, dispatcher, started);
        let (name, inspection, prepared, mut timings) =
            fitted.map_err(|error| toolchain::explain(error, &producers))?;
        timings.compile += apart;
        timings.cached = cached;
        Ok((name, inspection, prepared, timings))
    }

    /// Compiles and links what was looked into.
    fn fit(
        &self,
        wish: &LoadRequest,
        inspection: Inspection,
        ready: Option<Component>,
        dispatcher: Weak<Dispatcher>,
        started: Instant,
    ) -> Result<(PluginName, Inspection, Prepared, Timings), LoadError> {
        let mut timings = Timings::default();
        let name = inspection.plugin_name(wish.name.as_ref())?;
        let component = core_module::to_component(&wish.component)?;
        let inspection = with_docs(inspection, &component, &wish.docs)?;
        let grants = Grants::parse(&wish.terms.grants)?;
        muster_component::imports::check_imports(&inspection.imports, &grants)?;
        let manifest = inspection.manifest.clone().unwrap_or_default();
        let settings = manifest.settings(&wish.terms.settings)?;
        timings.inspect = started.elapsed();

        let started = Instant::now();
        let compiled = match (ready, &self.cache) {
            (Some(ready), _) => Ok(ready),
            (None, Some(cache)) => cache.compile(&self.engine, &inspection.digest, &component),
            (None, None) => Component::new(&self.engine, &component),
        };
        let component = compiled.map_err(|error| not_compiled(&error, &self.limits))?;
        timings.compile = started.elapsed();

        let started = Instant::now();
        let granted = self.granted(&name, grants.clone())?;
        let secrets = manifest.secrets(&settings);
        let values =
            settings.iter().filter(|(name, value)| secrets.contains(*name) && value.len() >= SECRET_BYTES_LEAST);
        let context = PluginContext {
            id: self.loads.fetch_add(1, Ordering::Relaxed),
            name: name.as_str().to_owned(),
            granted,
            secret_values: values.map(|(_, value)| value.clone()).collect(),
            secrets,
            settings,
            storage: Arc::clone(&self.storage),
            dispatcher,
            limits: self.limits,
            isolation: wish.terms.isolation,
            watch: FaultTracker::new(&self.limits),
            log_rate: Arc::new(LogRate::new(&self.limits)),
        };
        let link = || {
            let mut linker = self.linker.clone();
            capability::add_granted(&mut linker, &grants)?;
            let instance = linker.instantiate_pre(&component)?;
            Prepared::new(
                self.engine.clone(),
                context,
                instance,
                inspection.functions.clone(),
                Arc::clone(&self.shared),
            )
        };
        let prepared = link().map_err(|error: wasmtime::Error| LoadError::Link(format!("{error:#}")))?;
        timings.link = started.elapsed();
        Ok((name, inspection, prepared, timings))
    }

    /// Makes what the plugin's calls share of its grants. Blocks, where its data must be counted.
    fn granted(&self, name: &PluginName, grants: Grants) -> Result<Granted, LoadError> {
        let quota = grants.keyvalue().map(|_| {
            let quota = self.quotas.of(name.as_str(), &self.limits, &*self.storage);
            tokio::runtime::Handle::current().block_on(quota)
        });
        Granted::new(grants, quota.transpose()?, &self.limits, self.data.as_deref())
    }

    /// Asks the guest for its commands, under the limits of any call.
    async fn describe(&self, prepared: &Prepared) -> Result<Vec<Described>, LoadError> {
        let time = Duration::from_millis(self.limits.describe_deadline_ms);
        let mut store = new_store(&self.engine, &prepared.context, None, Instant::now() + time);
        let Ok(answered) = tokio::time::timeout(time, prepared.describe(&mut store)).await else {
            return Err(LoadError::Describe(format!("it took longer than {} ms", time.as_millis())));
        };
        match answered {
            Ok(Ok(described)) => Ok(described),
            Ok(Err(message)) => Err(LoadError::Refuses(printable::cut(&message, MESSAGE_CHARS_MAX))),
            Err(error) => Err(match limit_of(store.data(), &error) {
                Some(limit) => LoadError::Limit { limit, bound: prepared.context.limits.shown(limit) },
                None => LoadError::Describe(why(store.data(), &error)),
            }),
        }
    }
}

/// A refusal of the process that compiles, with what the users of the tools that made the component do about it. Where that
/// process could not compile it, it came back from looking into it.
fn explain_not_compiled(error: LoadError, component: &[u8]) -> LoadError {
    if !matches!(error, LoadError::Compile(_) | LoadError::Asynchronous) {
        return error;
    }
    let producers = inspect(component).map(|inspection| inspection.producers).unwrap_or_default();
    toolchain::explain(error, &producers)
}

/// Why a component was not compiled: the pool is as large as the limits say, and wasmtime has no type for what is larger.
fn not_compiled(error: &wasmtime::Error, limits: &Limits) -> LoadError {
    let text = format!("{error:#}");
    if text.contains("module table does not fit in pooling allocator") {
        let limit = "table_elements_max";
        return LoadError::Limit { limit, bound: limits.shown(limit) };
    }
    LoadError::not_compiled(&text)
}

/// Does what takes a while, on a thread for that.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, LoadError> + Send + 'static,
) -> Result<T, LoadError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| LoadError::Compile(error.to_string()))?
}

/// The same with what is said about the functions of a component that does not speak the contract. At least one must be
/// a command.
fn with_docs(inspection: Inspection, component: &[u8], docs: &Docs) -> Result<Inspection, LoadError> {
    if inspection.functions.is_none() {
        return Ok(inspection);
    }
    let functions = Functions::read(component, docs)?;
    if !functions.commands.is_empty() {
        return Ok(Inspection { functions: Some(functions), ..inspection });
    }
    let shown: Vec<String> = match functions.skipped.as_slice() {
        [] => inspection.exports.iter().take(8).map(|export| format!("`{export}`")).collect(),
        skipped => skipped.iter().take(8).map(|skipped| format!("`{}` ({})", skipped.export, skipped.reason)).collect(),
    };
    let exported = if shown.is_empty() { "nothing".to_owned() } else { shown.join(", ") };
    Err(LoadError::WrongWorld { wanted: COMMANDS, exported })
}

/// Why a guest did not describe itself, and what it wrote before, as it wrote it: the error that has it escapes it.
fn why(state: &PluginState, error: &wasmtime::Error) -> String {
    let panic = state.log.panic();
    let why = match (&panic, error.downcast_ref::<I32Exit>()) {
        (Some(message), _) => format!("panicked: {message}"),
        (None, Some(exit)) => format!("exited with status {}", exit.0),
        (None, None) => error.root_cause().to_string().lines().next().unwrap_or_default().to_owned(),
    };
    let wrote = state.log.last_words();
    if wrote.is_empty() || panic.is_some_and(|panic| wrote == panic.trim_end()) {
        return why;
    }
    format!("{why}; it wrote:\n{wrote}")
}
