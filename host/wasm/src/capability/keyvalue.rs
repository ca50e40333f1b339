//! `wasi:keyvalue` on the host's durable store. Each plugin has its own buckets: no name it can think of reaches
//! another plugin's. What a call wrote is on disk when the call to `set` returns.

use muster_core::storage::{Expect, StorageError};
use wasmtime::component::{HasData, Linker, Resource, ResourceTable};

use crate::bindings::wasi::keyvalue::{atomics, batch, store};
use crate::state::{PluginContext, PluginState};

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
}

struct HasKeyvalue;

impl HasData for HasKeyvalue {
    type Data<'a> = Keyvalue<'a>;
}

pub(super) fn add_to_linker(linker: &mut Linker<PluginState>) -> wasmtime::Result<()> {
    fn view(state: &mut PluginState) -> Keyvalue<'_> {
        Keyvalue { plugin: &state.plugin, table: &mut state.table }
    }
    store::add_to_linker::<_, HasKeyvalue>(linker, view)?;
    atomics::add_to_linker::<_, HasKeyvalue>(linker, view)?;
    batch::add_to_linker::<_, HasKeyvalue>(linker, view)
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

impl Keyvalue<'_> {
    fn place(&self, bucket: &Resource<Bucket>) -> wasmtime::Result<String> {
        Ok(self.table.get(bucket)?.place.clone())
    }
}

impl PluginContext {
    async fn put(&self, place: &str, key: &str, value: Vec<u8>) -> Result<(), Error> {
        if let Some(text) = key_misfit(key) {
            return Err(Error::Other(text));
        }
        if value.len() > VALUE_BYTES_MAX {
            return Err(Error::Other(format!("a value has at most {VALUE_BYTES_MAX} bytes")));
        }
        match self.storage.put(place, key, value, Expect::Anything).await {
            Ok(_) => Ok(()),
            Err(error) => Err(failed(&error)),
        }
    }
}

impl store::Host for Keyvalue<'_> {
    async fn open(&mut self, identifier: String) -> Answer<Resource<Bucket>> {
        if identifier.len() > BUCKET_BYTES_MAX {
            return other(format!("a bucket's name has at most {BUCKET_BYTES_MAX} bytes"));
        }
        // A plugin's name has no `/`, so one plugin's buckets cannot begin like another's.
        let place = format!("kv/{}/{identifier}", self.plugin.name);
        match self.table.push(Bucket { place, page_end: None }) {
            Ok(bucket) => Ok(Ok(bucket)),
            Err(_) => other("too many buckets are open"),
        }
    }
}

impl store::HostBucket for Keyvalue<'_> {
    async fn get(&mut self, bucket: Resource<Bucket>, key: String) -> Answer<Option<Vec<u8>>> {
        let place = self.place(&bucket)?;
        let found = self.plugin.storage.get(&place, &key).await;
        Ok(found.map(|entry| entry.map(|entry| entry.value)).map_err(|error| failed(&error)))
    }

    async fn set(&mut self, bucket: Resource<Bucket>, key: String, value: Vec<u8>) -> Answer<()> {
        let place = self.place(&bucket)?;
        Ok(self.plugin.put(&place, &key, value).await)
    }

    async fn delete(&mut self, bucket: Resource<Bucket>, key: String) -> Answer<()> {
        let place = self.place(&bucket)?;
        let deleted = self.plugin.storage.delete(&place, &key, Expect::Anything).await;
        Ok(deleted.map(|_| ()).map_err(|error| failed(&error)))
    }

    async fn exists(&mut self, bucket: Resource<Bucket>, key: String) -> Answer<bool> {
        Ok(self.get(bucket, key).await?.map(|value| value.is_some()))
    }

    async fn list_keys(&mut self, bucket: Resource<Bucket>, cursor: Option<u64>) -> Answer<KeyResponse> {
        let start = cursor.unwrap_or(0);
        let Bucket { place, page_end } = self.table.get(&bucket)?;
        let (place, mut given, mut after) = match page_end {
            Some((given, last)) if *given == start => (place.clone(), start, Some(last.clone())),
            _ => (place.clone(), 0, None),
        };
        // A cursor this bucket did not give out last is found by counting from the first key.
        loop {
            let wanted = usize::try_from(start - given).map_or(KEYS_PER_PAGE, |skip| match skip {
                0 => KEYS_PER_PAGE,
                skip => skip.min(KEYS_PER_PAGE),
            });
            let keys = match self.plugin.storage.list(&place, after.as_deref(), wanted).await {
                Ok(keys) => keys,
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
        if let Some(text) = key_misfit(&key) {
            return other(text);
        }
        // Each turn that loses was another's gain, and the call's deadline ends a long run of bad luck.
        loop {
            let entry = match self.plugin.storage.get(&place, &key).await {
                Ok(entry) => entry,
                Err(error) => return Ok(Err(failed(&error))),
            };
            let (expect, current) = match &entry {
                None => (Expect::Absent, Some(0)),
                Some(entry) => {
                    let number = std::str::from_utf8(&entry.value).ok().and_then(|text| text.parse::<u64>().ok());
                    (Expect::Revision(entry.revision), number)
                }
            };
            let Some(sum) = current.and_then(|current| current.checked_add(delta)) else {
                return other("the value is not a number that can be increased by that much");
            };
            match self.plugin.storage.put(&place, &key, sum.to_string().into_bytes(), expect).await {
                Ok(_) => return Ok(Ok(sum)),
                Err(StorageError::Conflict) => {}
                Err(error) => return Ok(Err(failed(&error))),
            }
        }
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
        let mut found = Vec::with_capacity(keys.len());
        for key in keys {
            match self.plugin.storage.get(&place, &key).await {
                Ok(entry) => found.push(entry.map(|entry| (key, entry.value))),
                Err(error) => return Ok(Err(failed(&error))),
            }
        }
        Ok(Ok(found))
    }

    async fn set_many(&mut self, bucket: Resource<Bucket>, key_values: Vec<(String, Vec<u8>)>) -> Answer<()> {
        if key_values.len() > BATCH_MAX {
            return other(format!("at most {BATCH_MAX} keys at a time"));
        }
        let place = self.place(&bucket)?;
        for (key, value) in key_values {
            if let Err(error) = self.plugin.put(&place, &key, value).await {
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
        for key in keys {
            if let Err(error) = self.plugin.storage.delete(&place, &key, Expect::Anything).await {
                return Ok(Err(failed(&error)));
            }
        }
        Ok(Ok(()))
    }
}
