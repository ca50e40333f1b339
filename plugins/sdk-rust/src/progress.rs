//! Reports the progress of a long command to its caller.

/// Reports that `done` of `total` units are done; without `total` the end is not known. `message` says in a few words
/// what is being done. The host may drop reports that come too fast.
pub fn report(done: u64, total: Option<u64>, message: &str) {
    crate::raw::muster::plugin::progress::report(done, total, message);
}
