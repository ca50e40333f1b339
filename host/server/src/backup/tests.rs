//! What is written is what is restored, and what was damaged on the way is refused.

use std::path::Path;

use muster_core::storage::{Expect, Storage as _};

use super::*;
use muster_storage::RedbStorage;

fn store(data: &Path, entries: usize) -> (tokio::runtime::Runtime, RedbStorage) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let storage = RedbStorage::open(&data.join(crate::place::STORE)).unwrap();
    for number in 0..entries {
        let value = vec![u8::try_from(number % 256).unwrap(); number];
        runtime.block_on(storage.put("bucket", &format!("key {number}\n\"é"), value, Expect::Anything)).unwrap();
    }
    (runtime, storage)
}

fn contents(storage: &RedbStorage) -> (u64, Vec<(String, String, Entry)>) {
    let mut found = Vec::new();
    let last = storage.snapshot(|bucket, key, revision, value| {
        found.push((bucket.to_owned(), key.to_owned(), Entry { revision, value: value.to_vec() }));
        Ok(())
    });
    (last.unwrap(), found)
}

fn made(data: &Path) -> std::path::PathBuf {
    let (_runtime, storage) = store(data, 300);
    let audit = data.join(AUDIT_FOLDER);
    std::fs::create_dir_all(audit.join("changes")).unwrap();
    std::fs::write(audit.join("audit-00000000000000000001.jsonl"), "{\"seq\":1}\n{\"seq\":2}\n{\"se").unwrap();
    std::fs::write(audit.join("changes/audit-00000000000000000001.jsonl"), "{\"seq\":1}\n").unwrap();
    std::fs::write(audit.join("notes.txt"), "mine").unwrap();
    std::fs::write(data.join("muster.yaml"), "hosts: [localhost]\n").unwrap();
    write(data, &storage, "b.tar", "2026-11-28T06:00:00Z".to_owned()).unwrap().file
}

#[test]
fn what_is_restored_is_what_was_there() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = made(from.path());
    let verified = verify(&file).unwrap();
    assert_eq!((verified.entries, verified.audit_files, verified.time()), (300, 2, "2026-11-28T06:00:00Z"));
    let data = to.path().join("data");
    restore(&file, &data).unwrap();
    let storages =
        [from.path(), &data].map(|data| contents(&RedbStorage::open(&data.join(crate::place::STORE)).unwrap()));
    assert_eq!(storages[0], storages[1]);
    let read = |name: &str| std::fs::read_to_string(data.join(name)).unwrap();
    assert_eq!(
        read("audit/audit-00000000000000000001.jsonl"),
        "{\"seq\":1}\n{\"seq\":2}\n",
        "up to the last whole line"
    );
    assert_eq!(read("audit/changes/audit-00000000000000000001.jsonl"), "{\"seq\":1}\n");
    assert_eq!(read("muster.yaml"), "hosts: [localhost]\n");
    assert!(!data.join("audit/notes.txt").exists() && !data.join("store.jsonl").exists());
    let error = restore(&file, &data).unwrap_err();
    assert!(error.contains("is not empty"), "{error}");
    let names: Vec<_> = std::fs::read_dir(to.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["data"], "nothing else is left");
}

#[test]
fn what_was_damaged_is_refused() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let good = std::fs::read(made(from.path())).unwrap();
    let file = to.path().join("damaged.tar");
    let data = to.path().join("data");
    let refused = |bytes: &[u8], part: &str| {
        std::fs::write(&file, bytes).unwrap();
        let error = restore(&file, &data).unwrap_err();
        assert!(error.contains(part), "{part}: {error}");
        assert!(!data.exists());
    };
    refused(b"", "it is empty");
    refused(b"no archive at all", "is not a valid backup");
    // Cut anywhere, one bit flipped anywhere: in the head of a member, what is in it, or what fills its block.
    for cut in (512..good.len() - 1024).step_by(good.len() / 40) {
        refused(&good[..cut], "is not a valid backup");
    }
    let at = |part: &[u8]| good.windows(part.len()).position(|window| window == part).unwrap();
    for place in [at(b"\"form\""), at(b"\"bucket\""), at(b"{\"seq\":2}"), at(b"hosts:"), at(b"\"sha256\"") + 12] {
        let mut bytes = good.clone();
        bytes[place] ^= 1;
        refused(&bytes, "is not a valid backup");
    }
    let newer = String::from_utf8_lossy(&good[..1024]).replace("\"form\":1", "\"form\":2");
    refused(&[newer.as_bytes(), &good[1024..]].concat(), "backup has format version 2, written by Muster");
}

#[test]
fn members_are_of_a_few_names() {
    for name in [
        "muster-backup.json",
        "store/000000.jsonl",
        "audit/audit-00000000000000000001.jsonl",
        "audit/changes/audit-00000000000000000001.jsonl",
        "muster.yaml",
        "manifest.json",
    ] {
        assert!(is_member(name), "{name}");
    }
    for name in [
        "",
        "..",
        "/etc/passwd",
        "store/../x",
        "store/0.jsonl",
        "audit/../../x",
        "audit/changes/../x",
        "audit/audit-1.jsonl",
        "code/x.cwasm",
        "muster.sock",
    ] {
        assert!(!is_member(name), "{name}");
    }
}
