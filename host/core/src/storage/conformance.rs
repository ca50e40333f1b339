//! What every [`Storage`] does, whatever it stands on: a suite that each implementation runs on an empty store.

use super::{CHANGES_PER_COMMIT_MAX, Change, Expect, Size, Storage, StorageError};

/// Goes on if it holds, and says otherwise what does not.
macro_rules! ensure {
    ($holds:expr, $($text:tt)+) => {
        if !$holds {
            return Err(format!($($text)+));
        }
    };
}

/// Runs the suite on an empty store.
///
/// # Errors
/// The first thing the store does otherwise.
pub async fn check(storage: &dyn Storage) -> Result<(), String> {
    values(storage).await?;
    commits(storage).await?;
    lists(storage).await?;
    sizes(storage).await
}

#[expect(clippy::needless_pass_by_value, reason = "errors are mapped by it")]
fn text(error: StorageError) -> String {
    format!("it failed: {error}")
}

/// A value, its revision, and what is expected of it.
async fn values(storage: &dyn Storage) -> Result<(), String> {
    ensure!(storage.get("b", "k").await.map_err(text)?.is_none(), "an empty store has no value");
    let first = storage.put("b", "k", b"1".to_vec(), Expect::Absent).await.map_err(text)?;
    let found = storage.get("b", "k").await.map_err(text)?;
    ensure!(found.as_ref().map(|entry| entry.revision) == Some(first), "a value has the revision it was put with");
    ensure!(found.is_some_and(|entry| entry.value == b"1"), "a value is what was put");
    ensure!(storage.get("b2", "k").await.map_err(text)?.is_none(), "a bucket has keys of its own");
    for (expect, what) in [(Expect::Absent, "there"), (Expect::Revision(first + 1), "of another revision")] {
        let put = storage.put("b", "k", b"2".to_vec(), expect).await;
        ensure!(matches!(put, Err(StorageError::Conflict { index: 0 })), "a key that is {what} is not put: {put:?}");
        let deleted = storage.delete("b", "k", expect).await;
        ensure!(matches!(deleted, Err(StorageError::Conflict { index: 0 })), "nor is it removed: {deleted:?}");
    }
    let second = storage.put("b", "k", b"2".to_vec(), Expect::Revision(first)).await.map_err(text)?;
    ensure!(second > first, "revisions grow: {second} after {first}");
    ensure!(storage.delete("b", "k", Expect::Revision(second)).await.map_err(text)?, "what is there is removed");
    ensure!(!storage.delete("b", "k", Expect::Anything).await.map_err(text)?, "and removed once");
    let third = storage.put("b", "k", Vec::new(), Expect::Anything).await.map_err(text)?;
    ensure!(third > second, "no revision of a key comes back: {third} after {second}");
    let empty = storage.get("b", "k").await.map_err(text)?;
    ensure!(empty.is_some_and(|entry| entry.value.is_empty()), "an empty value is a value");
    storage.delete("b", "k", Expect::Anything).await.map_err(text)?;
    Ok(())
}

/// Several changes at once.
async fn commits(storage: &dyn Storage) -> Result<(), String> {
    let put = |key: &str, expect| Change::put("c", key, key.as_bytes().to_vec(), expect);
    let made = storage.commit(vec![put("a", Expect::Absent), put("b", Expect::Absent)]).await.map_err(text)?;
    ensure!(made.len() == 2 && made.iter().all(|one| one.replaced.is_none()), "each change is answered: {made:?}");
    let refused = storage.commit(vec![
        put("c", Expect::Absent),
        Change::delete("c", "a", Expect::Absent),
        put("d", Expect::Absent),
    ]);
    let refused = refused.await;
    ensure!(
        matches!(refused, Err(StorageError::Conflict { index: 1 })),
        "the change that failed is named: {refused:?}"
    );
    for key in ["c", "d"] {
        ensure!(storage.get("c", key).await.map_err(text)?.is_none(), "none of them was made: {key}");
    }
    ensure!(storage.get("c", "a").await.map_err(text)?.is_some(), "and none was removed");
    let swapped = vec![Change::delete("c", "a", Expect::Anything), put("c", Expect::Absent)];
    let swapped = storage.commit(swapped).await.map_err(text)?;
    let replaced = swapped.first().and_then(|one| one.replaced);
    ensure!(replaced == made.first().map(|one| one.revision), "what was replaced is told: {swapped:?}");
    ensure!(storage.get("c", "a").await.map_err(text)?.is_none(), "one was removed");
    ensure!(storage.get("c", "c").await.map_err(text)?.is_some(), "and one put");
    ensure!(storage.commit(Vec::new()).await.is_ok_and(|made| made.is_empty()), "nothing is changed by no change");
    let twice = storage.commit(vec![put("x", Expect::Anything), put("x", Expect::Anything)]).await;
    ensure!(matches!(twice, Err(StorageError::Failed(_))), "a key is changed once in a commit: {twice:?}");
    let many = (0..=CHANGES_PER_COMMIT_MAX).map(|number| put(&format!("many {number}"), Expect::Anything)).collect();
    ensure!(matches!(storage.commit(many).await, Err(StorageError::Failed(_))), "a commit has a bound");
    for key in ["b", "c"] {
        storage.delete("c", key, Expect::Anything).await.map_err(text)?;
    }
    Ok(())
}

/// Keys in order, page by page.
async fn lists(storage: &dyn Storage) -> Result<(), String> {
    // The order is that of bytes: upper case before lower, and both before what is not ASCII.
    let keys = ["", "B", "a", "a/b", "aa", "\u{e9}", "\u{10000}"];
    let mut revisions = Vec::new();
    for key in keys.iter().rev() {
        revisions.push(storage.put("l", key, b"v".to_vec(), Expect::Absent).await.map_err(text)?);
        storage.put("l2", key, b"v".to_vec(), Expect::Absent).await.map_err(text)?;
    }
    let expected: Vec<_> = keys.iter().map(|key| (*key).to_owned()).zip(revisions.into_iter().rev()).collect();
    for limit in 1..=keys.len() + 1 {
        let mut listed: Vec<(String, u64)> = Vec::new();
        loop {
            let after = listed.last().map(|(key, _)| key.clone());
            let page = storage.list("l", after.as_deref(), limit).await.map_err(text)?;
            ensure!(page.len() <= limit, "a page has at most {limit} keys");
            if page.is_empty() {
                break;
            }
            listed.extend(page);
        }
        ensure!(listed == expected, "every key of the bucket is listed once, in order, by {limit}: {listed:?}");
    }
    ensure!(
        storage.list("l", Some("aaa"), 1).await.map_err(text)?.first().is_some_and(|(key, _)| key == "\u{e9}"),
        "a list begins behind a key that is not there"
    );
    for key in keys {
        storage.delete("l", key, Expect::Anything).await.map_err(text)?;
        storage.delete("l2", key, Expect::Anything).await.map_err(text)?;
    }
    ensure!(storage.list("l", None, 1).await.map_err(text)?.is_empty(), "what was removed is not listed");
    Ok(())
}

/// How much buckets hold.
async fn sizes(storage: &dyn Storage) -> Result<(), String> {
    for (bucket, key, value) in [("s/one", "k", "12345"), ("s/two", "kk", ""), ("t", "k", "1"), ("s", "k", "1")] {
        storage.put(bucket, key, value.as_bytes().to_vec(), Expect::Absent).await.map_err(text)?;
    }
    let below = storage.size_below("s/").await.map_err(text)?;
    ensure!(below == Size { keys: 2, bytes: 3 + 1 + 5 + 3 + 2 }, "what is below a prefix is counted: {below:?}");
    let nothing = storage.size_below("u").await.map_err(text)?;
    ensure!(nothing == Size::default(), "and nothing else: {nothing:?}");
    for (bucket, key) in [("s/one", "k"), ("s/two", "kk"), ("t", "k"), ("s", "k")] {
        storage.delete(bucket, key, Expect::Anything).await.map_err(text)?;
    }
    Ok(())
}
