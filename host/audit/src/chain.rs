//! Lines and the hashes that chain them.

use muster_core::storage::{Expect, Storage};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The hash of a line, or zeros before the first.
pub(crate) type Hash = [u8; 32];

const BUCKET: &str = "audit";
/// Where the anchor of a chain is; a second chain beside it has a key of its own.
pub(crate) const ANCHOR: &str = "anchor";

/// A line's number and hash.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Head {
    /// Its number; 0 before the first.
    pub seq: u64,
    /// Its SHA-256.
    pub hash: Hash,
}

impl Head {
    /// Parses `SEQ:HASH`, as [`Head`] is displayed.
    pub fn parse(text: &str) -> Option<Self> {
        let (seq, hash) = text.split_once(':')?;
        Some(Self { seq: seq.parse().ok()?, hash: parse_hex(hash)? })
    }

    /// Appends a line whose members, behind `seq` and `prev`, are those of the object `body` is the text of.
    pub(crate) fn append(&mut self, body: &str, into: &mut Vec<u8>) {
        let begin = into.len();
        into.extend_from_slice(b"{\"seq\":");
        into.extend_from_slice(itoa::Buffer::new().format(self.seq + 1).as_bytes());
        into.extend_from_slice(b",\"prev\":\"");
        into.extend_from_slice(const_hex::Buffer::<32>::new().format(&self.hash).as_bytes());
        into.extend_from_slice(b"\",");
        into.extend_from_slice(body.strip_prefix('{').unwrap_or(body).as_bytes());
        self.seq += 1;
        self.hash = Sha256::digest(into.get(begin..).unwrap_or_default()).into();
        into.push(b'\n');
    }
}

impl std::fmt::Display for Head {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}:{}", self.seq, const_hex::encode(self.hash))
    }
}

/// A line as far as the chain cares.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Link {
    pub(crate) head: Head,
    pub(crate) prev: Hash,
}

impl Link {
    /// Reads the line, without its end. Only the form [`Head::append`] writes is one.
    pub(crate) fn read(line: &[u8]) -> Option<Self> {
        let (seq, rest) = Self::numbered(line)?;
        let prev = rest.strip_prefix(b",\"prev\":\"")?.get(..64)?;
        let prev = parse_hex(std::str::from_utf8(prev).ok()?)?;
        Some(Self { head: Head { seq, hash: Sha256::digest(line).into() }, prev })
    }

    /// The number of the line alone.
    pub(crate) fn seq(line: &[u8]) -> Option<u64> {
        Self::numbered(line).map(|(seq, _)| seq)
    }

    fn numbered(line: &[u8]) -> Option<(u64, &[u8])> {
        let rest = line.strip_prefix(b"{\"seq\":")?;
        let digits = rest.iter().position(|byte| !byte.is_ascii_digit())?;
        let (seq, rest) = rest.split_at_checked(digits)?;
        Some((std::str::from_utf8(seq).ok()?.parse().ok()?, rest))
    }
}

/// What the store remembers of the chain.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Anchor {
    /// The newest line.
    pub(crate) head: Head,
    /// The line before the oldest that is kept.
    pub(crate) before_first: Head,
}

impl Anchor {
    pub(crate) async fn read(storage: &dyn Storage, key: &str) -> Result<Option<Self>, String> {
        let Some(entry) = storage.get(BUCKET, key).await.map_err(|error| error.to_string())? else { return Ok(None) };
        let value: Option<Value> = serde_json::from_slice(&entry.value).ok();
        let head = |name: &str| Head::parse(value.as_ref()?.get(name)?.as_str()?);
        match (head("head"), head("before_first")) {
            (Some(head), Some(before_first)) => Ok(Some(Self { head, before_first })),
            _ => Err("the anchor of the audit record in the store is not readable".to_owned()),
        }
    }

    pub(crate) async fn write(&self, storage: &dyn Storage, key: &str) -> Result<(), String> {
        let value = json!({ "head": self.head.to_string(), "before_first": self.before_first.to_string() });
        let put = storage.put(BUCKET, key, value.to_string().into_bytes(), Expect::Anything).await;
        put.map(|_| ()).map_err(|error| error.to_string())
    }
}

fn parse_hex(text: &str) -> Option<Hash> {
    // Upper case would be another text with the same meaning.
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)) {
        return None;
    }
    const_hex::decode_to_array(text).ok()
}
