//! Every bound on what a guest may use, with its unit in its name (invariant I12).

/// Bounds on one call of a plugin, and on calls at the same time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Linear memory of one instance, all its memories together. Growing beyond fails inside the guest.
    pub memory_bytes_max: usize,
    /// Elements of all tables of one instance.
    pub table_elements_max: usize,
    /// Result of one call.
    pub result_bytes_max: usize,
    /// Data a guest hands over in one call of a host function, or as one result.
    pub hostcall_bytes_max: usize,
    /// Host resources (buckets, streams, pollables) one call can hold at a time.
    pub resources_max: usize,
    /// Lines a guest can log in one call; later ones are counted and dropped.
    pub log_lines_max: u32,
    /// One line of a guest's log; the rest is cut off.
    pub log_line_bytes_max: usize,
    /// Calls of all plugins that run at a time; others wait, within their deadline.
    pub calls_max: usize,
    /// Time `describe` may take, in milliseconds.
    pub describe_deadline_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes_max: 64 << 20,
            table_elements_max: 100_000,
            result_bytes_max: 8 << 20,
            hostcall_bytes_max: 16 << 20,
            resources_max: 1_000,
            log_lines_max: 100,
            log_line_bytes_max: 4_096,
            calls_max: 256,
            describe_deadline_ms: 5_000,
        }
    }
}

/// Memory of one instance can never be configured above this: the pool reserves address space for it.
pub const MEMORY_BYTES_CEILING: usize = 1 << 30;
/// Core Wasm stack of one call, in bytes.
pub(crate) const STACK_BYTES_MAX: usize = 512 << 10;
/// How often a running guest lets others run, in milliseconds.
pub(crate) const EPOCH_MS: u64 = 1;
