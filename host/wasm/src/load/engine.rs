//! The one function that makes the engine. Compiled code is only valid for an engine with the same settings, so no
//! other code creates one.
//!
//! Instances come from a pool; where address space is too short for one, each is made by itself. The first part of a
//! memory and of a table stays resident between calls and is overwritten; what is beyond is given back to the kernel,
//! swapped pages too. The kernel is never asked which pages are dirty: that forgets pages which are swapped out or moving,
//! so that one call would read another's (decision 0018).

use std::time::Duration;

use muster_core::dispatch::DISPATCH_DEPTH_MAX;
use thiserror::Error;
use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::limits::{EPOCH_MS, Limits, MEMORY_BYTES_CEILING};

/// Why no engine could be made.
#[derive(Debug, Error)]
#[error("the Wasm engine cannot start on this machine: {0}")]
pub struct EngineError(String);

impl EngineError {
    pub(crate) fn new(cause: String) -> Self {
        Self(cause)
    }
}

/// Which settings took effect on this machine.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct EngineInfo {
    /// Instances come from a pool.
    pub pooling: bool,
}

/// Core instances and tables one component can have; componentize-py makes 16 and more.
const CORE_INSTANCES_MAX: u32 = 64;
const TABLES_MAX: u32 = 64;
/// Memories one component can have; `QuickJS` with its adapter has three.
const MEMORIES_MAX: u32 = 8;
/// Bytes of a memory that stay resident, all of which are overwritten after each call: a Rust guest with a stack of 1 MiB
/// and a `QuickJS` guest whole. Giving their pages back instead costs more than overwriting them (decision 0018).
const MEMORY_RESIDENT_BYTES: usize = 1536 << 10;
const TABLE_RESIDENT_BYTES: usize = 64 << 10;
/// Stack for host functions, beside the guest's.
const HOST_STACK_BYTES: usize = 512 << 10;

/// Makes the engine and starts its ticker.
///
/// # Errors
/// When not even the plainest settings work.
pub(crate) fn build(limits: &Limits) -> Result<(Engine, EngineInfo), EngineError> {
    let attempts = [EngineInfo { pooling: true }, EngineInfo { pooling: false }];
    let mut last = String::new();
    for info in attempts {
        match Engine::new(&config(limits, info)) {
            Ok(engine) => {
                start_ticker(&engine)?;
                return Ok((engine, info));
            }
            Err(error) => {
                tracing::debug!(?info, error = format!("{error:#}"), "engine settings not available");
                last = format!("{error:#}");
            }
        }
    }
    Err(EngineError(last))
}

/// Makes an engine that compiles what that one runs, and runs nothing.
///
/// # Errors
/// When this machine has no engine.
pub(crate) fn compiler() -> Result<Engine, EngineError> {
    let info = EngineInfo { pooling: false };
    Engine::new(&config(&Limits::default(), info)).map_err(|error| EngineError(format!("{error:#}")))
}

fn config(limits: &Limits, info: EngineInfo) -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .max_wasm_stack(limits.stack_bytes_max)
        // What host functions called by a guest need comes on top.
        .async_stack_size(limits.stack_bytes_max + HOST_STACK_BYTES)
        .parallel_compilation(true)
        .wasm_component_model_map(true)
        .wasm_component_model_fixed_length_lists(true)
        // Costs half a microsecond a call, and only WASI 0.3 guests need it.
        .concurrency_support(false);
    if info.pooling {
        let mut pool = PoolingAllocationConfig::new();
        // Calls with those that they make, and instances that wait. As much for each as one may have: no caller can
        // take what others need. It is address space, no memory.
        let calls = limits.calls_max.saturating_mul(usize::from(DISPATCH_DEPTH_MAX));
        let places = calls.saturating_add(limits.idle_instances_max);
        let calls = u32::try_from(places).unwrap_or(u32::MAX).max(1);
        pool.total_component_instances(calls)
            .total_core_instances(calls.saturating_mul(CORE_INSTANCES_MAX))
            .total_memories(calls.saturating_mul(MEMORIES_MAX))
            .total_tables(calls.saturating_mul(TABLES_MAX))
            .total_stacks(calls.saturating_mul(2))
            .max_core_instances_per_component(CORE_INSTANCES_MAX)
            .max_memories_per_component(MEMORIES_MAX)
            .max_tables_per_component(TABLES_MAX)
            .table_elements(limits.table_elements_max)
            .max_memory_size(usize::try_from(MEMORY_BYTES_CEILING).unwrap_or(usize::MAX))
            .linear_memory_keep_resident(MEMORY_RESIDENT_BYTES)
            .table_keep_resident(TABLE_RESIDENT_BYTES);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    }
    config
}

/// Moves the epoch on for as long as the engine lives, so that running guests yield.
fn start_ticker(engine: &Engine) -> Result<(), EngineError> {
    let weak = engine.weak();
    std::thread::Builder::new()
        .name("epoch-ticker".to_owned())
        .spawn(move || {
            while let Some(engine) = weak.upgrade() {
                engine.increment_epoch();
                drop(engine);
                std::thread::sleep(Duration::from_millis(EPOCH_MS));
            }
        })
        .map(|_| ())
        .map_err(|error| EngineError(format!("the ticker thread cannot start: {error}")))
}
