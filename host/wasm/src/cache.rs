//! Compiled code, kept by digest so that a restart does not compile again.
//!
//! Compiled code is machine code: whoever writes it controls the host. So the directory belongs to the host's own user
//! with nobody else's access, which is checked before every read, and nothing from outside is ever put there.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use wasmtime::Engine;
use wasmtime::component::Component;

/// A directory of compiled components.
#[derive(Debug)]
pub(crate) struct CodeCache {
    directory: PathBuf,
}

impl CodeCache {
    /// Uses `directory`, making it with access for its owner alone. Engines of other versions or settings get a
    /// directory of their own below it.
    pub(crate) fn open(directory: &Path, engine: &Engine) -> std::io::Result<Self> {
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        // What is made of a core module depends on this program too.
        env!("CARGO_PKG_VERSION").hash(&mut hasher);
        let directory = directory.join(format!("{:016x}", hasher.finish()));
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
        Ok(Self { directory })
    }

    fn path(&self, digest: &str) -> PathBuf {
        self.directory.join(format!("{}.cwasm", digest.trim_start_matches("sha256:")))
    }

    /// Removes what was being written when its writer was ended.
    pub(crate) fn sweep(&self) {
        let files =
            fs::read_dir(&self.directory).into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path());
        for unfinished in files.filter(|path| path.extension().is_some_and(|ending| ending == "tmp")) {
            let _ = fs::remove_file(unfinished);
        }
    }

    /// The compiled component, from the cache or made now.
    ///
    /// # Errors
    /// When it cannot be compiled. A cache that cannot be read or written only costs time.
    pub(crate) fn compile(&self, engine: &Engine, digest: &str, bytes: &[u8]) -> wasmtime::Result<Component> {
        if let Some(component) = self.read(engine, digest) {
            return Ok(component);
        }
        let path = self.path(digest);
        let component = Component::new(engine, bytes)?;
        if let Err(error) = component
            .serialize()
            .map_err(|error| error.to_string())
            .and_then(|code| write_whole(&path, &code).map_err(|error| error.to_string()))
        {
            tracing::warn!(error, "compiled code could not be kept; the next start compiles again");
        }
        Ok(component)
    }

    /// The compiled component, if it is there and can be used.
    pub(crate) fn read(&self, engine: &Engine, digest: &str) -> Option<Component> {
        let path = self.path(digest);
        if !path.exists() || !self.is_ours(&path) {
            return None;
        }
        #[expect(unsafe_code, reason = "maps code that this host compiled itself into a directory only it can write")]
        // SAFETY: the file and its directory belong to this user and nobody else can write them (checked above), and
        // this host writes nothing there but what wasmtime compiled.
        let read = unsafe { Component::deserialize_file(engine, path) };
        match read {
            Ok(component) => Some(component),
            Err(error) => {
                tracing::warn!(
                    error = format!("{error:#}"),
                    "compiled code in the cache is not usable; compiling again"
                );
                None
            }
        }
    }

    /// Whether file and directory belong to this user and nobody else can write them.
    fn is_ours(&self, path: &Path) -> bool {
        let user = rustix::process::geteuid().as_raw();
        let ours = [self.directory.as_path(), path].into_iter().all(|path| {
            fs::symlink_metadata(path)
                .is_ok_and(|metadata| metadata.uid() == user && metadata.mode() & 0o022 == 0 && !metadata.is_symlink())
        });
        if !ours {
            tracing::warn!(path = %path.display(), "compiled code in the cache can be written by others; compiling again");
        }
        ours
    }
}

/// Writes a file that is there whole or not at all.
fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let unfinished = path.with_extension(format!("{}.tmp", std::process::id()));
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)
}
