//! The names of the hostile guests: components that misbehave, one `examples/` file each.
//!
//! `cargo xtask guests --all` builds them to `target/components/NAME.wasm`. Each offers a command of its own name, except
//! where its file says otherwise. A test that goes through [`GUESTS`] notices a guest nobody tests.

/// Every guest, by the name of its file.
pub const GUESTS: &[&str] = &[
    "allocate",
    "append",
    "bad_describe",
    "bad_example",
    "bad_schema",
    "bad_schema_array",
    "big_result",
    "bomb",
    "bytes",
    "clash",
    "clash_hello",
    "counter",
    "dispatcher",
    "edge",
    "exit",
    "fetch",
    "files",
    "flood",
    "hoard",
    "leak",
    "liar",
    "lie",
    "moody",
    "panic",
    "recurse",
    "settings",
    "sleep",
    "slow",
    "spin",
    "steps",
    "trap",
    "typed_tools",
    "v2_hello",
    "whoami",
    "wrong_world",
];

#[cfg(test)]
mod tests {
    use super::GUESTS;

    #[test]
    fn every_example_is_listed() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
        let mut found: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
            .collect();
        found.sort();
        assert_eq!(found, GUESTS);
    }
}
