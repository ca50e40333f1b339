//! `muster compile-worker`: the process in which a host reads and compiles a component before it reads it itself. Only the host calls
//! it: how it ends is its answer.

use std::path::PathBuf;

use clap::Args;
use muster_wasm::{CompileOutcome, CompileWorker, Limits};
use serde_json::Value;

use muster_cli::CliError;
use muster_cli::output::{self, Format};

#[derive(Args, Debug)]
pub(super) struct CompileWorkerArguments {
    /// Most bytes of memory it may take
    memory_bytes: u64,
    /// Where to put the compiled code; without, nothing is compiled
    code: Option<PathBuf>,
}

/// How a host starts the process: this very program, also where its file was replaced meanwhile.
pub(crate) fn worker(limits: &Limits) -> Result<CompileWorker, String> {
    let link = PathBuf::from("/proc/self/exe");
    let program = if link.exists() { Ok(link) } else { std::env::current_exe() };
    let program = program.map_err(|error| format!("this program cannot be found: {error}"))?;
    Ok(CompileWorker::new(program, vec!["compile-worker".into()], limits))
}

pub(super) fn run(what: CompileWorkerArguments) -> Result<(), CliError> {
    let outcome = muster_wasm::run_compile_worker(std::io::stdin(), what.memory_bytes, what.code);
    if let CompileOutcome::NotCompiled(reason) = &outcome {
        output::line(reason, &Value::Null, Format::Table);
    }
    std::process::exit(i32::from(outcome.status()));
}
