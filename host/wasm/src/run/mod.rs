//! The way of a call through a component: a slot, an instance of its own, the call, and what it took.

pub(crate) mod concurrency;
pub(crate) mod exports;
pub(crate) mod instance_pool;
pub(crate) mod invoke;
pub(crate) mod quarantine;
pub(crate) mod scheduling;
pub(crate) mod store;
pub(crate) mod typed;
