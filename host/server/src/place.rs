//! The data directory before anything in it is touched: whether another host has it, whether the store is one, and whether
//! the local socket can be there.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

/// File name of the store.
pub(crate) const STORE: &str = "muster.redb";
/// Longest path of a local socket the system takes, in bytes, less the zero at its end (`sun_path` of unix(7)).
const SOCKET_BYTES_MAX: usize = 107;

/// Takes the data directory for this process, as long as the result lives.
///
/// # Errors
/// A sentence when another host has it.
pub(crate) fn lock(data: &Path) -> Result<File, String> {
    let failed = |error| format!("the data directory {} cannot be locked: {error}", data.display());
    let folder = File::open(data).map_err(failed)?;
    match folder.try_lock() {
        Ok(()) => Ok(folder),
        Err(TryLockError::WouldBlock) => Err(format!("{}: another host uses this data directory", data.display())),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// Refuses a store that is a link, no file, or empty beside a record of what once stood in it: a host that begins anew there
/// would forget every account without a word.
///
/// # Errors
/// A sentence about what is wrong and what to do.
pub(crate) fn check_store(data: &Path) -> Result<(), String> {
    let store = data.join(STORE);
    let misfit = |what: &str| Err(format!("the store {} {what}", store.display()));
    let length = match store.symlink_metadata() {
        Ok(found) if found.is_symlink() => {
            return misfit("is a link: name the directory that contains the store with --data");
        }
        Ok(found) if !found.is_file() => return misfit("is not a regular file"),
        Ok(found) => Some(found.len()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return misfit(&format!("cannot be examined: {error}")),
    };
    if length.unwrap_or_default() > 0 || !has_records(&data.join("audit")) {
        return Ok(());
    }
    let what = if length.is_some() { "is empty" } else { "is missing" };
    misfit(&format!(
        "{what}, but the audit log next to it is not: restore the store from a backup; to start with an empty host, \
         also move the folder `audit` away"
    ))
}

/// Whether a record of calls stands there.
fn has_records(folder: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(folder) else { return false };
    entries.flatten().any(|entry| {
        let is_record = entry.path().extension().is_some_and(|kind| kind == "jsonl");
        is_record && entry.metadata().is_ok_and(|metadata| metadata.len() > 0)
    })
}

/// Refuses a path that is too long for a local socket.
///
/// # Errors
/// A sentence about what is wrong and what to do.
pub(crate) fn check_socket(socket: &Path) -> Result<(), String> {
    let bytes = socket.as_os_str().len();
    if bytes <= SOCKET_BYTES_MAX {
        return Ok(());
    }
    Err(format!(
        "the path of the local socket, {}, has {bytes} bytes; the system allows at most {SOCKET_BYTES_MAX}: choose a \
         data directory with a shorter path",
        socket.display()
    ))
}

/// A file that is removed with this.
#[derive(Debug)]
pub(crate) struct Removed(pub(crate) PathBuf);

impl Drop for Removed {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
