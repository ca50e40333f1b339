//! The vocabulary of the command host and every decision it takes: who calls, what they may call, whether the arguments
//! fit, what a failure is called. No wire format, no engine, no input or output, no runtime (invariant I1): whatever
//! touches the world comes in through the traits [`storage::Storage`], [`authn::Passwords`], [`clock::Clock`],
//! [`random::Random`], [`authn::Issuers`] and [`invoke::Invoke`].
//!
//! In the order of a call: [`dispatch`] → [`authn`] → [`registry`] → [`permission`] → [`schema`] → [`invoke`] →
//! [`error`].

pub mod address;
pub mod name;
mod precis;
mod request_id;

pub mod caller;
pub mod command;

pub mod dispatch;

pub mod authn;
pub mod oauth;
pub mod permission;
pub mod rate;
pub mod registry;
pub mod schema;

pub mod invoke;
pub mod plugins;

pub mod error;

pub mod audit;
pub mod clock;
pub mod printable;
pub mod random;
pub mod storage;
pub mod suggest;
pub mod trace;

/// A future that can be kept in a trait object.
pub type BoxFuture<'a, T> = futures_util::future::BoxFuture<'a, T>;
