//! Values of the adapter: eight bytes choose a type, the rest is JSON.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u64, &[u8])| {
    let (seed, text) = input;
    muster_wasm::fuzzing::value(seed, text);
});
