//! Runs the functions of `probe.wat` and `leftovers.wat` as any plugin's: same engine, same stores, same limits.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use muster_core::plugins::Isolation;
use wasmtime::component::{Component, ComponentNamedList, InstancePre, Lift, Linker, Lower};
use wasmtime::{Engine, Store, Trap};

use crate::capability::{self, Granted, LogRate};
use crate::limits::Limits;
use crate::load::engine::EngineInfo;
use crate::null_storage::NullStorage;
use crate::run::quarantine::FaultTracker;
use crate::run::store::{PluginContext, PluginState, new_store};

/// How a function of the probe ended.
#[derive(Debug, PartialEq)]
pub(super) enum Ended<T> {
    /// It answered.
    Answered(T),
    /// It wanted more than this limit allows.
    Refused(&'static str),
    /// Its time was over, and it was dropped.
    Dropped,
    /// Anything else.
    Failed(String),
}

/// A guest under these limits.
pub(super) struct Probe {
    engine: Engine,
    pub(super) info: EngineInfo,
    limits: Limits,
    instance: InstancePre<PluginState>,
}

impl Probe {
    /// # Errors
    /// When no engine can be made, or the probe does not compile on it.
    pub(super) fn new(limits: &Limits) -> Result<Self, String> {
        Self::of_text(limits, include_str!("probe.wat"))
    }

    /// A guest that leaves something in memory and table, or counts what it finds there.
    ///
    /// # Errors
    /// As [`Probe::new`].
    pub(super) fn leftovers(limits: &Limits) -> Result<Self, String> {
        const ELEMENTS: usize = 8_000;
        let elements = limits.table_elements_max.min(ELEMENTS).to_string();
        Self::of_text(limits, &include_str!("leftovers.wat").replace("ELEMENTS", &elements))
    }

    fn of_text(limits: &Limits, text: &str) -> Result<Self, String> {
        let (engine, info) = crate::load::engine::build(limits).map_err(|error| error.to_string())?;
        let told = |error: wasmtime::Error| format!("{error:#}");
        let bytes = wat::parse_str(text).map_err(|error| error.to_string())?;
        let component = Component::new(&engine, bytes).map_err(told)?;
        let mut linker = Linker::new(&engine);
        capability::add_always(&mut linker).map_err(told)?;
        let instance = linker.instantiate_pre(&component).map_err(told)?;
        Ok(Self { engine, info, limits: *limits, instance })
    }

    /// The same guest on the same engine, under other limits of a call.
    pub(super) fn under(&self, limits: &Limits) -> Self {
        Self { engine: self.engine.clone(), info: self.info, limits: *limits, instance: self.instance.clone() }
    }

    fn store(&self, time: Duration) -> Store<PluginState> {
        let context = PluginContext {
            id: 0,
            name: "probe".to_owned(),
            granted: Granted::nothing(),
            settings: BTreeMap::new(),
            secrets: BTreeSet::new(),
            secret_values: Arc::new([]),
            storage: Arc::new(NullStorage),
            dispatcher: Weak::new(),
            limits: self.limits,
            isolation: Isolation::Call,
            watch: FaultTracker::new(&self.limits),
            log_rate: Arc::new(LogRate::new(&self.limits)),
        };
        new_store(&self.engine, &Arc::new(context), None, Instant::now() + time)
    }

    /// Calls a function in a fresh instance, for at most this time.
    pub(super) async fn call<A, R>(&self, name: &str, arguments: A, time: Duration) -> Ended<R>
    where
        A: ComponentNamedList + Lower + Send + Sync,
        R: Send + Sync + 'static,
        (R,): ComponentNamedList + Lift,
    {
        self.run::<A, (R,)>(name, arguments, time).await.map(|(answer,)| answer)
    }

    /// Calls a function without a result in a fresh instance, for at most this time.
    pub(super) async fn run<A, R>(&self, name: &str, arguments: A, time: Duration) -> Ended<R>
    where
        A: ComponentNamedList + Lower + Send + Sync,
        R: ComponentNamedList + Lift + Send + Sync + 'static,
    {
        let mut store = self.store(time);
        let work = async {
            let instance = self.instance.instantiate_async(&mut store).await?;
            let function = instance.get_typed_func::<A, R>(&mut store, name)?;
            function.call_async(&mut store, arguments).await
        };
        let result = tokio::time::timeout(time, work).await;
        let error = match result {
            Err(_) => return Ended::Dropped,
            Ok(Ok(answer)) => return Ended::Answered(answer),
            Ok(Err(error)) => error,
        };
        crate::run::invoke::limit_of(store.data(), &error).map_or_else(
            || Ended::Failed(error.downcast_ref::<Trap>().map_or_else(|| format!("{error:#}"), ToString::to_string)),
            Ended::Refused,
        )
    }
}

impl<T> Ended<T> {
    fn map<U>(self, change: impl FnOnce(T) -> U) -> Ended<U> {
        match self {
            Self::Answered(answer) => Ended::Answered(change(answer)),
            Self::Refused(limit) => Ended::Refused(limit),
            Self::Dropped => Ended::Dropped,
            Self::Failed(text) => Ended::Failed(text),
        }
    }
}
