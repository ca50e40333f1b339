//! Open files: each connection is one, and without a free one no connection is accepted, the console's neither.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Most open files that are asked for: more slow down programs that go through all of them.
const OPEN_MAX: u64 = 1 << 20;
/// Open files that are not connections: the store, the record, code, directories and requests of plugins, the local socket.
const RESERVED: u64 = 512;

/// Raises the bound on open files as far as the system lets this process, and gives how many connections there can be at a
/// time: `wanted`, or fewer where there are not so many open files.
pub(crate) fn connections(wanted: usize) -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(OPEN_MAX).min(OPEN_MAX);
    if limit.current.is_some_and(|current| current < most) {
        let before = limit.current;
        limit.current = Some(most);
        if let Err(error) = setrlimit(Resource::Nofile, limit) {
            tracing::warn!(error = %error, "the limit of open files cannot be raised");
            limit.current = before;
        }
    }
    let open = limit.current.unwrap_or(OPEN_MAX);
    let fits = usize::try_from(open.saturating_sub(RESERVED).max(open / 2).max(1)).unwrap_or(usize::MAX);
    if fits < wanted {
        tracing::warn!(
            open_files = open,
            connections = fits,
            "`limits: {{connections_max: {wanted}}}` needs more open files than this process may have; raise the \
             limit of open files, for example with `LimitNOFILE=` of systemd"
        );
    }
    wanted.min(fits)
}
