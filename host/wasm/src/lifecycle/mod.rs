//! Plugins as the operator sees them: install, upgrade, uninstall, and all of them back after a restart.
//!
//! The order of every change is: load everything new beside the old → write it to the store → swap the registry. A
//! failure before the swap changes nothing, and what the store has is what a restart brings back. The old version's
//! last calls keep it alive until they end.
//!
//! A change that was begun is finished even when whoever asked for it is gone (its deadline passed, its connection
//! broke): between the store and the registry there must be no moment at which it can stop.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Instant;

use muster_component::Grants;
use muster_component::LoadError;
use muster_component::functions::Docs;
use muster_core::BoxFuture;
use muster_core::command::Origin;
use muster_core::dispatch::Dispatcher;
use muster_core::error::CallError;
use muster_core::name::PluginName;
use muster_core::plugins::{
    COMPONENT_BYTES_MAX, GrantLine, Health, InstallRequest, Isolation, LimitInfo, PluginError, PluginInfo,
    PluginUpdate, Plugins,
};
use muster_core::registry::Registered;
use muster_core::schema::MASK;
use muster_core::storage::{Expect, Storage, StorageError, list_all};
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};

use crate::limits::{Limit, Limits};
use crate::load::describe;
use crate::load::loader::{LoadRequest, Loaded, Loader, PluginSettings};
use crate::run::store::PluginContext;

const RECORDS: &str = "plugins";
const COMPONENTS: &str = "components";

/// The plugins of one host.
#[derive(Debug)]
pub struct Lifecycle {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    loader: Arc<Loader>,
    storage: Arc<dyn Storage>,
    dispatcher: Arc<Dispatcher>,
    /// Where components lie ready to be installed by name.
    available: PathBuf,
    /// Held through each change, so that changes follow one another.
    changing: Mutex<()>,
    installed: std::sync::Mutex<BTreeMap<PluginName, Installed>>,
}

/// What is remembered of an installed plugin beside its commands.
#[derive(Clone, Debug)]
struct Installed {
    info: PluginInfo,
    terms: PluginSettings,
    /// What its calls share; absent where it could not be loaded.
    context: Option<Arc<PluginContext>>,
}

impl Installed {
    /// What is known about it now.
    fn info(&self) -> PluginInfo {
        let health = self.context.as_ref().map(|context| context.watch.report(Instant::now()));
        PluginInfo { health: health.unwrap_or_default(), ..self.info.clone() }
    }

    /// A plugin that stays installed and has no commands, because of this.
    fn not_loaded(name: PluginName, digest: String, terms: PluginSettings, reason: String) -> Self {
        // Which settings are secret says a component that may be gone.
        let settings = terms.settings.keys().map(|setting| (setting.clone(), MASK.to_owned())).collect();
        let info = PluginInfo {
            name,
            version: String::new(),
            summary: String::new(),
            digest,
            size_bytes: 0,
            imports: Vec::new(),
            requests: Vec::new(),
            grants: terms.grants.clone(),
            commands: Vec::new(),
            settings,
            notes: Vec::new(),
            isolation: terms.isolation,
            health: Health::default(),
            not_loaded: Some(reason),
        };
        Self { info, terms, context: None }
    }

    /// What its calls share.
    ///
    /// # Errors
    /// Where it could not be loaded, with the reason.
    fn context(&self) -> Result<&Arc<PluginContext>, PluginError> {
        let not_loaded = || {
            let (name, reason) = (&self.info.name, self.info.not_loaded.as_deref().unwrap_or_default());
            lost(format!(
                "the plugin `{name}` is installed, but it could not be loaded: {reason}; `muster plugin change {name}` \
                 tries again, and may give it other grants and settings"
            ))
        };
        self.context.as_ref().ok_or_else(not_loaded)
    }
}

/// Carries a load's failure over the border into the words of core.
#[expect(clippy::needless_pass_by_value, reason = "used with map_err")]
fn refused(error: LoadError) -> PluginError {
    if let LoadError::Register(clash) = &error {
        return PluginError::Clash(clash.to_string());
    }
    PluginError::Refused { code: error.code(), text: error.to_string() }
}

/// A plugin that is installed and cannot be had back from the store.
fn lost(text: impl Into<String>) -> PluginError {
    PluginError::Refused { code: "plugin-not-restored", text: text.into() }
}

fn below(error: StorageError) -> PluginError {
    PluginError::Below(error.into())
}

impl Lifecycle {
    /// Plugins that are kept in `storage` and register with `dispatcher`. Components in the directory `available` can
    /// be installed by name.
    pub fn new(
        loader: Arc<Loader>,
        storage: Arc<dyn Storage>,
        dispatcher: Arc<Dispatcher>,
        available: PathBuf,
    ) -> Self {
        let (changing, installed) = (Mutex::new(()), std::sync::Mutex::default());
        Self { shared: Arc::new(Shared { loader, storage, dispatcher, available, changing, installed }) }
    }

    /// Brings back every installed plugin. One that cannot be loaded is reported, and stays installed without commands.
    /// Components that no plugin refers to, left by a crash between two writes, are removed.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn restore(&self) -> Result<(), StorageError> {
        self.shared.restore().await
    }

    /// Lets go of instances that waited for a call too long; tells how many. To be called now and then.
    pub fn evict_idle(&self) -> usize {
        self.shared.loader.evict_idle()
    }

    /// Does `work` to its end, whether or not somebody still waits for it.
    fn finish<T, Fut>(&self, work: impl FnOnce(Arc<Shared>) -> Fut) -> BoxFuture<'_, Result<T, PluginError>>
    where
        T: Send + 'static,
        Fut: Future<Output = Result<T, PluginError>> + Send + 'static,
    {
        let work = work(Arc::clone(&self.shared));
        Box::pin(async move {
            #[expect(clippy::disallowed_methods, reason = "owned by nobody on purpose: it must not end half done")]
            let done = tokio::spawn(work).await;
            done.unwrap_or_else(|error| Err(PluginError::Below(CallError::internal_from(error))))
        })
    }
}

impl Shared {
    async fn restore(&self) -> Result<(), StorageError> {
        let _changing = self.changing.lock().await;
        let mut wanted = Vec::new();
        for key in list_all(&*self.storage, RECORDS).await? {
            let Some(entry) = self.storage.get(RECORDS, &key).await? else { continue };
            let record: Value = serde_json::from_slice(&entry.value).unwrap_or_default();
            let digest = record.get("digest").and_then(Value::as_str).unwrap_or_default().to_owned();
            if let Err(error) = self.restore_one(&key, &record, &digest).await {
                tracing::error!(plugin = key, error = %error, "an installed plugin could not be loaded");
                if let Ok(name) = PluginName::parse(&key) {
                    let terms = PluginSettings::from_record(&record);
                    let installed = Installed::not_loaded(name.clone(), digest.clone(), terms, error.to_string());
                    self.lock_installed().insert(name, installed);
                }
            }
            wanted.push(digest);
        }
        for digest in list_all(&*self.storage, COMPONENTS).await? {
            if !wanted.contains(&digest) {
                self.storage.delete(COMPONENTS, &digest, Expect::Anything).await?;
            }
        }
        Ok(())
    }

    /// The component of an installed plugin.
    async fn component(&self, digest: &str) -> Result<bytes::Bytes, PluginError> {
        let component = self.storage.get(COMPONENTS, digest).await.map_err(below)?;
        component.map(|entry| entry.value.into()).ok_or_else(|| lost("its component is not in the store; upgrade it"))
    }

    async fn restore_one(&self, key: &str, record: &Value, digest: &str) -> Result<(), PluginError> {
        let name = PluginName::parse(key).map_err(|error| lost(error.to_string()))?;
        let component = self.component(digest).await?;
        let terms = PluginSettings::from_record(record);
        let encoded = encoded(record);
        let wish = LoadRequest { component, name: Some(name), terms: terms.clone(), docs: Docs::default(), encoded };
        let loaded = self.loader.load(wish, Arc::downgrade(&self.dispatcher)).await.map_err(refused)?;
        tracing::info!(plugin = key, cached = loaded.timings.cached, "plugin restored");
        self.swap(loaded, terms)
    }

    /// Everything before the first change: the component loaded and its names free. `known` are the commands of a
    /// component that was loaded before.
    async fn prepare(
        &self,
        candidate: InstallRequest,
        expect: Expectation,
        known: Option<Vec<Value>>,
    ) -> Result<(Loaded, PluginSettings, bytes::Bytes), PluginError> {
        let inspection = self.loader.inspect(&candidate.component).await.map_err(refused)?;
        let name = inspection.plugin_name(candidate.name.as_ref()).map_err(refused)?;
        let old = self.lock_installed().get(&name).cloned();
        match (&old, expect) {
            (Some(_), Expectation::Absent) => return Err(PluginError::Installed(name)),
            (None, Expectation::Installed) => return Err(PluginError::Missing(name)),
            _ => {}
        }
        let old = old.map(|old| old.terms).unwrap_or_default();
        let terms = old.changed(candidate.change).map_err(refused)?;
        let wish = LoadRequest {
            component: candidate.component.clone(),
            name: Some(name),
            terms: terms.clone(),
            docs: Docs::new(candidate.docs),
            // What was said of its functions when it was installed is nowhere else; others are asked again, since what
            // they offer may depend on their settings.
            encoded: known.filter(|_| inspection.functions.is_some()),
        };
        let dispatcher: Weak<Dispatcher> = Arc::downgrade(&self.dispatcher);
        let loaded = self.loader.load(wish, dispatcher).await.map_err(refused)?;
        // From here on in their one form.
        let terms = PluginSettings { grants: loaded.context.granted.grants.texts(), ..terms };
        self.dispatcher
            .registry()
            .check(&loaded.origin, &loaded.commands)
            .map_err(|clash| refused(LoadError::Register(clash)))?;
        Ok((loaded, terms, candidate.component))
    }

    async fn put(&self, candidate: InstallRequest, expect: Expectation) -> Result<PluginInfo, PluginError> {
        let _changing = self.changing.lock().await;
        let (loaded, terms, component) = self.prepare(candidate, expect, None).await?;
        let digest = &loaded.inspection.digest;
        self.storage.put(COMPONENTS, digest, component.into(), Expect::Anything).await.map_err(below)?;
        self.establish(loaded, terms).await
    }

    /// Puts an installed plugin's own component in its place, on other terms.
    async fn change(&self, name: PluginName, change: PluginUpdate) -> Result<PluginInfo, PluginError> {
        let _changing = self.changing.lock().await;
        let digest = self.lock_installed().get(&name).map(|installed| installed.info.digest.clone());
        let digest = digest.ok_or_else(|| PluginError::Missing(name.clone()))?;
        let record = self.storage.get(RECORDS, name.as_str()).await.map_err(below)?;
        let record: Value = record.and_then(|entry| serde_json::from_slice(&entry.value).ok()).unwrap_or_default();
        let component = self.component(&digest).await?;
        let candidate = InstallRequest { component, name: Some(name), change, docs: BTreeMap::new() };
        let (loaded, terms, _) = self.prepare(candidate, Expectation::Installed, encoded(&record)).await?;
        self.establish(loaded, terms).await
    }

    /// Makes a plugin whose component is in the store the one of its name.
    async fn establish(&self, loaded: Loaded, terms: PluginSettings) -> Result<PluginInfo, PluginError> {
        let digest = loaded.inspection.digest.clone();
        let record = terms.record(&digest, &loaded.commands);
        let name = loaded.name.clone();
        let old_digest = self.lock_installed().get(&name).map(|old| old.info.digest.clone());
        let record = record.to_string().into_bytes();
        self.storage.put(RECORDS, name.as_str(), record, Expect::Anything).await.map_err(below)?;
        tracing::info!(
            plugin = name.as_str(),
            digest,
            cached = loaded.timings.cached,
            inspect_us = micros(loaded.timings.inspect),
            compile_us = micros(loaded.timings.compile),
            link_us = micros(loaded.timings.link),
            describe_us = micros(loaded.timings.describe),
            "plugin loaded"
        );
        self.swap(loaded, terms)?;
        if let Some(old_digest) = old_digest.filter(|old| *old != digest) {
            self.remove_component(&old_digest).await?;
        }
        self.lock_installed().get(&name).map(Installed::info).ok_or(PluginError::Missing(name))
    }

    fn swap(&self, loaded: Loaded, terms: PluginSettings) -> Result<(), PluginError> {
        let info = info(&loaded, &terms)?;
        self.dispatcher
            .registry()
            .replace(&loaded.origin, loaded.commands)
            .map_err(|clash| refused(LoadError::Register(clash)))?;
        self.lock_installed().insert(loaded.name, Installed { info, terms, context: Some(loaded.context) });
        Ok(())
    }

    async fn remove(&self, name: &PluginName) -> Result<(), PluginError> {
        let _changing: MutexGuard<'_, ()> = self.changing.lock().await;
        let known = self.storage.delete(RECORDS, name.as_str(), Expect::Anything).await.map_err(below)?;
        if !known {
            return Err(PluginError::Missing(name.clone()));
        }
        let owner = Origin::Plugin { name: name.clone(), version: String::new() };
        self.dispatcher.registry().replace(&owner, Vec::new()).map_err(|clash| refused(LoadError::Register(clash)))?;
        let removed = self.lock_installed().remove(name);
        if let Some(removed) = removed {
            self.remove_component(&removed.info.digest).await?;
        }
        Ok(())
    }

    /// Removes a component unless another plugin is made of the same one.
    async fn remove_component(&self, digest: &str) -> Result<(), PluginError> {
        let shared = self.lock_installed().values().any(|other| other.info.digest == digest);
        if !shared {
            self.storage.delete(COMPONENTS, digest, Expect::Anything).await.map_err(below)?;
        }
        Ok(())
    }

    fn lock_installed(&self) -> std::sync::MutexGuard<'_, BTreeMap<PluginName, Installed>> {
        self.installed.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// The commands of a plugin, as it was loaded before.
fn encoded(record: &Value) -> Option<Vec<Value>> {
    record.get("commands").and_then(Value::as_array).cloned()
}

/// What an operation expects of the plugin's name.
#[derive(Clone, Copy, Debug)]
enum Expectation {
    Absent,
    Installed,
    Anything,
}

fn micros(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn info(loaded: &Loaded, terms: &PluginSettings) -> Result<PluginInfo, PluginError> {
    let commands = loaded.commands.iter().map(|registered| registered.command.label()).collect();
    let info = loaded.inspection.info(Some(&loaded.name), terms.grants.clone(), commands).map_err(refused)?;
    let manifest = loaded.inspection.manifest.clone().unwrap_or_default();
    let shown = |(name, value): (&String, &String)| {
        let value = if manifest.is_secret(name) { MASK } else { value };
        (name.clone(), value.to_owned())
    };
    let settings = terms.settings.iter().map(shown).collect();
    let notes = [info.notes, loaded.notes.clone()].concat();
    Ok(PluginInfo { notes, isolation: terms.isolation, settings, ..info })
}

impl PluginSettings {
    /// These with something else here and there.
    fn changed(self, change: PluginUpdate) -> Result<Self, LoadError> {
        let Self { mut grants, mut settings, isolation } = self;
        for text in change.revoke {
            // However it is written, it is the grant of that one form.
            let form = Grants::parse(std::slice::from_ref(&text)).map(|grants| grants.texts()).unwrap_or_default();
            let before = grants.len();
            grants.retain(|grant| *grant != text && !form.contains(grant));
            if grants.len() == before {
                let had = if grants.is_empty() { "none".to_owned() } else { format!("`{}`", grants.join("`, `")) };
                let reason = format!("the plugin does not have this grant; it has {had}");
                return Err(LoadError::BadGrant { grant: text, reason });
            }
        }
        grants.extend(change.grants);
        for (setting, value) in change.settings {
            match value {
                Some(value) => drop(settings.insert(setting, value)),
                None if settings.remove(&setting).is_some() => {}
                None => {
                    return Err(LoadError::Settings(format!("`{setting}` was not given, so it cannot be taken away")));
                }
            }
        }
        Ok(Self { grants, settings, isolation: change.isolation.unwrap_or(isolation) })
    }

    /// What the store has of a plugin.
    fn record(&self, digest: &str, commands: &[Registered]) -> Value {
        json!({
            "digest": digest, "grants": self.grants, "settings": self.settings, "isolation": self.isolation.as_str(),
            "commands": commands.iter().map(|one| describe::encode(&one.command)).collect::<Vec<_>>(),
        })
    }

    /// Reads what [`PluginSettings::record`] wrote.
    fn from_record(record: &Value) -> Self {
        let grants = record.get("grants").and_then(Value::as_array).into_iter().flatten();
        let settings = record.get("settings").and_then(Value::as_object).into_iter().flatten();
        let isolation = record.get("isolation").and_then(Value::as_str).and_then(Isolation::parse);
        Self {
            grants: grants.filter_map(Value::as_str).map(str::to_owned).collect(),
            settings: settings.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect(),
            isolation: isolation.unwrap_or_default(),
        }
    }
}

impl Plugins for Lifecycle {
    fn install(&self, candidate: InstallRequest) -> BoxFuture<'_, Result<PluginInfo, PluginError>> {
        self.finish(|shared| async move { shared.put(candidate, Expectation::Absent).await })
    }

    fn upgrade(&self, candidate: InstallRequest) -> BoxFuture<'_, Result<PluginInfo, PluginError>> {
        self.finish(|shared| async move { shared.put(candidate, Expectation::Installed).await })
    }

    fn change<'a>(
        &'a self,
        name: &'a PluginName,
        change: PluginUpdate,
    ) -> BoxFuture<'a, Result<PluginInfo, PluginError>> {
        let name = name.clone();
        self.finish(|shared| async move { shared.change(name, change).await })
    }

    fn check(&self, candidate: InstallRequest) -> BoxFuture<'_, Result<PluginInfo, PluginError>> {
        Box::pin(async move {
            let (loaded, terms, _) = self.shared.prepare(candidate, Expectation::Anything, None).await?;
            info(&loaded, &terms)
        })
    }

    fn uninstall<'a>(&'a self, name: &'a PluginName) -> BoxFuture<'a, Result<(), PluginError>> {
        let name = name.clone();
        self.finish(|shared| async move { shared.remove(&name).await })
    }

    fn release(&self, name: &PluginName) -> Result<bool, PluginError> {
        let installed = self.shared.lock_installed();
        let installed = installed.get(name).ok_or_else(|| PluginError::Missing(name.clone()))?;
        Ok(installed.context()?.watch.release(Instant::now()))
    }

    fn grants(&self, name: &PluginName) -> Result<Vec<GrantLine>, PluginError> {
        let installed = self.shared.lock_installed();
        let installed = installed.get(name).ok_or_else(|| PluginError::Missing(name.clone()))?;
        Ok(installed.context()?.granted.lines(&installed.info.imports, &installed.info.requests))
    }

    fn limits(&self) -> Vec<LimitInfo> {
        let plugins = self.list();
        let info = |limit: &Limit| LimitInfo {
            name: limit.name,
            unit: limit.unit,
            about: limit.about.trim(),
            default: limit.default,
            value: self.shared.loader.limits().get(limit.name).unwrap_or_default(),
            hits: plugins.iter().filter_map(|plugin| plugin.health.limits.get(limit.name)).sum(),
        };
        Limits::ALL.iter().map(info).collect()
    }

    fn list(&self) -> Vec<PluginInfo> {
        self.shared.lock_installed().values().map(Installed::info).collect()
    }

    fn available(&self) -> BoxFuture<'_, Vec<(PluginName, PluginInfo)>> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            let listed = tokio::task::spawn_blocking(move || list_directory(&shared.loader, &shared.available));
            listed.await.unwrap_or_default()
        })
    }

    fn read_available<'a>(&'a self, name: &'a PluginName) -> BoxFuture<'a, Result<bytes::Bytes, PluginError>> {
        // A plugin's name has neither `/` nor `.`, so the path cannot leave the directory.
        let path = self.shared.available.join(format!("{name}.wasm"));
        Box::pin(async move {
            let read = tokio::task::spawn_blocking(move || read_component(&path)).await;
            let read = read.unwrap_or_else(|error| Err(std::io::Error::other(error)));
            read.map(bytes::Bytes::from).map_err(|error| {
                let text = format!(
                    "`{name}.wasm` is not in `{}` ({error}); put it there, or send the component",
                    self.shared.available.display()
                );
                PluginError::Refused { code: "component-not-available", text }
            })
        })
    }
}

/// Reads a file within the bound of components. What is no regular file is not opened: a pipe waits, a device never ends.
fn read_component(path: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read as _;
    let refused = |text: String| std::io::Error::new(std::io::ErrorKind::InvalidData, text);
    if !std::fs::metadata(path)?.is_file() {
        return Err(refused("it is not a regular file".to_owned()));
    }
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(COMPONENT_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > COMPONENT_BYTES_MAX {
        return Err(refused(format!("it has more than {COMPONENT_BYTES_MAX} bytes")));
    }
    Ok(bytes)
}

fn list_directory(loader: &Loader, directory: &Path) -> Vec<(PluginName, PluginInfo)> {
    let files = std::fs::read_dir(directory).into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path());
    let mut found: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|extension| extension == "wasm"))
        .filter_map(|path| {
            let name = PluginName::parse(path.file_stem()?.to_str()?).ok()?;
            let inspection = loader.inspect_blocking(&read_component(&path).ok()?).ok()?;
            let info = inspection.info(Some(&name), Vec::new(), Vec::new()).ok()?;
            Some((name, info))
        })
        .collect();
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    found
}
