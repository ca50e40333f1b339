//! What a store holds for one call, and the one place that makes stores (invariant I8: each has its limits).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use muster_core::dispatch::Dispatcher;
use muster_core::invoke::Progress;
use muster_core::permission::Permit;
use muster_core::plugins::Isolation;
use muster_core::storage::Storage;
use wasmtime::component::{HasSelf, ResourceTable};
use wasmtime::{Engine, ResourceLimiter, Store, UpdateDeadline};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::capability::{CallHttp, Granted, GuestLog, LogRate};
use crate::limits::{EPOCH_MS, Limits};
use crate::run::quarantine::FaultTracker;
use crate::run::scheduling::note_computing;

/// What every call of one plugin shares.
#[derive(Debug)]
pub(crate) struct PluginContext {
    /// Sets this load of the plugin apart from others, also of the same plugin.
    pub(crate) id: u64,
    /// The plugin's name.
    pub(crate) name: String,
    /// What it may do.
    pub(crate) granted: Granted,
    /// Settings it can read.
    pub(crate) settings: BTreeMap<String, String>,
    /// Those of them that are secret.
    pub(crate) secrets: BTreeSet<String>,
    /// What stands in them, unless it is too short to be told from other text.
    pub(crate) secret_values: Arc<[String]>,
    /// Where its key-value data is.
    pub(crate) storage: Arc<dyn Storage>,
    /// The door for commands it calls. Weak: the dispatcher's registry holds the plugin.
    pub(crate) dispatcher: Weak<Dispatcher>,
    /// Bounds on each call.
    pub(crate) limits: Limits,
    /// Who shares an instance.
    pub(crate) isolation: Isolation,
    /// What went wrong so far.
    pub(crate) watch: FaultTracker,
    /// How much it logs.
    pub(crate) log_rate: Arc<LogRate>,
}

/// The call a store was made for; nothing while a plugin describes itself.
#[derive(Clone, Debug)]
pub(crate) struct CallContext {
    pub(crate) permit: Permit,
    pub(crate) depth: u8,
    pub(crate) progress: Option<Arc<dyn Progress>>,
}

/// What a store holds.
pub(crate) struct PluginState {
    pub(crate) plugin: Arc<PluginContext>,
    pub(crate) call: Option<CallContext>,
    pub(crate) deadline: Instant,
    pub(crate) table: ResourceTable,
    pub(crate) log: GuestLog,
    /// Made when first asked for: most commands never ask.
    wasi: Option<WasiCtx>,
    /// The same.
    pub(crate) http: Option<Box<CallHttp>>,
    /// Open files and directories, with the number of the grant they are below.
    pub(crate) directories: BTreeMap<u32, usize>,
    pub(crate) usage: Usage,
    pub(crate) spent: Spent,
}

/// How often a call did what it can only do so often.
#[derive(Debug, Default)]
pub(crate) struct Spent {
    /// Operations on keys.
    pub(crate) keyvalue_operations: u64,
    /// Bytes of keys and values written.
    pub(crate) keyvalue_write_bytes: u64,
    /// Calls of other commands.
    pub(crate) dispatches: u64,
    /// Reports of progress.
    pub(crate) progress_reports: u64,
}

/// What a call used, and whether it wanted more than it may.
#[derive(Debug)]
pub(crate) struct Usage {
    limits: Limits,
    /// Memory the instance has, all its memories together.
    pub(crate) memory_bytes: usize,
    /// Elements the instance has, all its tables together.
    table_elements: usize,
    /// How often the guest asked for more than it began with: each time is a system call that halves throughput.
    pub(crate) memory_grows: u32,
    /// Ticks of the epoch at which it was computing.
    cpu_ticks: u64,
    /// The limit it ran into last.
    pub(crate) refused: Option<&'static str>,
}

/// Handles of resources one call can always hold at a time, its own and the host's together.
const HANDLES_LEAST: usize = 100_000;
/// How much longer than its deadline a guest can run if its task is not dropped.
const GRACE: Duration = Duration::from_secs(1);

/// Names [`PluginState`] as the data of host functions.
pub(crate) type HasState = HasSelf<PluginState>;

/// Makes the store of one call.
pub(crate) fn new_store(
    engine: &Engine,
    plugin: &Arc<PluginContext>,
    call: Option<CallContext>,
    deadline: Instant,
) -> Store<PluginState> {
    let limits = plugin.limits;
    let mut table = ResourceTable::new();
    table.set_max_capacity(limits.resources_max);
    let request_id = call.as_ref().map(|call| call.permit.caller().request_id.clone());
    let state = PluginState {
        plugin: Arc::clone(plugin),
        call,
        deadline,
        table,
        log: GuestLog::new(plugin, request_id),
        wasi: None,
        http: None,
        directories: BTreeMap::new(),
        usage: Usage::new(&limits),
        spent: Spent::default(),
    };
    #[expect(clippy::disallowed_methods, reason = "this is the place that makes stores")]
    let mut store = Store::new(engine, state);
    store.limiter(|state| &mut state.usage);
    store.set_hostcall_fuel(limits.hostcall_bytes_max);
    // Handles of the guest's own resources count too. Those of the host's end at their own limit, which says so.
    store.set_max_component_handles(limits.resources_max.max(HANDLES_LEAST));
    store.set_epoch_deadline(1);
    // Yields at every tick: the waiting task then drops a call whose time is over. The grace keeps this from being
    // quicker than them; it ends a guest whose task is gone.
    store.epoch_deadline_callback(|mut context| {
        let state = context.data_mut();
        let is_over = state.usage.computes();
        note_computing(state.usage.cpu_ticks);
        if is_over || Instant::now() >= state.deadline + GRACE {
            Ok(UpdateDeadline::Interrupt)
        } else {
            Ok(UpdateDeadline::Yield(1))
        }
    });
    store
}

/// Makes a store that served a call ready for the next one: nothing of the last call is left in the host's part of it.
pub(crate) fn renew_store(store: &mut Store<PluginState>, call: CallContext, deadline: Instant) {
    store.set_epoch_deadline(1);
    let state = store.data_mut();
    state.log.begin(call.permit.caller().request_id.clone(), &state.plugin.limits);
    state.call = Some(call);
    state.deadline = deadline;
    state.usage.cpu_ticks = 0;
    state.usage.refused = None;
    state.spent = Spent::default();
    state.http = None;
}

impl WasiView for PluginState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let ctx = self
            .wasi
            .get_or_insert_with(|| crate::capability::wasi::context(&self.log, &self.plugin.granted.directories));
        WasiCtxView { ctx, table: &mut self.table }
    }
}

impl Usage {
    fn new(limits: &Limits) -> Self {
        Self { limits: *limits, memory_bytes: 0, table_elements: 0, memory_grows: 0, cpu_ticks: 0, refused: None }
    }

    /// Counts a tick at which the guest was computing; tells whether it has computed longer than it may.
    fn computes(&mut self) -> bool {
        self.cpu_ticks += 1;
        let is_over = self.cpu_ticks * EPOCH_MS > self.limits.cpu_ms_max;
        if is_over {
            self.refused = Some("cpu_ms_max");
        }
        is_over
    }
}

impl ResourceLimiter for Usage {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.memory_bytes.saturating_add(desired.saturating_sub(current));
        if total > self.limits.memory_bytes_max {
            self.refused = Some("memory_bytes_max");
            return Ok(false);
        }
        self.memory_bytes = total;
        self.memory_grows += u32::from(current > 0);
        Ok(true)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.table_elements.saturating_add(desired.saturating_sub(current));
        if total > self.limits.table_elements_max {
            self.refused = Some("table_elements_max");
            return Ok(false);
        }
        self.table_elements = total;
        Ok(true)
    }

    fn instances(&self) -> usize {
        self.limits.instances_max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_computes_as_long_as_it_may() {
        for (ticks, expected) in [(99, None), (100, None), (101, Some("cpu_ms_max"))] {
            let mut usage = Usage::new(&Limits { cpu_ms_max: 100 * EPOCH_MS, ..Limits::default() });
            let is_over = (0..ticks).any(|_| usage.computes());
            assert_eq!((is_over, usage.refused), (expected.is_some(), expected), "{ticks} ticks");
        }
    }
}
