//! Backups: everything a host must not lose, as it was at one moment, in one file. A copy of the data directory of a running
//! host is none: its store may be in the middle of a write.
//!
//! **Shape**: a tar archive (POSIX ustar) of these members, in this order:
//! 1. `muster-backup.json`: the version of this form, the host's version, and when it was made;
//! 2. `store/000000.jsonl` and so on: a line for each entry of the store, as [`Line`] writes it, in ascending order;
//! 3. `audit/…`: the files of the audit record, up to their last whole line;
//! 4. `muster.yaml`: the configuration, where it lies in the data directory;
//! 5. `manifest.json`: length and SHA-256 of each member before it, how many entries there are, and the store's last revision.
//!
//! A file without its manifest was not written to its end. Compiled code is left out: it is made again. So are components
//! that wait to be installed, and what the configuration names elsewhere (certificates, passwords in files).
//!
//! The store is read in one transaction; the audit record is copied after that. So it may tell of more than is in the store,
//! and never of less.

mod read;
mod write;

use std::io::Read;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use muster_core::storage::{Entry, Revision};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

pub(crate) use read::{Verified, restore, verify};
pub(crate) use write::{sweep, write};

/// The version of the form. Others are refused.
const FORM: u32 = 1;
const HEADER: &str = "muster-backup.json";
const MANIFEST: &str = "manifest.json";
const STORE: &str = "store/";
const AUDIT: &str = "audit/";
/// Folder of the audit record in a data directory.
pub(crate) const AUDIT_FOLDER: &str = "audit";
/// Folder of backups in a data directory.
const FOLDER: &str = "backups";
/// What a restored directory has until its host started once: which backup it came from.
pub(crate) const RESTORED: &str = "restored.json";

/// Length at which a member of the store is followed by another, in bytes; one entry may be longer.
const STORE_MEMBER_BYTES: usize = 8 << 20;
/// Longest member that is read, but for files of the audit record: an entry of the store is at most a component.
const MEMBER_BYTES_MAX: u64 = 256 << 20;
/// Most members.
const MEMBERS_MAX: usize = 100_000;

/// The first member.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Header {
    /// [`FORM`].
    form: u32,
    /// The version of the host that wrote it.
    muster: String,
    /// When, as RFC 3339 writes it.
    time: String,
}

/// The last member.
#[derive(Debug, Default, Deserialize, Serialize)]
struct Manifest {
    entries: u64,
    last_revision: Revision,
    members: Vec<Member>,
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
struct Member {
    name: String,
    bytes: u64,
    sha256: String,
}

/// An entry of the store, as a line of JSON.
#[derive(Deserialize, Serialize)]
struct Line {
    bucket: String,
    key: String,
    revision: Revision,
    /// Base64.
    value: String,
}

impl Line {
    fn encode(bucket: &str, key: &str, revision: Revision, value: &[u8]) -> Result<Vec<u8>, String> {
        let line = Self { bucket: bucket.to_owned(), key: key.to_owned(), revision, value: STANDARD.encode(value) };
        let mut bytes = serde_json::to_vec(&line).map_err(|error| error.to_string())?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    fn decode(line: &[u8]) -> Result<(String, String, Entry), String> {
        let line: Self = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        let value = STANDARD.decode(line.value).map_err(|error| error.to_string())?;
        Ok((line.bucket, line.key, Entry { revision: line.revision, value }))
    }
}

/// Whether a member of this name belongs into a backup. Nothing else is written anywhere.
fn is_member(name: &str) -> bool {
    let is_digits = |text: &str, length: usize| text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
    let of_store = |rest: &str| rest.strip_suffix(".jsonl").is_some_and(|digits| is_digits(digits, 6));
    let of_audit = |rest: &str| {
        let file = rest.strip_prefix("changes/").unwrap_or(rest);
        file.strip_prefix("audit-")
            .and_then(|rest| rest.strip_suffix(".jsonl"))
            .is_some_and(|digits| is_digits(digits, 20))
    };
    [HEADER, MANIFEST, crate::serve::CONFIG].contains(&name)
        || name.strip_prefix(STORE).is_some_and(of_store)
        || name.strip_prefix(AUDIT).is_some_and(of_audit)
}

/// Reads through, counting and hashing.
struct Hashing<R> {
    inner: R,
    bytes: u64,
    hasher: Sha256,
}

impl<R> Hashing<R> {
    fn new(inner: R) -> Self {
        Self { inner, bytes: 0, hasher: Sha256::new() }
    }

    fn finish(self, name: String) -> Member {
        Member { name, bytes: self.bytes, sha256: const_hex::encode(self.hasher.finalize()) }
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(into)?;
        self.hasher.update(into.get(..read).unwrap_or_default());
        self.bytes += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests;
