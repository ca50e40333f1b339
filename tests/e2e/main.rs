//! End-to-end tests: one binary, one file for each thing a user does. See `tests::Host` for how they touch the host.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod adapter;
mod audit;
mod authority;
mod bombs;
mod capabilities;
mod cli;
mod credentials;
mod defence;
mod docs;
mod edges;
mod examples;
mod hostile;
mod issuers;
mod journey;
mod listeners;
mod load;
mod manifest;
mod mcp;
mod network;
mod oauth;
mod oauth_attacks;
mod openapi;
mod polyglot;
mod refusals;
mod rest;
mod rights;
mod sandbox;
mod scenario;
mod state;
mod tidy;
mod web;
mod xmlrpc;
mod xmpp;
