//! Directories of the host a plugin sees: those its grants name, read-only or with the right to change them. Paths are
//! opened step by step below the directory, so neither `..` nor a link leads out of it (cap-std, below wasmtime-wasi).
//! What is opened below each is counted, and what may not be.

use std::fs::{File, read_link};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use muster_component::LoadError;
use muster_component::grants::{DirectoryGrant, Grants};
use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::filesystem::WasiFilesystemView;
use wasmtime_wasi::p2::bindings::filesystem::preopens::Host as _;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    Descriptor, DescriptorFlags, DescriptorType, ErrorCode, Host as _, HostDescriptor, OpenFlags, PathFlags,
};
use wasmtime_wasi::{FsPerms, WasiCtxBuilder};

use crate::run::store::PluginState;

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
    if is_special(state, &below, path_flags, path.clone()).await {
        if let Some(grant) = grant {
            let reason = format!("{shown}: neither a file nor a directory");
            state.plugin.granted.uses.grant_refused(grant, &reason);
        }
        return Ok(Err(ErrorCode::Access));
    }
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

/// Whether there is something else than a file or a directory. Opening a pipe waits for who writes, which no deadline
/// ends.
async fn is_special(
    state: &mut PluginState,
    below: &Resource<Descriptor>,
    path_flags: PathFlags,
    path: String,
) -> bool {
    let found = state.filesystem().stat_at(Resource::new_borrow(below.rep()), path_flags, path).await;
    found.is_ok_and(|found| {
        !matches!(found.type_, DescriptorType::RegularFile | DescriptorType::Directory | DescriptorType::SymbolicLink)
    })
}

/// The directories of one plugin, opened when it is loaded. Whatever is put in the place of their names later, by plugins
/// that may change what is above them for example, these are what it sees.
#[derive(Debug, Default)]
pub(crate) struct Directories(Vec<Opened>);

#[derive(Debug)]
struct Opened {
    guest_path: String,
    permissions: FsPerms,
    directory: File,
}

impl Directories {
    /// Opens every directory that is granted. Each must be there under the very name it is granted by, without a link on
    /// the way, and have nothing to do with the host's own data, which is in `data`.
    ///
    /// # Errors
    /// About the first directory that cannot be given, with what to do.
    pub(super) fn open(grants: &Grants, data: Option<&Path>) -> Result<Self, LoadError> {
        let data = data.and_then(|data| data.canonicalize().ok());
        let open = |(number, grant): (usize, &DirectoryGrant)| {
            let bad = |reason: String| LoadError::BadGrant {
                grant: grants.texts().get(number).cloned().unwrap_or_default(),
                reason,
            };
            let path = grant.host_directory.display();
            let opened = File::open(&grant.host_directory).and_then(|directory| {
                let (kind, real) = (directory.metadata()?, read_link(by_number(&directory))?);
                Ok((directory, kind.is_dir(), real))
            });
            let (directory, is_directory, real) = opened
                .map_err(|error| bad(format!("`{path}` cannot be opened ({error}); make the directory first")))?;
            if !is_directory {
                return Err(bad(format!("`{path}` is not a directory; name the directory the file is in")));
            }
            let overlaps = |data: &PathBuf| real.starts_with(data) || data.starts_with(&real);
            if data.as_ref().is_some_and(overlaps) {
                return Err(bad(format!(
                    "`{path}` contains the data directory of the host, or is inside it; use a directory outside of it"
                )));
            }
            if real != grant.host_directory {
                let real = real.display();
                return Err(bad(format!("`{path}` is a link to `{real}`; grant `{real}` if it is intended")));
            }
            let permissions = if grant.writable { FsPerms::ReadWrite } else { FsPerms::ReadOnly };
            Ok(Opened { guest_path: grant.guest_path.clone(), permissions, directory })
        };
        grants.directories().map(open).collect::<Result<_, _>>().map(Self)
    }

    /// Gives them to a context.
    pub(super) fn give(&self, builder: &mut WasiCtxBuilder) {
        for Opened { guest_path, permissions, directory } in &self.0 {
            if let Err(error) = builder.preopened_dir(by_number(directory), guest_path, *permissions) {
                tracing::warn!(guest_path, error = format!("{error:#}"), "a granted directory cannot be opened again");
            }
        }
    }
}

/// A name for what is open, which leads to nothing else.
fn by_number(open: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", open.as_raw_fd()))
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
        std::os::unix::fs::symlink(root.join("shared"), root.join("elsewhere")).unwrap();
        let rows = [
            ("shared", ""),
            ("elsewhere", "if it is intended"),
            ("missing", "make the directory first"),
            ("file", "is not a directory"),
            ("data", "the data directory of the host"),
            ("data/inside", "the data directory of the host"),
            ("link", "the data directory of the host"),
            ("link/inside", "the data directory of the host"),
            ("", "the data directory of the host"),
        ];
        for (folder, expected) in rows {
            let grants = Grants::parse(&[format!("directory:/x={}", root.join(folder).display())]).unwrap();
            let checked = Directories::open(&grants, Some(&root.join("data")));
            let told = checked.err().map(|error| error.to_string()).unwrap_or_default();
            assert!(told.contains(expected) && told.is_empty() == expected.is_empty(), "{folder}: {told}");
        }
        std::fs::remove_dir_all(root).unwrap();
    }
}
