//! Starts the command line.

use std::process::ExitCode;

/// Calls make and drop many small things on many threads, at which this one is better than the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    muster::commands::main()
}
