//! Looking into a component and compiling it, in a process of its own before it is done here. What reads a stranger's
//! bytes can recurse until the stack is gone, take all memory, or take an hour; there it ends a disposable process, and
//! the component is rejected.
//!
//! Only how that process ended is believed: what was found in the component is read again here, by the same code, on a
//! stack that is no smaller. Compiled code it leaves in the cache, as this process would.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use muster_component::LoadError;
use muster_component::core_module;
use muster_component::functions::{Docs, Functions};
use muster_component::inspect::inspect;
use rustix::process::{Resource, Rlimit, Signal, getrlimit, nice, set_parent_process_death_signal, setrlimit};

use crate::limits::Limits;
use crate::load::code_cache::CodeCache;
use crate::load::engine;

/// What came of it in the process; how a host is told is [`CompileOutcome::status`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum CompileOutcome {
    /// Nothing is wrong with the component so far.
    Fine,
    /// It is refused; why is found out once more by who asked.
    Refused,
    /// It cannot be compiled, for this reason, which is said on standard output: memory may be what was missing.
    NotCompiled(String),
    /// It was not tried.
    NotTried,
}

impl CompileOutcome {
    /// Exit status of the process.
    pub fn status(&self) -> u8 {
        match self {
            Self::Fine => 0,
            Self::NotTried => 1,
            Self::Refused => 3,
            Self::NotCompiled(_) => 4,
        }
    }
}

/// Longest reason, in characters: a pipe must have room for it until it is read.
const REASON_CHARS_MAX: usize = 1000;
/// Stack of the thread that reads the component: less than any thread of a host has.
const STACK_BYTES: usize = 1 << 20;
/// How much the process lets others go first.
const NICENESS: i32 = 10;
/// How often is looked whether it is over.
const POLL: Duration = Duration::from_millis(2);

/// How to start the process: a program whose last arguments are added here, as [`run_compile_worker`] wants them.
#[derive(Clone, Debug)]
pub struct CompileWorker {
    program: PathBuf,
    arguments: Vec<OsString>,
    time: Duration,
    memory_bytes: u64,
}

impl CompileWorker {
    /// A process of this program.
    pub fn new(program: PathBuf, arguments: Vec<OsString>, limits: &Limits) -> Self {
        let time = Duration::from_millis(limits.compile_ms_max);
        Self { program, arguments, time, memory_bytes: limits.compile_memory_bytes_max }
    }

    /// Looks into the component, and compiles it where a cache is given. Blocks.
    ///
    /// # Errors
    /// [`LoadError::TooHard`] when the process did not come back from it, [`LoadError::Compile`] when it cannot be
    /// compiled. What is merely refused is no error yet.
    pub(crate) fn compile(&self, component: &[u8], cache: Option<&Path>) -> Result<(), LoadError> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).arg(self.memory_bytes.to_string()).args(cache);
        // Nothing of the host's environment, which may have secrets.
        command.env_clear().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        // The allocator takes what it needs as it needs it: what it reserves ahead would count as taken.
        command.env("MIMALLOC_ARENA_EAGER_COMMIT", "0");
        let cannot = |error: std::io::Error| LoadError::TooHard(format!("the compiler process cannot start: {error}"));
        let mut child = command.spawn().map_err(cannot)?;
        let (until, input) = (Instant::now() + self.time, child.stdin.take());
        std::thread::scope(|scope| {
            // On a thread of its own: one that does not read would be waited for here. It gives up with the process.
            scope.spawn(move || input.map(|mut input| input.write_all(component)));
            loop {
                match child.try_wait().map_err(cannot)? {
                    Some(status) => return self.ended(status, child.stdout.take()),
                    None if Instant::now() < until => std::thread::sleep(POLL),
                    None => {
                        let _ = child.kill();
                        let _ = child.wait();
                        let ms = self.time.as_millis();
                        return Err(LoadError::TooHard(format!(
                            "the compiler process took longer than {ms} ms (limit `compile_ms_max`)"
                        )));
                    }
                }
            }
        })
    }

    fn ended(&self, status: ExitStatus, output: Option<ChildStdout>) -> Result<(), LoadError> {
        let is = |outcome: &CompileOutcome| status.code() == Some(i32::from(outcome.status()));
        if is(&CompileOutcome::Fine) || is(&CompileOutcome::Refused) {
            return Ok(());
        }
        if is(&CompileOutcome::NotCompiled(String::new())) {
            let mut reason = Vec::new();
            let _ = output.map(|output| output.take(4 * REASON_CHARS_MAX as u64).read_to_end(&mut reason));
            return Err(LoadError::not_compiled(String::from_utf8_lossy(&reason).trim()));
        }
        if is(&CompileOutcome::NotTried) {
            let memory = self.memory_bytes;
            return Err(LoadError::TooHard(format!(
                "the compiler process cannot start: it needs a thread, or more than {memory} bytes of memory (limit \
                 `compile_memory_bytes_max`)"
            )));
        }
        let how = match (status.signal(), status.code()) {
            (Some(signal), _) => format!("was killed by signal {signal}"),
            (None, code) => format!("exited with status {}", code.unwrap_or_default()),
        };
        Err(LoadError::TooHard(format!(
            "the compiler process {how} (stack overflow, or more memory than `compile_memory_bytes_max`)"
        )))
    }
}

/// What the process does: looks into a component as a host will, and compiles it into the cache, if one is given. To be
/// called once and first: it bounds and slows down the whole process.
pub fn run_compile_worker(
    component: impl Read + Send + 'static,
    memory_bytes: u64,
    cache: Option<PathBuf>,
) -> CompileOutcome {
    // The result would have no reader.
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
    let bound = Some(memory_bytes);
    let maximum = getrlimit(Resource::Data).maximum;
    let current = maximum.map_or(bound, |maximum| Some(maximum.min(memory_bytes)));
    // Without them it does the same, and a host that is short of memory notices.
    let _ = setrlimit(Resource::Data, Rlimit { current, maximum });
    let _ = nice(NICENESS);
    let reader = std::thread::Builder::new().stack_size(STACK_BYTES);
    let Ok(reader) = reader.spawn(move || try_out(component, cache.as_deref())) else {
        return CompileOutcome::NotTried;
    };
    // A panic is met there too, where it does no harm.
    reader.join().unwrap_or(CompileOutcome::Refused)
}

fn try_out(mut input: impl Read, cache: Option<&Path>) -> CompileOutcome {
    let mut given = Vec::new();
    if input.read_to_end(&mut given).is_err() {
        return CompileOutcome::NotTried;
    }
    let read = || -> Result<_, LoadError> {
        let (inspection, component) = (inspect(&given)?, core_module::to_component(&given)?);
        if inspection.functions.is_some() {
            Functions::read(&component, &Docs::default())?;
        }
        Ok((inspection.digest, component))
    };
    match (read(), cache) {
        (Err(_), _) => CompileOutcome::Refused,
        (Ok(_), None) => CompileOutcome::Fine,
        (Ok((digest, component)), Some(cache)) => match compile(cache, &digest, &component) {
            Ok(()) => CompileOutcome::Fine,
            Err(reason) => CompileOutcome::NotCompiled(reason.chars().take(REASON_CHARS_MAX).collect()),
        },
    }
}

fn compile(cache: &Path, digest: &str, component: &[u8]) -> Result<(), String> {
    let engine = engine::compiler().map_err(|error| error.to_string())?;
    let cache = CodeCache::open(cache, &engine).map_err(|error| error.to_string())?;
    cache.compile(&engine, digest, component).map(drop).map_err(|error| format!("{error:#}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(script: &str) -> Result<(), String> {
        let arguments = vec!["-c".into(), script.into()];
        let limits = Limits { compile_ms_max: 2_000, ..Limits::default() };
        let worker = CompileWorker::new("/bin/sh".into(), arguments, &limits);
        worker.compile(b"\0asm", None).map_err(|error| error.to_string())
    }

    #[test]
    fn how_the_process_ends_is_what_counts() {
        assert_eq!(tried("cat > /dev/null"), Ok(()));
        assert_eq!(tried("exit 3"), Ok(()), "refused: why is found out here");
        for (script, part) in [
            ("kill -SEGV $$", "was killed by signal 11"),
            ("exit 101", "exited with status 101"),
            ("echo no such instruction; exit 4", "cannot be compiled: no such instruction"),
            ("exec sleep 60", "took longer than 2000 ms"),
            ("test -z \"$HOME$USER$CARGO_MANIFEST_DIR\" || exit 3; exit 7", "exited with status 7"),
        ] {
            let told = tried(script).unwrap_err();
            assert!(told.contains(part), "{script}: {told}");
        }
    }
}
