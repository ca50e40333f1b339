//! Reads a backup: verifies it, and makes a data directory of it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufReader, Read, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::place;
use muster_core::storage::Entry;
use muster_storage::RedbStorage;
use serde::de::DeserializeOwned;
use tar::{Archive, EntryType};

use super::{
    AUDIT, AUDIT_FOLDER, FORM, HEADER, Hashing, Header, Line, MANIFEST, MEMBER_BYTES_MAX, MEMBERS_MAX, Manifest,
    Member, RESTORED, STORE, is_member,
};

/// A backup that is as it was written.
#[derive(Debug)]
pub(crate) struct Verified {
    /// Which host wrote it, and when.
    pub(crate) header: Header,
    /// Entries of the store.
    pub(crate) entries: u64,
    /// Files of the audit record.
    pub(crate) audit_files: u64,
    last_revision: u64,
}

impl Verified {
    /// The version of the host that wrote it.
    pub(crate) fn version(&self) -> &str {
        &self.header.muster
    }

    /// When it was written, as RFC 3339 writes it.
    pub(crate) fn time(&self) -> &str {
        &self.header.time
    }
}

/// Reads a backup from its beginning to its end, and holds every member against the manifest. Blocks.
///
/// # Errors
/// A sentence for the operator: what does not fit, and where.
pub(crate) fn verify(file: &Path) -> Result<Verified, String> {
    let (mut header, mut manifest, mut members) = (None, None, Vec::<Member>::new());
    let (mut entries, mut audit_files) = (0_u64, 0_u64);
    each_member(file, |name, from| {
        if manifest.is_some() {
            return Err(format!("`{name}` follows after the manifest"));
        }
        let mut from = Hashing::new(from);
        match name {
            HEADER => header = Some(header_of(&json::<serde_json::Value>(name, &mut from)?)?),
            _ if header.is_none() => {
                return Err(format!("it does not begin with `{HEADER}`, so it is not a backup of Muster"));
            }
            MANIFEST => manifest = Some(json::<Manifest>(name, &mut from)?),
            _ if name.starts_with(STORE) => each_line(&mut from, |_| {
                entries += 1;
                Ok(())
            })?,
            _ => {
                io::copy(&mut from, &mut io::sink()).map_err(|error| error.to_string())?;
                audit_files += u64::from(name.starts_with(AUDIT));
            }
        }
        if name != MANIFEST {
            members.push(from.finish(name.to_owned()));
        }
        Ok(())
    })?;
    let damaged = |what: &str| format!("{} is not a valid backup: {what}", file.display());
    let header = header.ok_or_else(|| damaged("it is empty"))?;
    let manifest = manifest.ok_or_else(|| damaged("it has no manifest, so it is incomplete"))?;
    let other = manifest.members.iter().zip(&members).find(|(written, read)| written != read);
    if let Some((written, _)) = other {
        return Err(damaged(&format!("`{}` differs from the manifest", written.name)));
    }
    if manifest.members.len() != members.len() || manifest.entries != entries {
        return Err(damaged("the number of members or entries differs from the manifest"));
    }
    Ok(Verified { header, entries, audit_files, last_revision: manifest.last_revision })
}

/// Makes a data directory of a backup, which must not exist or be empty. It is there whole or not at all. Blocks.
///
/// # Errors
/// A sentence for the operator; `data` is as it was then.
pub(crate) fn restore(file: &Path, data: &Path) -> Result<Verified, String> {
    let told = |error: io::Error| format!("{} cannot be created: {error}", data.display());
    let is_empty = match fs::read_dir(data) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => true,
        Err(error) => return Err(told(error)),
    };
    if !is_empty {
        return Err(format!("{} is not empty; restore to a directory that does not exist yet", data.display()));
    }
    let verified = verify(file)?;
    let unfinished = beside(data)?;
    DirBuilder::new().mode(0o700).create(&unfinished).map_err(told)?;
    let made = make(file, &unfinished, &verified).and_then(|()| {
        let _ = fs::remove_dir(data);
        fs::rename(&unfinished, data).map_err(told)?;
        let parent = data.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(parent).and_then(|parent| parent.sync_all()).map_err(told)
    });
    if made.is_err() {
        let _ = fs::remove_dir_all(&unfinished);
    }
    made.map(|()| verified)
}

/// Where a directory is made before it gets its name.
fn beside(data: &Path) -> Result<PathBuf, String> {
    let mut name = data.file_name().ok_or("name the data directory to restore to")?.to_owned();
    name.push(format!(".restoring-{}", std::process::id()));
    Ok(data.with_file_name(name))
}

fn make(file: &Path, data: &Path, verified: &Verified) -> Result<(), String> {
    let folder = |path: &Path| {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(|error| format!("{} cannot be created: {error}", path.display()))
    };
    // The lines of the store go through a file of their own: an archive is read member by member, the store is made in one go.
    let lines = data.join("store.jsonl");
    let new = |path: &Path| {
        let opened = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
        opened.map_err(|error| format!("{} cannot be written: {error}", path.display()))
    };
    new(&lines)?;
    each_member(file, |name, from| {
        let target = match name {
            HEADER | MANIFEST => return Ok(()),
            _ if name.starts_with(STORE) => lines.clone(),
            _ => data.join(name),
        };
        target.parent().map_or(Ok(()), folder)?;
        let mut target = new(&target)?;
        let copied = io::copy(from, &mut target).and_then(|_| target.sync_all());
        copied.map_err(|error| format!("{name}: {error}"))
    })?;
    let mut reader = BufReader::new(File::open(&lines).map_err(|error| error.to_string())?);
    let made = RedbStorage::make(&data.join(place::STORE), verified.last_revision, || next_line(&mut reader));
    made.map_err(|error| error.to_string())?;
    fs::remove_file(&lines).map_err(|error| error.to_string())?;
    let restored = serde_json::to_vec(&verified.header).map_err(|error| error.to_string())?;
    let written = new(&data.join(RESTORED))?.write_all(&restored);
    written.and_then(|()| File::open(data)?.sync_all()).map_err(|error| error.to_string())?;
    let audit = data.join(AUDIT_FOLDER);
    if audit.is_dir() {
        File::open(audit).and_then(|folder| folder.sync_all()).map_err(|error| error.to_string())
    } else {
        Ok(())
    }
}

fn header_of(value: &serde_json::Value) -> Result<Header, String> {
    let form = value.get("form").and_then(serde_json::Value::as_u64).unwrap_or_default();
    if form != u64::from(FORM) {
        let version = value.get("muster").and_then(serde_json::Value::as_str).unwrap_or("another version");
        let version = muster_core::printable::title(version, 40);
        return Err(format!(
            "this backup has format version {form}, written by Muster {version}; this version reads format version \
             {FORM}"
        ));
    }
    serde_json::from_value(value.clone()).map_err(|error| format!("`{HEADER}` is not readable: {error}"))
}

/// Shows `visit` the name of each member and what is in it.
fn each_member(file: &Path, mut visit: impl FnMut(&str, &mut dyn Read) -> Result<(), String>) -> Result<(), String> {
    let told = |error: io::Error| format!("{} cannot be read: {error}", file.display());
    let opened = File::open(file).map_err(told)?;
    if !opened.metadata().map_err(told)?.is_file() {
        return Err(format!("{} is not a file", file.display()));
    }
    let mut archive = Archive::new(BufReader::with_capacity(1 << 20, opened));
    let damaged = |what: String| format!("{} is not a valid backup: {what}", file.display());
    for (number, member) in archive.entries().map_err(told)?.enumerate() {
        let mut member = member.map_err(|error| damaged(error.to_string()))?;
        let name = member.path().ok().and_then(|path| path.to_str().map(str::to_owned)).unwrap_or_default();
        let is_known = member.header().entry_type() == EntryType::Regular && is_member(&name);
        if !is_known || number >= MEMBERS_MAX {
            let name = muster_core::printable::title(&name, 80);
            return Err(damaged(format!("unexpected member `{name}`")));
        }
        if !name.starts_with(AUDIT) && member.size() > MEMBER_BYTES_MAX {
            return Err(damaged(format!("`{name}` has more than {MEMBER_BYTES_MAX} bytes")));
        }
        visit(&name, &mut member).map_err(damaged)?;
    }
    Ok(())
}

fn json<T: DeserializeOwned>(name: &str, from: &mut impl Read) -> Result<T, String> {
    let mut text = Vec::new();
    from.read_to_end(&mut text).map_err(|error| error.to_string())?;
    serde_json::from_slice(&text).map_err(|error| format!("`{name}` is not readable: {error}"))
}

fn each_line(
    from: &mut impl Read,
    mut visit: impl FnMut((String, String, Entry)) -> Result<(), String>,
) -> Result<(), String> {
    let mut reader = BufReader::new(from);
    while let Some(entry) = next_line(&mut reader)? {
        visit(entry)?;
    }
    Ok(())
}

fn next_line(reader: &mut impl io::BufRead) -> Result<Option<(String, String, Entry)>, String> {
    let mut line = Vec::new();
    let read = reader.read_until(b'\n', &mut line).map_err(|error| error.to_string())?;
    if read == 0 { Ok(None) } else { Line::decode(&line).map(Some) }
}
