//! The end-to-end tests that need packages of Debian: `cargo xtask test --peers` runs them, `cargo xtask test` does not.

/// Modules of `tests/e2e`, with `::` at their end, and tests as `MODULE::NAME`.
const TESTS: &[&str] = &[
    // Prosody and ejabberd.
    "xmpp::",
    // Chromium.
    "cli::a_person_logs_in_with_a_real_browser",
    "openapi::a_person_tries_a_command_in_a_browser",
    // Zsh and fish.
    "cli::real_shells_complete_what_is_typed",
    // Clang and the C library for Wasm.
    "manifest::a_core_module_is_packed_as_the_component_it_says_it_is",
    "polyglot::polyglot_c",
];

/// The words after those of the runner that leave them out; nextest and cargo take the same.
pub(crate) fn skip() -> Vec<&'static str> {
    ["--"].into_iter().chain(TESTS.iter().flat_map(|test| ["--skip", test])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::root;

    fn source(module: &str) -> String {
        std::fs::read_to_string(root().join(format!("tests/e2e/{module}.rs"))).unwrap()
    }

    #[test]
    fn every_test_that_is_left_out_is_there() {
        for test in TESTS {
            let (module, name) = test.split_once("::").unwrap();
            assert!(source(module).contains(&format!("fn {name}")), "there is no test `{test}`: correct the list");
        }
    }

    /// A test is left out by the beginning of its name too: `--skip` looks for a part of it.
    #[test]
    fn no_other_test_is_left_out_with_them() {
        for test in TESTS.iter().filter(|test| !test.ends_with("::")) {
            let (module, name) = test.split_once("::").unwrap();
            let named = source(module).matches(&format!("fn {name}")).count();
            assert_eq!(named, 1, "`{test}` leaves out {named} tests");
        }
    }

    #[test]
    fn every_test_that_nextest_treats_in_its_own_way_is_there() {
        let settings = std::fs::read_to_string(root().join(".config/nextest.toml")).unwrap();
        let named: Vec<&str> = settings.split("test(=").skip(1).map(|rest| rest.split_once(')').unwrap().0).collect();
        assert!(named.len() > 5, "{named:?}");
        for test in named {
            let (module, name) = test.split_once("::").unwrap();
            assert!(source(module).contains(&format!("fn {name}()")), "there is no test `{test}`: correct the list");
        }
    }

    #[test]
    fn the_words_are_those_of_both_runners() {
        let words = skip();
        assert_eq!(words.first(), Some(&"--"));
        assert_eq!(words.len(), 1 + 2 * TESTS.len());
    }
}
