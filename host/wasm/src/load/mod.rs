//! The way of a component into the host: bytes → what it says (`muster_component`) → compiled, in a process of its own
//! → linked with what was granted → described → commands that can be registered.

pub(crate) mod code_cache;
pub(crate) mod compile_worker;
pub(crate) mod describe;
pub(crate) mod engine;
pub(crate) mod loader;
pub(crate) mod pack;
