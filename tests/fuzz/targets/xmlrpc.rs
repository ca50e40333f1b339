//! A call of XML-RPC: whatever the bytes, it is read or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| muster_frontend::xmlrpc::fuzz(body));
