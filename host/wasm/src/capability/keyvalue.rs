//! `wasi:keyvalue` on the host's durable store. Each plugin has its own buckets: no name it can think of reaches
//! another plugin's. What a call wrote is on disk when the call to `set` returns.

mod quota;

use muster_core::storage::StorageError;
use wasmtime::component::{HasData, Linker, Resource, ResourceTable};

use crate::bindings::muster::plugin::compare_and_swap;
use crate::bindings::wasi::keyvalue::{atomics, batch, store};
use crate::run::store::{PluginContext, PluginState, Spent};

use quota::{Change, Refused};
pub(crate) use quota::{Quota, Quotas};
use store::{Error, KeyResponse};

/// Longest bucket name, in bytes.
const BUCKET_BYTES_MAX: usize = 2048;
/// Longest key, in bytes.
const KEY_BYTES_MAX: usize = 4096;
/// Longest value, in bytes.
const VALUE_BYTES_MAX: usize = 1 << 20;
/// Keys given at a time.
const KEYS_PER_PAGE: usize = 1000;
/// Keys or pairs taken at a time.
const BATCH_MAX: usize = 1000;

/// An open bucket.
#[derive(Debug)]
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct Bucket {
    /// Its place in the host's store.
    place: String,
    /// Where the last page ended: how many keys were given, and the last of them.
    page_end: Option<(u64, String)>,
}

/// The capability's view of a call's state.
pub(crate) struct Keyvalue<'a> {
    plugin: &'a PluginContext,
    table: &'a mut ResourceTable,
    spent: &'a mut Spent,
}

struct HasKeyvalue;

impl HasData for HasKeyvalue {
    type Data<'a> = Keyvalue<'a>;
}

pub(super) fn add_to_linker(linker: &mut Linker<PluginState>) -> wasmtime::Result<()> {
    fn view(state: &mut PluginState) -> Keyvalue<'_> {
        Keyvalue { plugin: &state.plugin, table: &mut state.table, spent: &mut state.spent }
    }
    store::add_to_linker::<_, HasKeyvalue>(linker, view)?;
    atomics::add_to_linker::<_, HasKeyvalue>(linker, view)?;
    batch::add_to_linker::<_, HasKeyvalue>(linker, view)?;
    compare_and_swap::add_to_linker::<_, HasKeyvalue>(linker, view)
}

type Answer<T> = wasmtime::Result<Result<T, Error>>;

#[expect(clippy::unnecessary_wraps, reason = "the form every host function answers in")]
fn other<T>(text: impl Into<String>) -> Answer<T> {
    Ok(Err(Error::Other(text.into())))
}

fn failed(error: &StorageError) -> Error {
    tracing::error!(error = %error, "a plugin's data could not be reached");
    Error::Other("the store does not answer".to_owned())
}

fn key_misfit(key: &str) -> Option<String> {
    (key.is_empty() || key.len() > KEY_BYTES_MAX).then(|| format!("a key has 1 to {KEY_BYTES_MAX} bytes"))
}

/// Where a bucket is in the host's store. A plugin's name has no `/`, so one plugin's buckets cannot begin like another's.
fn place(plugin: &str, bucket: &str) -> String {
    format!("kv/{plugin}/{bucket}")
}

impl Keyvalue<'_> {
    fn place(&self, bucket: &Resource<Bucket>) -> wasmtime::Result<String> {
        Ok(self.table.get(bucket)?.place.clone())
    }

    /// Counts operations against the call's bound.
    fn spend(&mut self, operations: usize) -> Result<(), Error> {
        let most = self.plugin.limits.keyvalue_operations_max;
        self.spent.keyvalue_operations = self.spent.keyvalue_operations.saturating_add(operations as u64);
        if self.spent.keyvalue_operations > most {
            return Err(self
                .plugin
                .refuse("keyvalue_operations_max", &format!("a call does at most {most} operations on keys")));
        }
        Ok(())
    }

    /// Counts bytes to be written against the call's bound.
    fn spend_bytes(&mut self, key: &str, value: &[u8]) -> Result<(), Error> {
        let most = self.plugin.limits.keyvalue_write_bytes_max;
        let written = self.spent.keyvalue_write_bytes.saturating_add((key.len() + value.len()) as u64);
        if written > most {
            let text = format!("a call writes at most {most} bytes of keys and values");
            return Err(self.plugin.refuse("keyvalue_write_bytes_max", &text));
        }
        self.spent.keyvalue_write_bytes = written;
        Ok(())
    }

    /// Writes a value, and counts it against the call's bound.
    async fn write(&mut self, place: &str, key: &str, value: Vec<u8>) -> Result<(), Error> {
        self.spend_bytes(key, &value)?;
        self.plugin.change(place, key, Change::Set(value)).await.map(|_| ())
    }
}

impl PluginContext {
    /// Counts a refusal and gives the guest's part of it.
    fn refuse(&self, limit: &'static str, text: &str) -> Error {
        self.watch.limited(limit);
        let text = format!("{text} (limit `{limit}`)");
        if let Some(grant) = self.granted.grants.keyvalue() {
            self.granted.uses.grant_refused(grant, &text);
        }
        Error::Other(text)
    }

    fn used(&self) {
        if let Some(grant) = self.granted.grants.keyvalue() {
            self.granted.uses.grant(grant);
        }
    }

    /// Changes a key. Gives the number where one was added to; nothing where the value was not the one to be swapped.
    async fn change(&self, place: &str, key: &str, change: Change) -> Result<Option<u64>, Error> {
        self.used();
        // A key of no length, or too long a one, was never set.
        if let Some(text) = key_misfit(key) {
            return if matches!(change, Change::Remove) { Ok(None) } else { Err(Error::Other(text)) };
        }
        if matches!(&change, Change::Set(value) | Change::Swap { new: value, .. } if value.len() > VALUE_BYTES_MAX) {
            return Err(Error::Other(format!("a value has at most {VALUE_BYTES_MAX} bytes")));
        }
        // It is there wherever the interface is linked.
        let Some(quota) = &self.granted.quota else { return Err(Error::AccessDenied) };
        match quota.change(&self.storage, place.to_owned(), key.to_owned(), change).await {
            Ok(number) => Ok(Some(number)),
            Err(Refused::Changed) => Ok(None),
            Err(Refused::Limit(limit, most)) => {
                let what = if limit == "keyvalue_keys_max" { "keys" } else { "bytes" };
                Err(self.refuse(limit, &format!("this plugin keeps at most {most} {what}")))
            }
            Err(Refused::NotANumber) => {
                Err(Error::Other("the value is not a number that can be increased by that much".to_owned()))
            }
            Err(Refused::Store(error)) => Err(failed(&error)),
        }
    }

    async fn get(&self, place: &str, key: &str) -> Result<Option<Vec<u8>>, Error> {
        self.used();
        let found = self.storage.get(place, key).await;
        found.map(|entry| entry.map(|entry| entry.value)).map_err(|error| failed(&error))
    }
}

impl store::Host for Keyvalue<'_> {
    async fn open(&mut self, identifier: String) -> Answer<Resource<Bucket>> {
        if identifier.len() > BUCKET_BYTES_MAX {
            return other(format!("a bucket's name has at most {BUCKET_BYTES_MAX} bytes"));
        }
        let place = place(&self.plugin.name, &identifier);
        if let Ok(bucket) = self.table.push(Bucket { place, page_end: None }) {
            return Ok(Ok(bucket));
        }
        self.plugin.watch.limited("resources_max");
        other("too many resources are held: resources_max")
    }
}

impl store::HostBucket for Keyvalue<'_> {
    async fn get(&mut self, bucket: Resource<Bucket>, key: String) -> Answer<Option<Vec<u8>>> {
        let place = self.place(&bucket)?;
        if let Err(error) = self.spend(1) {
            return Ok(Err(error));
        }
        Ok(self.plugin.get(&place, &key).await)
    }

    async fn set(&mut self, bucket: Resource<Bucket>, key: String, value: Vec<u8>) -> Answer<()> {
        let place = self.place(&bucket)?;
        if let Err(error) = self.spend(1) {
            return Ok(Err(error));
        }
        Ok(self.write(&place, &key, value).await)
    }

    async fn delete(&mut self, bucket: Resource<Bucket>, key: String) -> Answer<()> {
        let place = self.place(&bucket)?;
        if let Err(error) = self.spend(1) {
            return Ok(Err(error));
        }
        Ok(self.plugin.change(&place, &key, Change::Remove).await.map(|_| ()))
    }

    async fn exists(&mut self, bucket: Resource<Bucket>, key: String) -> Answer<bool> {
        Ok(self.get(bucket, key).await?.map(|value| value.is_some()))
    }

    async fn list_keys(&mut self, bucket: Resource<Bucket>, cursor: Option<u64>) -> Answer<KeyResponse> {
        let start = cursor.unwrap_or(0);
        self.plugin.used();
        let Bucket { place, page_end } = self.table.get(&bucket)?;
        let (place, mut given, mut after) = match page_end {
            Some((given, last)) if *given == start => (place.clone(), start, Some(last.clone())),
            _ => (place.clone(), 0, None),
        };
        // A cursor this bucket did not give out last is found by counting from the first key.
        loop {
            if let Err(error) = self.spend(1) {
                return Ok(Err(error));
            }
            let wanted = usize::try_from(start - given).map_or(KEYS_PER_PAGE, |skip| match skip {
                0 => KEYS_PER_PAGE,
                skip => skip.min(KEYS_PER_PAGE),
            });
            let keys = match self.plugin.storage.list(&place, after.as_deref(), wanted).await {
                Ok(keys) => keys.into_iter().map(|(key, _)| key).collect::<Vec<_>>(),
                Err(error) => return Ok(Err(failed(&error))),
            };
            let (skipping, full) = (given < start, keys.len() == wanted);
            given += keys.len() as u64;
            after = keys.last().cloned().or(after);
            if skipping && full {
                continue;
            }
            let keys = if skipping { Vec::new() } else { keys };
            let cursor = (full && !skipping).then_some(given);
            self.table.get_mut(&bucket)?.page_end = cursor.zip(after);
            return Ok(Ok(KeyResponse { keys, cursor }));
        }
    }

    async fn drop(&mut self, bucket: Resource<Bucket>) -> wasmtime::Result<()> {
        self.table.delete(bucket)?;
        Ok(())
    }
}

impl atomics::Host for Keyvalue<'_> {
    async fn increment(&mut self, bucket: Resource<Bucket>, key: String, delta: u64) -> Answer<u64> {
        let place = self.place(&bucket)?;
        if let Err(error) = self.spend(1) {
            return Ok(Err(error));
        }
        Ok(self.plugin.change(&place, &key, Change::Add(delta)).await.map(Option::unwrap_or_default))
    }
}

impl compare_and_swap::Host for Keyvalue<'_> {
    async fn swap(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
        old: Option<Vec<u8>>,
        new: Vec<u8>,
    ) -> Answer<bool> {
        let place = self.place(&bucket)?;
        if let Err(error) = self.spend(1).and_then(|()| self.spend_bytes(&key, &new)) {
            return Ok(Err(error));
        }
        Ok(self.plugin.change(&place, &key, Change::Swap { old, new }).await.map(|done| done.is_some()))
    }
}

impl batch::Host for Keyvalue<'_> {
    async fn get_many(
        &mut self,
        bucket: Resource<Bucket>,
        keys: Vec<String>,
    ) -> Answer<Vec<Option<(String, Vec<u8>)>>> {
        if keys.len() > BATCH_MAX {
            return other(format!("at most {BATCH_MAX} keys at a time"));
        }
        let place = self.place(&bucket)?;
        if let Err(error) = self.spend(keys.len()) {
            return Ok(Err(error));
        }
        let (mut found, mut bytes) = (Vec::with_capacity(keys.len()), 0);
        for key in keys {
            match self.plugin.get(&place, &key).await {
                Ok(value) => {
                    // All of it is in the host's memory before the guest gets any.
                    bytes += value.as_ref().map_or(0, |value| key.len() + value.len());
                    let most = self.plugin.limits.hostcall_bytes_max;
                    if bytes > most {
                        let text = format!("what is asked for has more than {most} bytes");
                        return Ok(Err(self.plugin.refuse("hostcall_bytes_max", &text)));
                    }
                    found.push(value.map(|value| (key, value)));
                }
                Err(error) => return Ok(Err(error)),
            }
            // Reading does not wait, so no other task would run.
            tokio::task::yield_now().await;
        }
        Ok(Ok(found))
    }

    async fn set_many(&mut self, bucket: Resource<Bucket>, key_values: Vec<(String, Vec<u8>)>) -> Answer<()> {
        if key_values.len() > BATCH_MAX {
            return other(format!("at most {BATCH_MAX} keys at a time"));
        }
        let place = self.place(&bucket)?;
        if let Err(error) = self.spend(key_values.len()) {
            return Ok(Err(error));
        }
        for (key, value) in key_values {
            if let Err(error) = self.write(&place, &key, value).await {
                return Ok(Err(error));
            }
        }
        Ok(Ok(()))
    }

    async fn delete_many(&mut self, bucket: Resource<Bucket>, keys: Vec<String>) -> Answer<()> {
        if keys.len() > BATCH_MAX {
            return other(format!("at most {BATCH_MAX} keys at a time"));
        }
        let place = self.place(&bucket)?;
        if let Err(error) = self.spend(keys.len()) {
            return Ok(Err(error));
        }
        for key in keys {
            if let Err(error) = self.plugin.change(&place, &key, Change::Remove).await {
                return Ok(Err(error));
            }
        }
        Ok(Ok(()))
    }
}
