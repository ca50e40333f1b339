//! `muster look-into`: the process in which a host tries a component out, before it looks into it itself. Nobody else calls
//! it: how it ends is its answer.

use std::path::PathBuf;

use clap::Args;
use muster_wasm::{Apart, Limits, Trial};
use serde_json::Value;

use super::CliError;
use super::output::{self, Format};

#[derive(Args, Debug)]
pub(super) struct LookInto {
    /// Most bytes of memory it may take
    memory_bytes: u64,
    /// Where to put the compiled code; without, nothing is compiled
    code: Option<PathBuf>,
}

/// How a host starts the process: this very program, also where its file was replaced meanwhile.
pub(crate) fn apart(limits: &Limits) -> Result<Apart, String> {
    let link = PathBuf::from("/proc/self/exe");
    let program = if link.exists() { Ok(link) } else { std::env::current_exe() };
    let program = program.map_err(|error| format!("this program cannot be found: {error}"))?;
    Ok(Apart::new(program, vec!["look-into".into()], limits))
}

pub(super) fn run(what: LookInto) -> Result<(), CliError> {
    let trial = muster_wasm::look_into(std::io::stdin(), what.memory_bytes, what.code);
    if let Trial::NotCompiled(reason) = &trial {
        output::line(reason, &Value::Null, Format::Table);
    }
    std::process::exit(i32::from(trial.status()));
}
