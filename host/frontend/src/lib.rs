//! The wires commands are called over, one folder each, and what they share: [`http`], XML, and reports of progress.
//!
//! A frontend translates: bytes to what the dispatcher takes, and its answer to bytes. It decides nothing about calls.

#[cfg(test)]
mod failures;
#[cfg(fuzzing)]
pub mod fuzzing;
pub mod http;
mod reports;
mod xml;

pub mod mcp;
pub mod oauth;
pub mod openapi;
pub mod rest;
pub mod xmlrpc;
pub mod xmpp;
