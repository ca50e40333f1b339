//! Hosts elsewhere by name: their address, and the tokens `muster login` got. Kept in one file of the user's that nobody
//! else may read.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use muster_core::clock::Clock;
use serde_json::{Map, Value, json};

use super::CliError;
use super::login;
use crate::clock::SystemClock;

/// Longest file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// A token that ends so soon is renewed before it is used, in seconds.
const MARGIN_S: u64 = 30;

/// A host that somebody logged in to.
#[derive(Clone)]
pub(super) struct Profile {
    pub(super) url: String,
    pub(super) ca: Option<PathBuf>,
    /// The client that asked for the tokens.
    pub(super) client: String,
    pub(super) token: String,
    pub(super) refresh_token: Option<String>,
    /// When the token ends, in seconds since the epoch.
    pub(super) ends_s: u64,
}

impl Profile {
    fn read(value: &Value) -> Option<Self> {
        let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        Some(Self {
            url: text("url")?,
            ca: text("ca").map(PathBuf::from),
            client: text("client")?,
            token: text("token")?,
            refresh_token: text("refresh_token"),
            ends_s: value.get("ends_s").and_then(Value::as_u64)?,
        })
    }

    fn to_json(&self) -> Value {
        json!({
            "url": self.url, "ca": self.ca, "client": self.client, "token": self.token,
            "refresh_token": self.refresh_token, "ends_s": self.ends_s,
        })
    }
}

/// Seconds since the epoch.
pub(super) fn now_s() -> u64 {
    SystemClock.since_epoch().as_secs()
}

/// The profile of this name, its token renewed where it is about to end.
///
/// # Errors
/// When there is none, or its tokens ended.
pub(super) fn load(name: &str) -> Result<Profile, CliError> {
    let profiles = Profiles::read()?;
    let known = profiles.0.get(name).and_then(Profile::read);
    let profile = known.ok_or_else(|| {
        CliError::Missing(format!("there is no profile `{name}`; `muster --url URL login --profile {name}` makes one"))
    })?;
    if profile.ends_s > now_s() + MARGIN_S {
        return Ok(profile);
    }
    let renewed = login::renew(&profile).map_err(|error| {
        CliError::Failed(format!(
            "the login of profile `{name}` is over ({error}); run `muster login --profile {name}`"
        ))
    })?;
    save(name, &renewed)?;
    Ok(renewed)
}

/// The profile as it was kept, whether or not its tokens are valid still.
pub(super) fn known(name: &str) -> Option<Profile> {
    Profiles::read().ok()?.0.get(name).and_then(Profile::read)
}

/// Keeps a profile under this name.
pub(super) fn save(name: &str, profile: &Profile) -> Result<(), CliError> {
    let mut profiles = Profiles::read()?;
    profiles.0.insert(name.to_owned(), profile.to_json());
    profiles.write()
}

/// Forgets a profile.
pub(super) fn remove(name: &str) -> Result<(), CliError> {
    let mut profiles = Profiles::read()?;
    profiles.0.remove(name);
    profiles.write()
}

struct Profiles(Map<String, Value>);

impl Profiles {
    fn read() -> Result<Self, CliError> {
        let path = path()?;
        let failed = |reason: &dyn std::fmt::Display| CliError::Failed(format!("{}: {reason}", path.display()));
        let mut text = String::new();
        match File::open(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self(Map::new())),
            Err(error) => return Err(failed(&error)),
            Ok(file) => file.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(|error| failed(&error))?,
        };
        serde_json::from_str(&text).map(Self).map_err(|error| failed(&error))
    }

    /// There whole or not at all, and for its owner alone.
    fn write(&self) -> Result<(), CliError> {
        let path = path()?;
        let written = || {
            let directory = path.parent().unwrap_or(Path::new("."));
            DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
            let unfinished = path.with_extension(format!("{}.unfinished", std::process::id()));
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
            file.write_all(Value::Object(self.0.clone()).to_string().as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&unfinished, &path)
        };
        written().map_err(|error: std::io::Error| CliError::Failed(format!("{}: {error}", path.display())))
    }
}

/// `muster/profiles.json` where this user keeps configuration (XDG Base Directory Specification).
fn path() -> Result<PathBuf, CliError> {
    #[expect(clippy::disallowed_methods, reason = "that is where the specification says it stands")]
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let base = variable("XDG_CONFIG_HOME").map(PathBuf::from);
    let base = base.or_else(|| variable("HOME").map(|home| Path::new(&home).join(".config")));
    let base =
        base.ok_or_else(|| CliError::Failed("neither XDG_CONFIG_HOME nor HOME says where to keep it".to_owned()))?;
    Ok(base.join("muster/profiles.json"))
}
