//! What an operator allows a plugin, one text each: `keyvalue`, `command:NAME`, `http:[METHODS ]SCHEME://HOST[:PORT]`,
//! `http-private:…`, `directory:GUEST_PATH=HOST_DIRECTORY`, `directory-rw:…`. Parsed once, printed back in one form.

mod destination;

use std::fmt;
use std::path::{Component, Path, PathBuf};

use muster_core::name::CommandName;
use muster_core::schema::MASK;
use muster_core::suggest;

pub use destination::{Destination, Host, HttpGrant, Scheme};

use crate::error::LoadError;

/// Most grants one plugin can have.
const GRANTS_MAX: usize = 256;
/// Longest path in a grant, in bytes.
const PATH_BYTES_MAX: usize = 4096;
/// How each kind of grant begins.
const KINDS: [&str; 6] = ["keyvalue", "command", "http", "http-private", "directory", "directory-rw"];

/// One thing a plugin may do.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Grant {
    /// Durable data of its own.
    Keyvalue,
    /// Call this command for its callers.
    Command(CommandName),
    /// Make HTTP requests there.
    Http(HttpGrant),
    /// See a directory of the host.
    Directory(DirectoryGrant),
}

/// A directory a plugin sees.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DirectoryGrant {
    /// Where the guest sees it: absolute, without `.` and `..`.
    pub guest_path: String,
    /// What it sees: absolute, without `.` and `..`.
    pub host_directory: PathBuf,
    /// Whether it may change something there.
    pub writable: bool,
}

/// What an operator allowed a plugin.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Grants(Vec<Grant>);

impl Grants {
    /// Parses grants. One that is there twice counts once.
    ///
    /// # Errors
    /// On any other text, with what to write instead.
    pub fn parse(texts: &[String]) -> Result<Self, LoadError> {
        let mut grants: Vec<Grant> = Vec::new();
        for text in texts {
            let bad = |reason: String| LoadError::BadGrant { grant: shown(text), reason };
            let grant = Grant::parse(text).map_err(bad)?;
            if grants.contains(&grant) {
                continue;
            }
            let path = |grant: &Grant| match grant {
                Grant::Directory(directory) => Some(directory.guest_path.clone()),
                Grant::Keyvalue | Grant::Command(_) | Grant::Http(_) => None,
            };
            if path(&grant).is_some_and(|wanted| grants.iter().any(|other| path(other).as_ref() == Some(&wanted))) {
                return Err(bad(
                    "another grant already has this guest path; use a separate guest path for each directory"
                        .to_owned(),
                ));
            }
            if grants.len() == GRANTS_MAX {
                return Err(bad(format!("a plugin has at most {GRANTS_MAX} grants")));
            }
            grants.push(grant);
        }
        Ok(Self(grants))
    }

    /// What a plugin asks for, each in its one form: grants, but that a directory of the host can be left to the operator
    /// (`directory:GUEST_PATH`).
    ///
    /// # Errors
    /// A sentence about the first request that is none.
    pub fn requests(texts: &[String]) -> Result<Vec<String>, String> {
        let is_half = |text: &str| is_directory(text) && is_open(text);
        let whole = texts.iter().map(|text| if is_half(text) { format!("{text}=/") } else { text.clone() });
        let requests = Self::parse(&whole.collect::<Vec<_>>()).map_err(|error| error.to_string())?;
        let open = |text: String| if text.ends_with("=/") { text.trim_end_matches("=/").to_owned() } else { text };
        Ok(requests.texts().into_iter().map(open).collect())
    }

    /// Each in its one form.
    pub fn texts(&self) -> Vec<String> {
        self.0.iter().map(ToString::to_string).collect()
    }

    /// Every grant; its place in this order is its number.
    pub fn iter(&self) -> impl Iterator<Item = &Grant> {
        self.0.iter()
    }

    /// The number of the grant for durable data.
    pub fn keyvalue(&self) -> Option<usize> {
        self.0.iter().position(|grant| *grant == Grant::Keyvalue)
    }

    /// The number of the grant for this command.
    pub fn command(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|grant| matches!(grant, Grant::Command(command) if command.as_str() == name))
    }

    /// The grants for HTTP requests, with their numbers.
    pub fn http(&self) -> impl Iterator<Item = (usize, &HttpGrant)> {
        self.0.iter().enumerate().filter_map(|(number, grant)| match grant {
            Grant::Http(http) => Some((number, http)),
            Grant::Keyvalue | Grant::Command(_) | Grant::Directory(_) => None,
        })
    }

    /// The directories the plugin sees, with their numbers.
    pub fn directories(&self) -> impl Iterator<Item = (usize, &DirectoryGrant)> {
        self.0.iter().enumerate().filter_map(|(number, grant)| match grant {
            Grant::Directory(directory) => Some((number, directory)),
            Grant::Keyvalue | Grant::Command(_) | Grant::Http(_) => None,
        })
    }
}

/// An invalid grant as errors show it: shortened if it is long, and without passwords.
fn shown(text: &str) -> String {
    let user = text.find("://").map(|at| at + 3).zip(text.rfind('@')).filter(|(start, end)| start < end);
    let text = match user {
        Some((start, end)) => {
            format!("{}{MASK}{}", text.get(..start).unwrap_or_default(), text.get(end..).unwrap_or_default())
        }
        None => text.to_owned(),
    };
    text.chars().take(200).collect()
}

/// What a component asks for that imports HTTP and has no manifest: where to, only the operator can say.
pub const HTTP_ANYWHERE: &str = "http:SCHEME://HOST";

/// Whether only the operator can make a grant of what a plugin asks for.
pub fn is_open(request: &str) -> bool {
    request == HTTP_ANYWHERE || (is_directory(request) && !request.contains('='))
}

/// Whether a plugin that was granted this has what it asked for.
pub fn satisfies(grant: &str, request: &str) -> bool {
    if request == HTTP_ANYWHERE {
        return grant.starts_with("http:") || grant.starts_with("http-private:");
    }
    grant.strip_prefix(request).is_some_and(|rest| rest.is_empty() || (is_directory(request) && rest.starts_with('=')))
}

fn is_directory(request: &str) -> bool {
    request.starts_with("directory:") || request.starts_with("directory-rw:")
}

impl Grant {
    fn parse(text: &str) -> Result<Self, String> {
        let (kind, rest) = text.split_once(':').map_or((text, None), |(kind, rest)| (kind, Some(rest)));
        match (kind, rest) {
            ("keyvalue", None) => Ok(Self::Keyvalue),
            ("keyvalue", Some(_)) => Err("write `keyvalue` without a value".to_owned()),
            ("command", Some(name)) => match CommandName::parse(name) {
                Ok(name) => Ok(Self::Command(name)),
                Err(error) => Err(format!("{error}; write `command:NAME` for each command")),
            },
            ("http", Some(rest)) => HttpGrant::parse(rest, false).map(Self::Http),
            ("http-private", Some(rest)) => HttpGrant::parse(rest, true).map(Self::Http),
            ("directory", Some(rest)) => directory(rest, false),
            ("directory-rw", Some(rest)) => directory(rest, true),
            (other, rest) => {
                let missing =
                    if rest.is_none() && KINDS.contains(&other) { "; a value is missing after its name" } else { "" };
                let close = suggest::closest(other, KINDS).filter(|_| missing.is_empty());
                let close = close.map(|close| format!("; did you mean `{close}`?")).unwrap_or_default();
                Err(format!(
                    "known grants are `keyvalue`, `command:NAME`, `http:[METHODS ]SCHEME://HOST[:PORT]`, \
                     `http-private:…`, \
                     `directory:GUEST_PATH=HOST_DIRECTORY` and `directory-rw:…`{missing}{close}"
                ))
            }
        }
    }
}

fn directory(text: &str, writable: bool) -> Result<Grant, String> {
    const FORM: &str = "write `directory:/GUEST/PATH=/HOST/DIRECTORY`";
    let Some((guest, host)) = text.split_once('=') else { return Err(format!("it contains no `=`; {FORM}")) };
    for (name, path) in [("guest path", guest), ("host directory", host)] {
        if path.len() > PATH_BYTES_MAX || path.chars().any(char::is_control) {
            return Err(format!("the {name} is longer than {PATH_BYTES_MAX} bytes or has control characters"));
        }
        if !path.starts_with('/') {
            return Err(format!("the {name} `{path}` is not absolute; {FORM}"));
        }
        if Path::new(path).components().any(|part| part == Component::ParentDir) {
            return Err(format!("the {name} `{path}` contains `..`; write the path without it"));
        }
    }
    // Repeated and closing slashes and `.` go.
    let plain = |path: &str| -> PathBuf { Path::new(path).components().collect() };
    let guest_path = plain(guest).to_string_lossy().into_owned();
    Ok(Grant::Directory(DirectoryGrant { guest_path, host_directory: plain(host), writable }))
}

impl fmt::Display for Grant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keyvalue => formatter.write_str("keyvalue"),
            Self::Command(name) => write!(formatter, "command:{name}"),
            Self::Http(http) => write!(formatter, "{http}"),
            Self::Directory(DirectoryGrant { guest_path, host_directory, writable }) => {
                let kind = if *writable { "directory-rw" } else { "directory" };
                write!(formatter, "{kind}:{guest_path}={}", host_directory.display())
            }
        }
    }
}

#[cfg(test)]
mod tests;
