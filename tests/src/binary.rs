//! The shipped binary. Tests never run an older one than the sources say: it is built first where a source is newer.
//!
//! Each test may be a process of its own, so this must cost next to nothing when there is nothing to do: cargo, asked
//! whether there is, takes half a second; comparing the times of the files that it noted as the binary's sources takes a
//! few milliseconds. Cargo's own lock is free while tests run; a lock of ours lets one process build, and the others wait.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::root;

/// What says how the binary is built, beside its sources, and is not among those that cargo notes.
const SETTINGS: &[&str] = &["Cargo.toml", "Cargo.lock", ".cargo/config.toml"];
/// Beginnings of the variables that cargo sets for the tests, and that change what build scripts do.
const SET_BY_CARGO: &[&str] =
    &["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_TARGET_DIR", "CARGO_BUILD_TARGET_DIR"];

/// The shipped binary, as the sources are now.
pub fn binary() -> PathBuf {
    static BUILT: OnceLock<Result<(), String>> = OnceLock::new();
    let folder = root().join("target/release");
    let built = BUILT.get_or_init(|| build_where_sources_are_newer(&folder, &root()));
    assert!(built.is_ok(), "there is no host to test: {}", built.as_ref().unwrap_err());
    folder.join("muster")
}

fn build_where_sources_are_newer(folder: &Path, root: &Path) -> Result<(), String> {
    if is_fresh(folder, root) {
        return Ok(());
    }
    fs::create_dir_all(folder).map_err(|error| format!("{} cannot be made: {error}", folder.display()))?;
    let lock = File::create(folder.join("muster.lock")).and_then(|file| file.lock().map(|()| file));
    let _lock = lock.map_err(|error| format!("{}/muster.lock cannot be locked: {error}", folder.display()))?;
    // Another process may have built it while this one waited.
    if is_fresh(folder, root) {
        return Ok(());
    }
    eprintln!("the host is older than its sources: building it");
    // What is saved while the compiler runs is newer than this file, and is built the next time.
    let started = folder.join("muster.building");
    fs::write(&started, "").map_err(|error| format!("{} cannot be written: {error}", started.display()))?;
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--release", "--package", "muster"]).current_dir(root);
    for (name, _) in std::env::vars().filter(|(name, _)| SET_BY_CARGO.iter().any(|start| name.starts_with(start))) {
        cargo.env_remove(name);
    }
    let status = cargo.env_remove("CARGO").status().map_err(|error| format!("cargo cannot be started: {error}"))?;
    if !status.success() {
        return Err(format!("`cargo build --release --package muster` failed with {status}; its errors are above"));
    }
    fs::rename(started, stamp(folder))
        .map_err(|error| format!("{} cannot be written: {error}", stamp(folder).display()))
}

/// Its time is when the last build began that is known to have succeeded.
fn stamp(folder: &Path) -> PathBuf {
    folder.join("muster.built")
}

/// Whether the binary is there, and no source is newer than its last build.
fn is_fresh(folder: &Path, root: &Path) -> bool {
    let time = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    let (Some(built), Ok(noted)) = (time(&stamp(folder)), fs::read_to_string(folder.join("muster.d"))) else {
        return false;
    };
    let mut sources = sources(&noted);
    let within = |folder: &&Path| folder.starts_with(root);
    let folders: BTreeSet<&Path> =
        sources.iter().flat_map(|source| source.ancestors().skip(1).filter(within)).collect();
    let manifests: Vec<PathBuf> =
        folders.into_iter().map(|folder| folder.join("Cargo.toml")).filter(|manifest| manifest.exists()).collect();
    sources.extend(manifests);
    sources.extend(SETTINGS.iter().map(|setting| root.join(setting)));
    folder.join("muster").is_file() && sources.iter().all(|source| time(source).is_some_and(|time| time <= built))
}

/// The paths after the colon of a line as `make` reads it, where a blank within a path is written with a backslash.
fn sources(noted: &str) -> Vec<PathBuf> {
    let paths = noted.lines().filter_map(|line| line.split_once(": ")).map(|(_, paths)| paths.replace("\\ ", "\0"));
    paths.flat_map(|paths| paths.split(' ').map(|path| path.replace('\0', " ").into()).collect::<Vec<_>>()).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_path_may_have_blanks() {
        let noted = "/a\\ b/muster: /a\\ b/src/main.rs /a\\ b/core/lib.rs\n";
        assert_eq!(sources(noted), [Path::new("/a b/src/main.rs"), Path::new("/a b/core/lib.rs")]);
    }

    /// A folder with everything a fresh binary has, built a minute ago of sources of two minutes ago.
    fn built() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        for folder in ["release", "host/src", ".cargo"] {
            fs::create_dir_all(at(folder)).unwrap();
        }
        for file in ["host/src/lib.rs", "host/Cargo.toml", "Cargo.toml", "Cargo.lock", ".cargo/config.toml"] {
            fs::write(at(file), "").unwrap();
            set_minutes_ago(&at(file), 2);
        }
        fs::write(at("release/muster.d"), format!("muster: {}\n", at("host/src/lib.rs").display())).unwrap();
        fs::write(at("release/muster"), "").unwrap();
        fs::write(at("release/muster.built"), "").unwrap();
        set_minutes_ago(&at("release/muster.built"), 1);
        root
    }

    fn set_minutes_ago(file: &Path, minutes: u64) {
        // What is written now is as old as now.
        let now = tempfile::tempfile().unwrap().metadata().unwrap().modified().unwrap();
        let file = File::options().append(true).open(file).unwrap();
        file.set_modified(now - Duration::from_secs(60 * minutes)).unwrap();
    }

    #[test]
    fn a_source_a_manifest_or_a_setting_that_is_newer_is_noticed() {
        let root = built();
        let fresh = || is_fresh(&root.path().join("release"), root.path());
        assert!(fresh());
        for file in ["host/src/lib.rs", "host/Cargo.toml", "Cargo.toml", "Cargo.lock", ".cargo/config.toml"] {
            set_minutes_ago(&root.path().join(file), 0);
            assert!(!fresh(), "{file} is newer");
            set_minutes_ago(&root.path().join(file), 2);
            assert!(fresh(), "{file} is older again");
        }
    }

    #[test]
    fn what_is_missing_is_noticed() {
        for file in ["release/muster", "release/muster.d", "release/muster.built", "host/src/lib.rs"] {
            let root = built();
            fs::remove_file(root.path().join(file)).unwrap();
            assert!(!is_fresh(&root.path().join("release"), root.path()), "{file} is missing");
        }
    }
}
