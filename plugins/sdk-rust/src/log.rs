//! Lines for the operator, through `wasi:logging`.
//!
//! ```no_run
//! use muster_sdk::log;
//!
//! let jid = "ann@localhost";
//! log::info!("{jid} has a new contact");
//! ```
//!
//! The host adds the plugin's name and the request id, and bounds the number of lines per call. Do not log argument
//! values that are private to the caller.

use std::fmt;

pub use crate::raw::wasi::logging::logging::Level;

/// Writes one line; `context` groups lines of one kind.
///
/// The macros of this module are shorter and fill in the module as the context.
pub fn write(level: Level, context: &str, message: fmt::Arguments<'_>) {
    // A message without arguments needs no copy.
    match message.as_str() {
        Some(text) => crate::raw::wasi::logging::logging::log(level, context, text),
        None => crate::raw::wasi::logging::logging::log(level, context, &message.to_string()),
    }
}

/// Logs every step. Arguments are those of `format!`.
#[doc(hidden)]
#[macro_export]
macro_rules! __trace {
    ($($argument:tt)+) => {
        $crate::log::write($crate::log::Level::Trace, ::core::module_path!(), ::core::format_args!($($argument)+))
    };
}

/// Logs what a developer wants to see. Arguments are those of `format!`.
#[doc(hidden)]
#[macro_export]
macro_rules! __debug {
    ($($argument:tt)+) => {
        $crate::log::write($crate::log::Level::Debug, ::core::module_path!(), ::core::format_args!($($argument)+))
    };
}

/// Logs what an operator wants to see. Arguments are those of `format!`.
#[doc(hidden)]
#[macro_export]
macro_rules! __info {
    ($($argument:tt)+) => {
        $crate::log::write($crate::log::Level::Info, ::core::module_path!(), ::core::format_args!($($argument)+))
    };
}

/// Logs something is odd, and work goes on. Arguments are those of `format!`.
#[doc(hidden)]
#[macro_export]
macro_rules! __warn {
    ($($argument:tt)+) => {
        $crate::log::write($crate::log::Level::Warn, ::core::module_path!(), ::core::format_args!($($argument)+))
    };
}

/// Logs something failed. Arguments are those of `format!`.
#[doc(hidden)]
#[macro_export]
macro_rules! __error {
    ($($argument:tt)+) => {
        $crate::log::write($crate::log::Level::Error, ::core::module_path!(), ::core::format_args!($($argument)+))
    };
}

// Below the macros, because a macro is in scope only after its definition.
#[doc(inline)]
pub use __debug as debug;
#[doc(inline)]
pub use __error as error;
#[doc(inline)]
pub use __info as info;
#[doc(inline)]
pub use __trace as trace;
#[doc(inline)]
pub use __warn as warn;
