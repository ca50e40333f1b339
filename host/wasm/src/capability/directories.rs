//! Directories of the host a plugin sees: those its grants name, read-only or with the right to change them. Paths are
//! opened step by step below the directory, so neither `..` nor a link leads out of it (cap-std, below wasmtime-wasi).
//! What is opened below each is counted, and what may not be.

use std::path::{Path, PathBuf};

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::filesystem::WasiFilesystemView;
use wasmtime_wasi::p2::bindings::filesystem::preopens::Host as _;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    Descriptor, DescriptorFlags, ErrorCode, Host as _, HostDescriptor, OpenFlags, PathFlags,
};
use wasmtime_wasi::{FsPerms, WasiCtxBuilder};

use super::grants::{DirectoryGrant, Grants};
use crate::error::LoadError;
use crate::state::PluginState;

/// The interfaces as the engine's own crate names them; guests built for any 0.2 get them.
const PREOPENS: &str = "wasi:filesystem/preopens@0.2.12";
const TYPES: &str = "wasi:filesystem/types@0.2.12";

/// Puts the functions that lead into directories in the place of the engine's own, which do not count.
pub(super) fn add_to_linker(linker: &mut Linker<PluginState>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    linker.instance(PREOPENS)?.func_wrap("get-directories", get_directories)?;
    let replaced = linker.instance(TYPES)?.func_wrap_async("[method]descriptor.open-at", |store, arguments| {
        Box::new(async move { open_at(store, arguments).await.map(|opened| (opened,)) })
    });
    linker.allow_shadowing(false);
    replaced
}

#[expect(clippy::type_complexity, reason = "the form of the interface")]
fn get_directories(
    mut store: StoreContextMut<'_, PluginState>,
    (): (),
) -> wasmtime::Result<(Vec<(Resource<Descriptor>, String)>,)> {
    let state = store.data_mut();
    let found = state.filesystem().get_directories()?;
    for (descriptor, guest_path) in &found {
        let mut granted = state.plugin.granted.grants.directories();
        if let Some((grant, _)) = granted.find(|(_, directory)| directory.guest_path == *guest_path) {
            state.directories.insert(descriptor.rep(), grant);
        }
    }
    Ok((found,))
}

type Opening = (Resource<Descriptor>, PathFlags, String, OpenFlags, DescriptorFlags);

/// Opens something, and counts it for the grant of the directory it is below.
async fn open_at(
    mut store: StoreContextMut<'_, PluginState>,
    (below, path_flags, path, open_flags, flags): Opening,
) -> wasmtime::Result<Result<Resource<Descriptor>, ErrorCode>> {
    let state = store.data_mut();
    let grant = state.directories.get(&below.rep()).copied();
    let shown = format!("{path:?}");
    match state.filesystem().open_at(below, path_flags, path, open_flags, flags).await {
        Ok(opened) => {
            if let Some(grant) = grant {
                state.directories.insert(opened.rep(), grant);
                state.plugin.granted.uses.grant(grant);
            }
            Ok(Ok(opened))
        }
        Err(error) => {
            let code = state.filesystem().convert_error_code(error)?;
            let forbidden = matches!(code, ErrorCode::Access | ErrorCode::NotPermitted | ErrorCode::ReadOnly);
            if let Some(grant) = grant.filter(|_| forbidden) {
                state.plugin.granted.uses.grant_refused(grant, &format!("{shown}: {}", code.message()));
            }
            Ok(Err(code))
        }
    }
}

/// Checks that every directory is there and has nothing to do with the host's own data, which is in `data`.
///
/// # Errors
/// About the first directory that cannot be given, with what to do.
pub(super) fn check(grants: &Grants, data: Option<&Path>) -> Result<(), LoadError> {
    let data = data.and_then(|data| data.canonicalize().ok());
    for (number, directory) in grants.directories() {
        let bad = |reason: String| LoadError::BadGrant {
            grant: grants.texts().get(number).cloned().unwrap_or_default(),
            reason,
        };
        let path = directory.host_directory.display();
        let real = directory.host_directory.canonicalize();
        let real =
            real.map_err(|error| bad(format!("`{path}` cannot be opened ({error}); make the directory first")))?;
        if !real.is_dir() {
            return Err(bad(format!("`{path}` is not a directory; name the directory the file is in")));
        }
        let overlaps = |data: &PathBuf| real.starts_with(data) || data.starts_with(&real);
        if data.as_ref().is_some_and(overlaps) {
            return Err(bad(format!(
                "`{path}` contains the host's data directory, or is in it; give plugins a directory apart from it"
            )));
        }
    }
    Ok(())
}

/// Gives the granted directories to a context. One that is gone since the load is left out: the guest finds nothing there.
pub(super) fn open(builder: &mut WasiCtxBuilder, grants: &Grants) {
    for (_, DirectoryGrant { guest_path, host_directory, writable }) in grants.directories() {
        let permissions = if *writable { FsPerms::ReadWrite } else { FsPerms::ReadOnly };
        if let Err(error) = builder.preopened_dir(host_directory, guest_path, permissions) {
            tracing::warn!(directory = %host_directory.display(), error = format!("{error:#}"), "a granted directory is gone");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_there_and_not_the_hosts_own() {
        let root = std::env::temp_dir().join(format!("muster-directories-{}", std::process::id()));
        for folder in ["data/inside", "shared"] {
            std::fs::create_dir_all(root.join(folder)).unwrap();
        }
        std::fs::write(root.join("file"), "x").unwrap();
        std::os::unix::fs::symlink(root.join("data"), root.join("link")).unwrap();
        let rows = [
            ("shared", ""),
            ("missing", "make the directory first"),
            ("file", "is not a directory"),
            ("data", "the host's data directory"),
            ("data/inside", "the host's data directory"),
            ("link", "the host's data directory"),
            ("link/inside", "the host's data directory"),
            ("", "the host's data directory"),
        ];
        for (folder, expected) in rows {
            let grants = Grants::parse(&[format!("directory:/x={}", root.join(folder).display())]).unwrap();
            let checked = check(&grants, Some(&root.join("data")));
            let told = checked.err().map(|error| error.to_string()).unwrap_or_default();
            assert!(told.contains(expected) && told.is_empty() == expected.is_empty(), "{folder}: {told}");
        }
        std::fs::remove_dir_all(root).unwrap();
    }
}
