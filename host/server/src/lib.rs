//! The `muster` program: the host itself (`serve`) and the command line that talks to one.
//!
//! The only crate that knows every other. [`config`] says what is wanted, [`serve`] puts the parts together, [`commands`]
//! is what a person types.

pub mod commands;
pub mod config;
pub mod serve;

mod backup;
mod certificates;
mod clock;
mod control;
mod descriptors;
mod events;
mod logging;
mod maintenance;
mod passwords;
mod place;
mod random;
mod service;
mod signals;
mod test_host;
