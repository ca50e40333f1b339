//! Writes a backup of a running host, and reads it once more before it gets its name.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use muster_storage::RedbStorage;
use tar::{Builder, EntryType};

use super::{
    AUDIT, AUDIT_FOLDER, FOLDER, FORM, HEADER, Hashing, Header, Line, MANIFEST, Manifest, STORE, STORE_MEMBER_BYTES,
    verify,
};

/// How often a backup is begun again because the audit record dropped a file meanwhile.
const ATTEMPTS: u32 = 3;

/// What was written.
#[derive(Debug)]
pub(crate) struct Summary {
    /// Where it is.
    pub(crate) file: PathBuf,
    /// Its length.
    pub(crate) bytes: u64,
    /// Entries of the store.
    pub(crate) entries: u64,
}

/// Writes a backup of the host in `data` as `name` in its folder of backups, which must have none of that name. It gets its
/// name when it was read from its beginning to its end and is on disk. Blocks.
///
/// # Errors
/// A sentence for the operator; nothing of that name is there then.
pub(crate) fn write(data: &Path, storage: &RedbStorage, name: &str, time: String) -> Result<Summary, String> {
    let folder = data.join(FOLDER);
    let told = |error: io::Error| format!("the backup cannot be written to {}: {error}", folder.display());
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(told)?;
    let file = folder.join(name);
    if fs::symlink_metadata(&file).is_ok() {
        return Err(format!("{} exists already; give the backup another name", file.display()));
    }
    let unfinished = folder.join(format!(".{name}.tmp"));
    let header = Header { form: FORM, muster: env!("CARGO_PKG_VERSION").to_owned(), time };
    let written = write_whole(data, storage, &unfinished, &header).and_then(|entries| {
        let verified = verify(&unfinished)?;
        let bytes = fs::metadata(&unfinished).map_err(told)?.len();
        // Not over another one that came meanwhile.
        fs::hard_link(&unfinished, &file).map_err(told)?;
        File::open(&folder).and_then(|folder| folder.sync_all()).map_err(told)?;
        if verified.entries != entries {
            return Err("the verification of the written backup failed; check the disk".to_owned());
        }
        Ok(Summary { file: file.clone(), bytes, entries })
    });
    let _ = fs::remove_file(&unfinished);
    written
}

/// Removes what was being written when its host was ended.
pub(crate) fn sweep(data: &Path) {
    let files = fs::read_dir(data.join(FOLDER)).into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path());
    for unfinished in files.filter(|path| path.extension().is_some_and(|ending| ending == "tmp")) {
        let _ = fs::remove_file(unfinished);
    }
}

fn write_whole(data: &Path, storage: &RedbStorage, file: &Path, header: &Header) -> Result<u64, String> {
    for _ in 0..ATTEMPTS {
        let before = audit_files(data).map_err(|error| error.to_string())?;
        let target = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(file);
        let target = target.map_err(|error| format!("{} cannot be written: {error}", file.display()))?;
        let mut archive = Archive { builder: Builder::new(target), manifest: Manifest::default() };
        archive.json(HEADER, header)?;
        archive.store(storage)?;
        let files = audit_files(data).map_err(|error| error.to_string())?;
        // What the store remembers of the record must be in the backup: nothing may have been dropped meanwhile.
        let complete = before.iter().all(|file| files.contains(file)) && archive.audit(data, &files)?;
        if complete {
            let config = data.join(crate::serve::CONFIG);
            if config.is_file() {
                let text = fs::read(&config).map_err(|error| format!("{}: {error}", config.display()))?;
                archive.member(crate::serve::CONFIG, &text)?;
            }
            return archive.finish();
        }
    }
    Err("audit files are deleted faster than they can be copied; raise `audit.files_max`".to_owned())
}

/// The files of the audit record, by their path below the data directory, oldest first.
fn audit_files(data: &Path) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    for folder in ["", "changes/"] {
        let path = data.join(AUDIT_FOLDER).join(folder);
        if !path.is_dir() {
            continue;
        }
        let mut names = Vec::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            let name = format!("{AUDIT}{folder}{}", entry.file_name().to_string_lossy());
            if entry.file_type()?.is_file() && super::is_member(&name) {
                names.push(name);
            }
        }
        names.sort();
        found.extend(names);
    }
    Ok(found)
}

struct Archive {
    builder: Builder<File>,
    manifest: Manifest,
}

impl Archive {
    fn json(&mut self, name: &str, value: &impl serde::Serialize) -> Result<(), String> {
        let text = serde_json::to_vec(value).map_err(|error| error.to_string())?;
        self.member(name, &text)
    }

    fn member(&mut self, name: &str, bytes: &[u8]) -> Result<(), String> {
        self.stream(name, bytes.len() as u64, bytes).map_err(|error| format!("the backup cannot be written: {error}"))
    }

    fn stream(&mut self, name: &str, bytes: u64, from: impl io::Read) -> io::Result<()> {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(EntryType::Regular);
        header.set_size(bytes);
        header.set_mode(0o600);
        let mut from = Hashing::new(from);
        self.builder.append_data(&mut header, name, &mut from)?;
        let member = from.finish(name.to_owned());
        if member.bytes != bytes {
            return Err(io::Error::other(format!("{name} became shorter while it was read")));
        }
        self.manifest.members.push(member);
        Ok(())
    }

    fn store(&mut self, storage: &RedbStorage) -> Result<(), String> {
        let (mut lines, mut number) = (Vec::new(), 0_u32);
        let last = storage.snapshot(|bucket, key, revision, value| {
            lines.extend(Line::encode(bucket, key, revision, value)?);
            self.manifest.entries += 1;
            if lines.len() >= STORE_MEMBER_BYTES {
                self.member(&format!("{STORE}{number:06}.jsonl"), &lines)?;
                lines.clear();
                number += 1;
            }
            Ok(())
        });
        self.manifest.last_revision = last.map_err(|error| error.to_string())?;
        self.member(&format!("{STORE}{number:06}.jsonl"), &lines)
    }

    /// Copies files up to their last whole line; whether all of them were there.
    fn audit(&mut self, data: &Path, files: &[String]) -> Result<bool, String> {
        for name in files {
            let path = data.join(name);
            let copied = File::open(&path).and_then(|mut file| {
                let whole = whole_lines(&mut file)?;
                self.stream(name, whole, file.take(whole))
            });
            match copied {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
                Err(error) => return Err(format!("{}: {error}", path.display())),
            }
        }
        Ok(true)
    }

    fn finish(mut self) -> Result<u64, String> {
        let entries = self.manifest.entries;
        let manifest = std::mem::take(&mut self.manifest);
        self.json(MANIFEST, &manifest)?;
        let written = self.builder.into_inner().and_then(|file| file.sync_all());
        written.map_err(|error| format!("the backup cannot be written: {error}"))?;
        Ok(entries)
    }
}

/// How many bytes of a file are whole lines. Reads from its end; the file is at its beginning afterwards.
fn whole_lines(file: &mut File) -> io::Result<u64> {
    const BLOCK: u64 = 64 << 10;
    let mut end = file.metadata()?.len();
    while end > 0 {
        let begin = end.saturating_sub(BLOCK);
        file.seek(SeekFrom::Start(begin))?;
        let mut block = Vec::new();
        file.by_ref().take(end - begin).read_to_end(&mut block)?;
        if let Some(at) = block.iter().rposition(|byte| *byte == b'\n') {
            file.seek(SeekFrom::Start(0))?;
            return Ok(begin + at as u64 + 1);
        }
        end = begin;
    }
    file.seek(SeekFrom::Start(0))?;
    Ok(0)
}
