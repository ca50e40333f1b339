//! Checks on this machine that the sandbox limits are enforced: a small guest exceeds each of them, in the same engine
//! and the same stores as every plugin.

mod probe;
mod swap;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::limits::Limits;
use probe::{Ended, Probe};

/// One thing that was looked at.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    /// What was looked at; a limit by its name.
    pub name: &'static str,
    /// Whether it is as it should be.
    pub outcome: Outcome,
    /// What was seen, and what to do where it is not as it should be.
    pub detail: String,
}

/// How a look ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// As it should be.
    Well,
    /// It works, slower than it could.
    Slow,
    /// It cannot be tried on this machine, or by this user.
    NotTried,
    /// Not as it should be.
    Failed,
}

/// Time a guest that should be ended by something else may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Time a guest that should be ended by its deadline gets.
const DEADLINE: Duration = Duration::from_millis(100);
/// How much later than its deadline a guest may end, on a busy machine.
const SLACK: Duration = Duration::from_millis(400);
/// What is used to prove bounds, where those configured would take too long, or cannot be reached by one guest.
const CPU_MS: u64 = 50;
const RESOURCES: usize = 10_000;
const TEXT_BYTES: usize = 1 << 20;
const PAGE_BYTES: usize = 64 << 10;

/// Looks at the engine and at every limit a guest can be made to run into, as configured.
pub async fn examine(limits: Limits) -> Vec<Finding> {
    let probe = match Probe::new(&generous(&limits)) {
        Ok(probe) => probe,
        Err(error) => {
            let detail = format!("{error}; plugins cannot run here");
            return vec![Finding { name: "engine", outcome: Outcome::Failed, detail }];
        }
    };
    vec![
        pooling(&probe),
        resident(&probe).await,
        reset(&limits).await,
        yields(&probe).await,
        deadline_while_computing(&probe).await,
        deadline_while_waiting(&probe).await,
        cpu(&probe, &limits).await,
        memory(&probe, &limits).await,
        table(&probe, &limits).await,
        refusal("stack_bytes_max", &limits, &limits, &probe.run::<_, ()>("recurse", (), PATIENCE).await),
        resources(&probe, &limits).await,
        text(&probe, &limits).await,
        trap(&probe).await,
    ]
}

/// What makes the engine as it is configured, and plenty of everything a call may have: each limit is proved by itself.
fn generous(limits: &Limits) -> Limits {
    Limits {
        calls_max: limits.calls_max,
        idle_instances_max: limits.idle_instances_max,
        stack_bytes_max: limits.stack_bytes_max,
        table_elements_max: limits.table_elements_max,
        ..Limits::default()
    }
}

fn pooling(probe: &Probe) -> Finding {
    let (outcome, detail) = if probe.info.pooling {
        (Outcome::Well, "instances come from a pool".to_owned())
    } else {
        let text = "instances are created one by one, because the pool cannot reserve its address space: check \
                    `ulimit -v`, or lower calls_max, idle_instances_max or table_elements_max";
        (Outcome::Slow, text.to_owned())
    };
    Finding { name: "pool", outcome, detail }
}

/// Counts page faults: a memory that stays resident costs none when it is used again.
async fn resident(probe: &Probe) -> Finding {
    const ROUNDS: u64 = 100;
    const PAGES: u32 = 8;
    let finding = |outcome, detail: String| Finding { name: "resident_memory", outcome, detail };
    if !probe.info.pooling {
        return finding(
            Outcome::Slow,
            "memory is returned after each call, because instances do not come from a pool".to_owned(),
        );
    }
    let mut before = None;
    // The first rounds fill the pool.
    for round in 0..2 * ROUNDS {
        if round == ROUNDS {
            before = page_faults();
        }
        if let Ended::Failed(text) = probe.run::<_, ()>("touch", (PAGES,), PATIENCE).await {
            return finding(Outcome::Failed, text);
        }
    }
    match before.zip(page_faults()).map(|(before, after)| (after - before) / ROUNDS) {
        None => finding(Outcome::Slow, "page faults cannot be counted here".to_owned()),
        Some(faults) if faults < u64::from(PAGES) => {
            finding(Outcome::Well, format!("{faults} page faults for a call that writes to {PAGES} pages"))
        }
        Some(faults) => finding(
            Outcome::Slow,
            format!("{faults} page faults for a call that writes to {PAGES} pages: memories do not stay resident"),
        ),
    }
}

/// What a call left is gone before the next one begins, also where the kernel wrote it to swap meanwhile: memory, and a
/// table of functions, whose entries would point to code that is freed.
async fn reset(limits: &Limits) -> Finding {
    const HOUR_NS: u64 = 3_600_000_000_000;
    /// Fresh instances that look: enough to reach every slot of the pool the earlier ones had.
    const LOOKING: usize = 20;
    let finding = |outcome, detail: String| Finding { name: "memory_reset", outcome, detail };
    let not_tried = |why: String| finding(Outcome::NotTried, format!("swapped-out pages: {why}"));
    let probe = match Probe::leftovers(&generous(limits)) {
        Ok(probe) => probe,
        Err(error) => return finding(Outcome::Failed, error),
    };
    let swap = match swap::Swap::find() {
        Ok(swap) => swap,
        Err(why) => return not_tried(why),
    };
    let leaving = probe.run::<_, ()>("leave", (HOUR_NS,), PATIENCE);
    let pushing = async move {
        tokio::time::sleep(DEADLINE).await;
        tokio::task::spawn_blocking(move || swap.push_out()).await.unwrap_or_else(|error| Err(error.to_string()))
    };
    // Which drops the guest as it waits, with what it left.
    let pushed = tokio::select! {
        ended = leaving => return finding(Outcome::Failed, format!("the guest ended as {ended:?} before it was swapped out")),
        pushed = pushing => pushed,
    };
    let swapped = match pushed {
        Ok(kb) => kb,
        Err(why) => return not_tried(why),
    };
    for _ in 0..LOOKING {
        match probe.call::<_, u32>("count", (), PATIENCE).await {
            Ended::Answered(0) => {}
            Ended::Answered(found) => {
                return finding(Outcome::Failed, format!("a call found {found} words or functions of an earlier call"));
            }
            Ended::Refused(_) | Ended::Dropped | Ended::Failed(_) => {
                return finding(Outcome::Failed, "the guest that searches for it did not end normally".to_owned());
            }
        }
    }
    finding(Outcome::Well, format!("nothing of an earlier call was found after {swapped} kB were swapped out"))
}

/// Page faults of this process that needed no disk (`proc_pid_stat(5)`, field 10).
fn page_faults() -> Option<u64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is the name in parentheses, and may have blanks.
    stat.rsplit_once(')')?.1.split_whitespace().nth(7)?.parse().ok()
}

/// A guest that computes lets others run meanwhile.
async fn yields(probe: &Probe) -> Finding {
    let turns = Arc::new(AtomicU32::new(0));
    let other = {
        let turns = Arc::clone(&turns);
        async move {
            loop {
                turns.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
        }
    };
    tokio::select! {
        biased;
        _ = probe.run::<_, ()>("spin", (), DEADLINE) => {}
        () = other => {}
    }
    let turns = turns.load(Ordering::Relaxed);
    let outcome = if turns > 5 { Outcome::Well } else { Outcome::Failed };
    let detail = format!("other calls ran {turns} times while a guest computed for {} ms", DEADLINE.as_millis());
    Finding { name: "epoch_ticks", outcome, detail }
}

async fn deadline_while_computing(probe: &Probe) -> Finding {
    let started = Instant::now();
    ended_in_time("deadline_computing", started, &probe.run::<_, ()>("spin", (), DEADLINE).await)
}

async fn deadline_while_waiting(probe: &Probe) -> Finding {
    const HOUR_NS: u64 = 3_600_000_000_000;
    let started = Instant::now();
    ended_in_time("deadline_waiting", started, &probe.run::<_, ()>("wait", (HOUR_NS,), DEADLINE).await)
}

fn ended_in_time(name: &'static str, started: Instant, ended: &Ended<()>) -> Finding {
    let took = started.elapsed();
    let in_time = *ended == Ended::Dropped && took < DEADLINE + SLACK;
    let outcome = if in_time { Outcome::Well } else { Outcome::Failed };
    let detail = format!("a guest with a deadline of {} ms ended after {} ms", DEADLINE.as_millis(), took.as_millis());
    Finding { name, outcome, detail }
}

async fn cpu(probe: &Probe, limits: &Limits) -> Finding {
    let tried = Limits { cpu_ms_max: limits.cpu_ms_max.min(CPU_MS), ..generous(limits) };
    let started = Instant::now();
    let ended = probe.under(&tried).run::<_, ()>("spin", (), PATIENCE).await;
    let took = started.elapsed().as_millis();
    let outcome = if ended == Ended::Refused("cpu_ms_max") { Outcome::Well } else { Outcome::Failed };
    let bound = bound("cpu_ms_max", limits, &tried);
    Finding { name: "cpu_ms_max", outcome, detail: format!("{bound}: a guest that computes ended after {took} ms") }
}

/// The last page that fits is had, and the next one is not.
async fn memory(probe: &Probe, limits: &Limits) -> Finding {
    let probe = probe.under(&Limits { memory_bytes_max: limits.memory_bytes_max, ..generous(limits) });
    let pages = u32::try_from(limits.memory_bytes_max / PAGE_BYTES).unwrap_or(u32::MAX);
    let fits = probe.call::<_, bool>("grow", (pages.saturating_sub(1),), PATIENCE).await;
    let more = probe.call::<_, bool>("grow", (pages,), PATIENCE).await;
    edge("memory_bytes_max", limits, &fits, &more)
}

async fn table(probe: &Probe, limits: &Limits) -> Finding {
    let elements = u32::try_from(limits.table_elements_max).unwrap_or(u32::MAX);
    let fits = probe.call::<_, bool>("widen", (elements.saturating_sub(1),), PATIENCE).await;
    let more = probe.call::<_, bool>("widen", (elements,), PATIENCE).await;
    edge("table_elements_max", limits, &fits, &more)
}

async fn resources(probe: &Probe, limits: &Limits) -> Finding {
    let tried = Limits { resources_max: limits.resources_max.min(RESOURCES), ..generous(limits) };
    refusal("resources_max", limits, &tried, &probe.under(&tried).run::<_, ()>("hoard", (), PATIENCE).await)
}

/// The longest text that may cross the border crosses it, and one byte more does not.
async fn text(probe: &Probe, limits: &Limits) -> Finding {
    let tried = Limits { hostcall_bytes_max: limits.hostcall_bytes_max.min(TEXT_BYTES), ..generous(limits) };
    let (probe, longest) = (probe.under(&tried), tried.hostcall_bytes_max);
    let bytes = u32::try_from(longest).unwrap_or(u32::MAX);
    let fits = probe.call::<_, String>("text", (bytes,), PATIENCE).await;
    let more = probe.call::<_, String>("text", (bytes.saturating_add(1),), PATIENCE).await;
    let fits = matches!(fits, Ended::Answered(text) if text.len() == longest);
    let refused = more == Ended::Refused("hostcall_bytes_max");
    let outcome = if fits && refused { Outcome::Well } else { Outcome::Failed };
    let bound = bound("hostcall_bytes_max", limits, &tried);
    let detail = format!("{bound}: exactly as much {}, more {}", had(fits), had(!refused));
    Finding { name: "hostcall_bytes_max", outcome, detail }
}

async fn trap(probe: &Probe) -> Finding {
    let ended = probe.run::<_, ()>("trap", (), PATIENCE).await;
    let again = probe.run::<_, ()>("touch", (1_u32,), PATIENCE).await;
    let well = matches!(ended, Ended::Failed(_)) && again == Ended::Answered(());
    let outcome = if well { Outcome::Well } else { Outcome::Failed };
    Finding { name: "traps", outcome, detail: "a crash ended its own call, and the next one was served".to_owned() }
}

fn edge(name: &'static str, limits: &Limits, fits: &Ended<bool>, more: &Ended<bool>) -> Finding {
    let (fits, more) = (*fits == Ended::Answered(true), *more == Ended::Answered(true));
    let outcome = if fits && !more { Outcome::Well } else { Outcome::Failed };
    let bound = limits.get(name).unwrap_or_default();
    Finding { name, outcome, detail: format!("{bound}: exactly as much {}, more {}", had(fits), had(more)) }
}

fn had(given: bool) -> &'static str {
    if given { "was given" } else { "was refused" }
}

fn refusal(name: &'static str, limits: &Limits, tried: &Limits, ended: &Ended<()>) -> Finding {
    let bound = bound(name, limits, tried);
    let (outcome, detail) = if *ended == Ended::Refused(name) {
        (Outcome::Well, format!("{bound}: more was refused"))
    } else {
        (Outcome::Failed, format!("{bound}: the guest ended as {ended:?}"))
    };
    Finding { name, outcome, detail }
}

/// A bound as it is configured, and with what it was proved.
fn bound(name: &str, limits: &Limits, tried: &Limits) -> String {
    let (configured, tried) = (limits.get(name).unwrap_or_default(), tried.get(name).unwrap_or_default());
    if configured == tried { configured.to_string() } else { format!("{configured}, checked with {tried}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limit;

    #[tokio::test(flavor = "multi_thread")]
    async fn every_limit_bites_here() {
        for finding in examine(Limits::default()).await {
            assert_ne!(finding.outcome, Outcome::Failed, "{finding:?}");
        }
    }

    /// Whatever may be configured can be proved: no limit stands in the way of another's proof.
    #[tokio::test(flavor = "multi_thread")]
    async fn every_limit_bites_as_low_and_as_high_as_it_can_be() {
        for value in [|limit: &Limit| limit.least, |limit: &Limit| limit.most] {
            let mut limits = Limits::default();
            for limit in Limits::ALL {
                limits.set(limit.name, value(limit));
            }
            for finding in examine(limits).await {
                assert_ne!(finding.outcome, Outcome::Failed, "{finding:?}");
            }
        }
    }

    /// Limit, what a guest asks for on top of what it has → whether it gets it; each at the bound and on both sides.
    #[tokio::test]
    async fn bounds_are_exact() {
        let limits = Limits { memory_bytes_max: 10 * PAGE_BYTES, table_elements_max: 10, ..Limits::default() };
        let probe = Probe::new(&limits).unwrap();
        for (function, more, given) in [
            ("grow", 8_u32, true),
            ("grow", 9, true),
            ("grow", 10, false),
            ("widen", 8, true),
            ("widen", 9, true),
            ("widen", 10, false),
        ] {
            let got = probe.call::<_, bool>(function, (more,), PATIENCE).await;
            assert_eq!(got, Ended::Answered(given), "{function} {more}");
        }
        let limits = Limits { hostcall_bytes_max: 1 << 16, ..Limits::default() };
        let probe = Probe::new(&limits).unwrap();
        for (bytes, given) in [((1_u32 << 16) - 1, true), (1 << 16, true), ((1 << 16) + 1, false)] {
            let got = probe.call::<_, String>("text", (bytes,), PATIENCE).await;
            let expected =
                if given { matches!(got, Ended::Answered(_)) } else { got == Ended::Refused("hostcall_bytes_max") };
            assert!(expected, "{bytes} {got:?}");
        }
    }
}
