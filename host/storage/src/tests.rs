//! The trait's promises, against a model and across a reopening.

use std::collections::BTreeMap;

use muster_core::storage::{Expect, conformance, list_all};
use proptest::prelude::*;

use super::*;

fn open() -> (tempfile::TempDir, RedbStorage) {
    let directory = tempfile::tempdir().unwrap();
    let storage = RedbStorage::open(&directory.path().join("store.redb")).unwrap();
    (directory, storage)
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

#[test]
fn nobody_else_reads_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let [new, open] = ["new", "open"].map(|name| directory.path().join(name));
    std::fs::write(&open, "").unwrap();
    std::fs::set_permissions(&open, Permissions::from_mode(0o644)).unwrap();
    for path in [new, open] {
        let _storage = RedbStorage::open(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{}", path.display());
    }
}

#[test]
fn it_does_what_every_store_does() {
    let (_directory, storage) = open();
    block_on(conformance::check(&storage)).unwrap();
}

#[test]
fn commits_that_wait_together_are_each_made_whole_or_not_at_all() {
    let (_directory, storage) = open();
    let moves = (0..200_u32).map(|number| {
        let (from, to) = (format!("k{}", number % 10), format!("k{}", (number + 1) % 10));
        // Both keys change, where the second is absent: of those that wait together, some are refused.
        let changes = vec![
            Change::put("b", &from, number.to_be_bytes().to_vec(), Expect::Anything),
            Change::delete("b", &to, Expect::Anything),
            Change::put("pairs", &number.to_string(), Vec::new(), Expect::Absent),
            Change::put("once", &(number % 150).to_string(), Vec::new(), Expect::Absent),
        ];
        storage.commit(changes)
    });
    let made = block_on(futures_util::future::join_all(moves));
    let refused = made.iter().filter(|one| matches!(one, Err(StorageError::Conflict { index: 3 }))).count();
    assert_eq!((made.iter().filter(|one| one.is_ok()).count(), refused), (150, 50));
    assert_eq!(block_on(list_all(&storage, "pairs")).unwrap().len(), 150, "of a refused commit nothing is there");
}

#[test]
fn compare_and_set_decides_races() {
    let (_directory, storage) = open();
    block_on(async {
        let first = storage.put("b", "k", vec![1], Expect::Absent).await.unwrap();
        assert!(matches!(storage.put("b", "k", vec![2], Expect::Absent).await, Err(StorageError::Conflict { .. })));
        let second = storage.put("b", "k", vec![3], Expect::Revision(first)).await.unwrap();
        assert!(second > first);
        assert!(matches!(
            storage.put("b", "k", vec![4], Expect::Revision(first)).await,
            Err(StorageError::Conflict { .. })
        ));
        assert!(matches!(storage.delete("b", "k", Expect::Revision(first)).await, Err(StorageError::Conflict { .. })));
        assert!(storage.delete("b", "k", Expect::Revision(second)).await.unwrap());
        assert!(!storage.delete("b", "k", Expect::Anything).await.unwrap());
        // A key that comes back does not get an old revision back.
        assert!(storage.put("b", "k", vec![5], Expect::Absent).await.unwrap() > second);
    });
}

#[test]
fn what_was_acknowledged_is_there_after_reopening() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.redb");
    let storage = RedbStorage::open(&path).unwrap();
    block_on(storage.put("b", "k", b"v".to_vec(), Expect::Absent)).unwrap();
    drop(storage);
    // The writer thread lets go of the file a moment after its channel closes.
    let reopened = (0..100)
        .find_map(|_| {
            let opened = RedbStorage::open(&path).ok();
            if opened.is_none() {
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            opened
        })
        .unwrap();
    assert_eq!(block_on(reopened.get("b", "k")).unwrap().unwrap().value, b"v");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn it_behaves_like_a_map(
        steps in prop::collection::vec((0..3_usize, "[a-c]{0,2}", prop::option::of(any::<u8>())), 1..25),
        limit in 1..4_usize,
    ) {
        let (_directory, storage) = open();
        let buckets = ["a", "ab", "b"];
        let mut model: BTreeMap<(usize, String), u8> = BTreeMap::new();
        block_on(async {
            for (bucket, key, value) in steps {
                if let Some(value) = value {
                    storage.put(buckets[bucket], &key, vec![value], Expect::Anything).await.unwrap();
                    model.insert((bucket, key), value);
                } else {
                    let was_there = storage.delete(buckets[bucket], &key, Expect::Anything).await.unwrap();
                    prop_assert_eq!(was_there, model.remove(&(bucket, key)).is_some());
                }
            }
            for (index, bucket) in buckets.iter().enumerate() {
                let expected: Vec<&String> = model.keys().filter(|(at, _)| *at == index).map(|(_, key)| key).collect();
                let listed = list_all(&storage, bucket).await.unwrap();
                prop_assert_eq!(listed.iter().collect::<Vec<_>>(), expected.clone());
                let page = storage.list(bucket, None, limit).await.unwrap();
                prop_assert_eq!(page.len(), expected.len().min(limit));
            }
            for prefix in ["", "a", "ab", "b"] {
                let size = storage.size_below(prefix).await.unwrap();
                let below = model.keys().filter(|(at, _)| buckets[*at].starts_with(prefix));
                let bytes = below.clone().map(|(at, key)| buckets[*at].len() - prefix.len() + key.len() + 1).sum::<usize>();
                prop_assert_eq!(size, Size { keys: below.count() as u64, bytes: bytes as u64 });
            }
            for ((bucket, key), value) in &model {
                prop_assert_eq!(storage.get(buckets[*bucket], key).await.unwrap().unwrap().value, vec![*value]);
            }
            Ok(())
        })?;
    }
}
