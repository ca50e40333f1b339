//! Whether files and sockets are those of who uses them. A user who can write to a data directory has its rules, its
//! store and its socket. So a directory others can write to is not served, and nothing is sent to a stranger's socket.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The bits of a mode that let others than the owner write.
const OTHERS_WRITE: u32 = 0o022;
/// The user id of root, who can do everything anyway.
const ROOT: u32 = 0;

/// The user this process acts for.
pub fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Refuses a data directory that belongs to another user, or that others can write to.
///
/// # Errors
/// A sentence about what is wrong and what to do.
pub fn check_data(directory: &Path) -> Result<(), String> {
    let unreadable = |error| format!("the data directory {} cannot be examined: {error}", directory.display());
    let metadata = directory.metadata().map_err(unreadable)?;
    match misfit(metadata.uid(), metadata.mode(), own_uid()) {
        None => Ok(()),
        Some(what) => Err(format!(
            "the data directory {} {what}: users who can write to it can act as this host; correct that, or skip this \
             check with --insecure-data (unsafe)",
            directory.display()
        )),
    }
}

/// What is wrong with the owner and mode of a directory `own` uses.
fn misfit(uid: u32, mode: u32, own: u32) -> Option<String> {
    if uid != own && uid != ROOT {
        return Some(format!("belongs to user {uid}, and this process runs as user {own} (use `chown`)"));
    }
    (mode & OTHERS_WRITE != 0).then(|| format!("has the mode {:o} (use `chmod go-w`)", mode & 0o7777))
}

/// Refuses to speak to a process of another user at a local socket. Root may speak to the host of a user, where none but
/// that user and root could have put the socket there.
///
/// # Errors
/// A sentence about what is wrong and what to do.
pub fn check_peer(socket: &Path, peer: u32) -> Result<(), String> {
    let own = own_uid();
    if peer == own || peer == ROOT || (own == ROOT && is_only_of(socket, peer)) {
        return Ok(());
    }
    Err(format!(
        "the socket {} belongs to a process of user {peer}, and this process runs as user {own}: nothing was sent; \
         name the data directory of your own host with --data, or skip this check with --insecure-data (unsafe)",
        socket.display()
    ))
}

/// Whether every directory on the way to the socket belongs to root or `user`, and is theirs alone to write to.
fn is_only_of(socket: &Path, user: u32) -> bool {
    let Some(folder) = socket.parent() else { return false };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let Ok(folder) = folder.canonicalize() else { return false };
    folder.ancestors().all(|folder| {
        folder.metadata().is_ok_and(|metadata| {
            (metadata.uid() == user || metadata.uid() == ROOT) && metadata.mode() & OTHERS_WRITE == 0
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_its_users_alone() {
        for (uid, mode, own, expected) in [
            (1000, 0o40_700, 1000, None),
            (1000, 0o40_755, 1000, None),
            (0, 0o40_755, 1000, None),
            (0, 0o40_700, 0, None),
            (1000, 0o40_775, 1000, Some("has the mode 775")),
            (1000, 0o40_722, 1000, Some("has the mode 722")),
            (1000, 0o41_777, 1000, Some("has the mode 1777")),
            (1001, 0o40_700, 1000, Some("belongs to user 1001, and this process runs as user 1000")),
            (1000, 0o40_700, 0, Some("belongs to user 1000, and this process runs as user 0")),
        ] {
            let found = misfit(uid, mode, own);
            match (&found, expected) {
                (None, None) => {}
                (Some(found), Some(expected)) => assert!(found.contains(expected), "{found}"),
                _ => panic!("{uid} {mode:o} {own}: {found:?}"),
            }
        }
    }
}
