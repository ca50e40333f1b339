//! The wires commands are called over, one folder each, and the sockets they share.
//!
//! A frontend translates: bytes to what the dispatcher takes, and its answer to bytes. It decides nothing about calls.

mod accept;
mod authorization;
mod body;
mod caller;
pub mod entrance;
#[cfg(test)]
mod failures;
#[cfg(fuzzing)]
pub mod fuzzing;
pub mod listen;
pub mod problem;
mod reports;
mod request_id;
mod xml;

pub mod mcp;
pub mod oauth;
pub mod openapi;
pub mod rest;
pub mod xmlrpc;
pub mod xmpp;
