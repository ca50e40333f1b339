//! Loads plugins and runs their commands. The only crate that names wasmtime.
//!
//! Two flows, each one way. A component: bytes → `muster_component` → [`load`] → [`lifecycle`] → registry; a failure
//! anywhere keeps what was there and names cause and fix (`LoadError`). A call: [`run`] makes a fresh store and instance
//! for each, so that a bad guest harms only its own call (invariant I9). What a guest may reach is in [`capability`].

mod bindings;
mod capability;
mod doctor;
#[cfg(fuzzing)]
pub mod fuzzing;
mod lifecycle;
mod limits;
mod load;
mod null_storage;
mod run;

pub use doctor::{Finding, Outcome, examine};
pub use lifecycle::Lifecycle;
pub use limits::{Limit, Limits};
pub use load::compile_worker::{CompileOutcome, CompileWorker, run_compile_worker};
pub use load::engine::{EngineError, EngineInfo};
pub use load::loader::{Loader, Timings};
pub use load::pack::pack;
