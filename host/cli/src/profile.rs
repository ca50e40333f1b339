//! Hosts elsewhere by name: their address, and the tokens `muster login` got. Kept in one file of the user that no
//! other user else may read.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use super::CliError;
use super::client::{ClientError, Credential, Source};
use super::login;

/// Longest file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// A token that ends so soon is renewed before it is used, in seconds.
const MARGIN_S: u64 = 30;

/// A host with a stored login.
#[derive(Clone)]
pub(crate) struct Profile {
    pub(crate) url: String,
    pub(crate) ca: Option<PathBuf>,
    /// The client that asked for the tokens.
    pub(crate) client: String,
    pub(crate) token: String,
    pub(crate) refresh_token: Option<String>,
    /// When the token ends, in seconds since the epoch.
    pub(crate) ends_s: u64,
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

    /// Whether its token can be used for a while.
    pub(crate) fn lasts(&self) -> bool {
        self.ends_s > now_s() + MARGIN_S
    }

    fn to_json(&self) -> Value {
        json!({
            "url": self.url, "ca": self.ca, "client": self.client, "token": self.token,
            "refresh_token": self.refresh_token, "ends_s": self.ends_s,
        })
    }
}

/// Seconds since the epoch.
#[expect(clippy::disallowed_methods, reason = "a client has no clock but this one")]
pub(crate) fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// The profile of this name, its token renewed where it is about to end.
///
/// # Errors
/// When there is none, or its tokens ended.
pub(crate) fn load(name: &str) -> Result<Profile, CliError> {
    let profile = kept(name)?;
    if profile.lasts() {
        return Ok(profile);
    }
    // A refresh token that is used twice ends the login: of several programs one renews, and the others read what it got.
    let _lock = lock()?;
    let profile = kept(name)?;
    if profile.lasts() {
        return Ok(profile);
    }
    let renewed = login::renew(&profile).map_err(|error| {
        if let CliError::Client(ClientError::LoggedOut(reason)) = error {
            return CliError::Client(ClientError::LoggedOut(format!(
                "the login of profile `{name}` has expired ({reason}); run `muster --profile {name} login`"
            )));
        }
        error
    })?;
    let mut profiles = Profiles::read()?;
    profiles.0.insert(name.to_owned(), renewed.to_json());
    profiles.write()?;
    Ok(renewed)
}

/// The token of a profile, as a client asks for it each time.
pub(crate) fn source(name: &str) -> Source {
    let name = name.to_owned();
    Arc::new(move || match load(&name) {
        Ok(profile) => Ok(Credential::Bearer(profile.token)),
        Err(CliError::Client(error)) => Err(error),
        Err(other) => Err(ClientError::LoggedOut(other.to_string())),
    })
}

/// The profile as it was kept, whether or not its tokens are valid still.
///
/// # Errors
/// When there is none, or the file cannot be read.
pub(crate) fn kept(name: &str) -> Result<Profile, CliError> {
    Profiles::read()?.0.get(name).and_then(Profile::read).ok_or_else(|| {
        CliError::Missing(format!(
            "there is no profile `{name}`; create it with `muster --url URL login --profile {name}`"
        ))
    })
}

/// The names of all profiles.
pub(crate) fn names() -> Vec<String> {
    Profiles::read().map(|profiles| profiles.0.into_iter().map(|(name, _)| name).collect()).unwrap_or_default()
}

/// Keeps a profile under this name.
pub(crate) fn save(name: &str, profile: &Profile) -> Result<(), CliError> {
    let _lock = lock()?;
    let mut profiles = Profiles::read()?;
    profiles.0.insert(name.to_owned(), profile.to_json());
    profiles.write()
}

/// Forgets a profile.
pub(crate) fn remove(name: &str) -> Result<(), CliError> {
    let _lock = lock()?;
    let mut profiles = Profiles::read()?;
    profiles.0.remove(name);
    profiles.write()
}

/// Waits until no other program changes the file, and keeps them from it until this is dropped. A file of its own: the
/// other one is replaced whole.
fn lock() -> Result<File, CliError> {
    let path = path()?.with_extension("lock");
    let locked = || {
        make_directory(&path)?;
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path)?;
        file.lock()?;
        Ok(file)
    };
    locked().map_err(|error: std::io::Error| CliError::Failed(format!("{}: {error}", path.display())))
}

fn make_directory(path: &Path) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path.parent().unwrap_or(Path::new(".")))
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
            make_directory(&path)?;
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
    let base = base.ok_or_else(|| {
        CliError::Failed("profiles cannot be stored: neither XDG_CONFIG_HOME nor HOME is set".to_owned())
    })?;
    Ok(base.join("muster/profiles.json"))
}
