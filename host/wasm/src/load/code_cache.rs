//! Compiled code, kept by digest so that a restart does not compile again.
//!
//! Compiled code is machine code: what is in these files controls the host. So the directory belongs to the host's own user
//! and no other user can write there, which is checked before every read, and nothing from outside is ever put there.
//! Beside each file is its checksum: code that a disk or an interrupted copy damaged is compiled again, never run.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufRead, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

/// The ending of the file with the checksum of the code beside it.
const CHECKSUM: &str = "sha256";

/// How much of a file is read at a time.
const CHUNK_BYTES: usize = 64 << 10;

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
        let written = component.serialize().map_err(|error| error.to_string()).and_then(|code| {
            // The checksum first: code without the right one is not used.
            let checksum = muster_component::inspect::digest(&code);
            write_whole(&path.with_extension(CHECKSUM), checksum.as_bytes())
                .and_then(|()| write_whole(&path, &code))
                .map_err(|error| error.to_string())
        });
        if let Err(error) = written {
            tracing::warn!(error, "storing compiled code failed; the next start compiles again");
        }
        Ok(component)
    }

    /// The compiled component, if it is there and can be used.
    pub(crate) fn read(&self, engine: &Engine, digest: &str) -> Option<Component> {
        let path = self.path(digest);
        let checksum = path.with_extension(CHECKSUM);
        if !path.exists() || !self.is_ours(&path) || !checksum.exists() || !self.is_ours(&checksum) {
            return None;
        }
        if !is_intact(&path, &checksum) {
            tracing::warn!(path = %path.display(), "compiled code in the cache is damaged; compiling again");
            return None;
        }
        #[expect(unsafe_code, reason = "maps code that this host compiled itself into a directory only it can write")]
        // SAFETY: the file and its directory belong to this user and no other can write them (checked above), this host
        // writes nothing there but what wasmtime compiled, and the file is as it was written (its checksum is right).
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

    /// Whether file and directory belong to this user and no other user can write to them.
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

/// Whether the code is what was written, by the checksum in the other file.
fn is_intact(code: &Path, checksum: &Path) -> bool {
    let (Ok(file), Ok(checksum)) = (fs::File::open(code), fs::read_to_string(checksum)) else { return false };
    let mut hasher = Sha256::new();
    let mut reader = std::io::BufReader::with_capacity(CHUNK_BYTES, file);
    loop {
        let read = match reader.fill_buf() {
            Ok([]) => break,
            Ok(bytes) => {
                hasher.update(bytes);
                bytes.len()
            }
            Err(_) => return false,
        };
        reader.consume(read);
    }
    muster_component::inspect::digest_text(&hasher.finalize()) == checksum
}

/// Writes a file that is there whole or not at all.
fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let unfinished = path.with_extension(format!("{}.tmp", std::process::id()));
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)
}
