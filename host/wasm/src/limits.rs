//! Every bound on what a guest may use, with its unit in its name (invariant I12). One list gives the fields, their
//! defaults, the keys of the configuration and what operators are shown.

/// Makes [`Limits`] and the list of them.
macro_rules! limits {
    ($($(#[doc = $about:literal])+ $name:ident: $kind:ty = $default:expr, $least:expr => $most:expr, $unit:literal;)+) => {
        /// Bounds on one call of a plugin, on calls at the same time, and on what a plugin keeps.
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub struct Limits {
            $($(#[doc = $about])+ pub $name: $kind,)+
        }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($name: $default,)+ }
            }
        }

        #[expect(clippy::cast_lossless, reason = "fields have several types, and none is wider than this")]
        impl Limits {
            /// Every limit there is.
            pub const ALL: &[Limit] = &[$(Limit {
                name: stringify!($name),
                unit: $unit,
                default: $default as u64,
                least: $least,
                most: $most,
                about: concat!($($about),+),
            }),+];

            /// The value of the limit, if there is one of this name.
            pub fn get(&self, name: &str) -> Option<u64> {
                match name {
                    $(stringify!($name) => Some(self.$name as u64),)+
                    _ => None,
                }
            }

            /// The value of the limit of this name with its unit.
            pub(crate) fn shown(&self, name: &str) -> String {
                let unit = Self::ALL.iter().find(|known| known.name == name).map_or("", |known| known.unit);
                format!("{} {unit}", self.get(name).unwrap_or_default())
            }

            /// Sets the limit of this name. Nothing happens where there is none, or where the value does not fit its type.
            pub fn set(&mut self, name: &str, value: u64) {
                match name {
                    $(stringify!($name) => put(&mut self.$name, value),)+
                    _ => {}
                }
            }
        }
    };
}

fn put<T: TryFrom<u64>>(field: &mut T, value: u64) {
    if let Ok(value) = T::try_from(value) {
        *field = value;
    }
}

/// What a limit is, apart from its value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limit {
    /// Its key in the configuration.
    pub name: &'static str,
    /// What it counts.
    pub unit: &'static str,
    /// Its default value.
    pub default: u64,
    /// The lowest value it can have.
    pub least: u64,
    /// The highest value it can have.
    pub most: u64,
    /// What it limits.
    pub about: &'static str,
}

/// Memory of one instance can never be configured above this: the pool reserves address space for it.
pub(crate) const MEMORY_BYTES_CEILING: u64 = 1 << 30;
/// How often a running guest lets others run, in milliseconds.
pub(crate) const EPOCH_MS: u64 = 1;
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

limits! {
    /// Linear memory of one instance, all its memories together. Growing beyond fails inside the guest.
    memory_bytes_max: usize = 64 << 20, 64 << 10 => MEMORY_BYTES_CEILING, "bytes";
    /// Elements of one instance, all its tables together.
    table_elements_max: usize = 100_000, 1 => 1_000_000, "elements";
    /// Core instances one component is made of.
    instances_max: usize = 64, 1 => 1_000, "instances";
    /// Stack of one call.
    stack_bytes_max: usize = 512 << 10, 16 << 10 => 8 << 20, "bytes";
    /// Time a call may compute, waiting not counted.
    cpu_ms_max: u64 = 10_000, 1 => DAY_MS, "ms";
    /// Result of one call.
    result_bytes_max: usize = 8 << 20, 1 => 1 << 30, "bytes";
    /// Data a guest hands over in one call of a host function, or as one result.
    hostcall_bytes_max: usize = 16 << 20, 1 << 10 => 2 << 30, "bytes";
    /// Host resources (buckets, streams, pollables) one call can hold at a time.
    resources_max: usize = 1_000, 1 => 1_000_000, "resources";
    /// Lines a guest can log in one call; later ones are counted and dropped.
    log_lines_max: u32 = 100, 0 => 1_000_000, "lines";
    /// Lines one plugin can log in a second, all its calls together, on average over ten; later ones are counted and dropped.
    log_lines_per_s_max: u32 = 200, 1 => 1_000_000, "lines";
    /// One line of a guest's log; the rest is cut off.
    log_line_bytes_max: usize = 4_096, 1 => 1 << 20, "bytes";
    /// Operations on keys (one for each key of a batch and each page of a list) one call can do; more are refused.
    keyvalue_operations_max: u64 = 10_000, 1 => 1_000_000_000, "operations";
    /// Keys and values one call writes, those it writes again too. More is refused.
    keyvalue_write_bytes_max: u64 = 64 << 20, 0 => 1 << 40, "bytes";
    /// What one plugin keeps: names of buckets, keys and values. More is refused.
    keyvalue_bytes_max: u64 = 64 << 20, 0 => 1 << 40, "bytes";
    /// Keys one plugin keeps; more are refused.
    keyvalue_keys_max: u64 = 100_000, 0 => 1_000_000_000, "keys";
    /// HTTP requests one call can make; more are refused.
    http_requests_max: u64 = 50, 0 => 1_000_000, "requests";
    /// HTTP responses one call can have open at a time; more are refused.
    http_concurrency_max: usize = 8, 1 => 1_000, "responses";
    /// Bodies of all HTTP requests of one call.
    http_request_bytes_max: u64 = 8 << 20, 0 => 1 << 30, "bytes";
    /// Bodies of all HTTP responses of one call.
    http_response_bytes_max: u64 = 32 << 20, 0 => 1 << 30, "bytes";
    /// Time to resolve a name and connect, TLS included.
    http_connect_ms_max: u64 = 5_000, 1 => DAY_MS, "ms";
    /// Time between the connection and the head of the response.
    http_first_byte_ms_max: u64 = 15_000, 1 => DAY_MS, "ms";
    /// Other commands one call can call; more are refused.
    dispatches_max: u64 = 100, 0 => 1_000_000, "calls";
    /// Reports of progress one call can make; later ones are counted and dropped.
    progress_reports_max: u64 = 1_000, 0 => 1_000_000, "reports";
    /// Calls of all plugins that run at a time; others wait, within their deadline.
    calls_max: usize = 256, 1 => 4_096, "calls";
    /// Calls of one plugin that run at a time; others wait, within their deadline.
    calls_per_plugin_max: usize = 192, 1 => 4_096, "calls";
    /// Calls of one caller that run at a time; more are refused.
    calls_per_caller_max: usize = 128, 1 => 4_096, "calls";
    /// Time `describe` may take.
    describe_deadline_ms: u64 = 5_000, 1 => DAY_MS, "ms";
    /// Time to look into a component and compile it.
    compile_ms_max: u64 = 300_000, 10 => DAY_MS, "ms";
    /// Memory that looking into a component and compiling it may take.
    compile_memory_bytes_max: u64 = 4_294_967_296, 128 << 20 => 1 << 40, "bytes";
    /// Instances that are kept for later calls, of all plugins that share them.
    idle_instances_max: usize = 64, 0 => 4_096, "instances";
    /// Memory of all instances that are kept.
    idle_memory_bytes_max: usize = 256 << 20, 0 => 1 << 40, "bytes";
    /// Time an instance is kept without a call.
    idle_ms_max: u64 = 60_000, 1 => DAY_MS, "ms";
    /// Calls an instance may serve; each serves a random number up to this.
    reuse_max: u32 = 100, 1 => 1_000_000, "calls";
    /// Faults of one command and caller in a window after which it is not run for them, if most calls fail; 0 for never.
    faults_max: u32 = 20, 0 => 1_000_000, "faults";
    /// The window faults are counted in.
    fault_window_ms: u64 = 60_000, 1 => DAY_MS, "ms";
    /// The first quarantine; each that follows at once is twice as long, up to 64 times.
    quarantine_ms: u64 = 10_000, 1 => DAY_MS, "ms";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_can_be_read_and_set_within_its_range() {
        for limit in Limits::ALL {
            let mut limits = Limits::default();
            assert_eq!(limits.get(limit.name), Some(limit.default), "{}", limit.name);
            assert!((limit.least..=limit.most).contains(&limit.default), "{}", limit.name);
            for value in [limit.least, limit.most] {
                limits.set(limit.name, value);
                assert_eq!(limits.get(limit.name), Some(value), "{}", limit.name);
            }
            assert!(!limit.about.trim().is_empty() && !limit.unit.is_empty());
        }
        assert_eq!(Limits::default().get("no_such_limit"), None);
    }

    #[test]
    fn names_have_their_units() {
        for limit in Limits::ALL {
            let unit = match limit.unit {
                "ms" => "_ms",
                "bytes" => "_bytes",
                _ => "_max",
            };
            assert!(limit.name.contains(unit), "{}", limit.name);
        }
    }
}
