//! A command, defined once: every surface (routes, help, validation, rules) is made from this value.

use std::fmt;
use std::time::Duration;

use serde_json::Value;

use crate::name::{CommandName, PluginName, Tag};
use crate::schema::Schema;

/// Longest summary, in characters.
pub const SUMMARY_CHARS_MAX: usize = 120;
/// Longest description, in bytes.
pub const DESCRIPTION_BYTES_MAX: usize = 16 * 1024;
/// Most tags of one command.
pub const TAGS_MAX: usize = 16;
/// Most examples of one command.
pub const EXAMPLES_MAX: usize = 16;
/// Longest title of an example, and longest note on what to use instead of the command, in characters.
pub const NOTE_CHARS_MAX: usize = 500;
/// Longest input or output of an example, in bytes of JSON.
pub const EXAMPLE_BYTES_MAX: usize = 64 * 1024;
/// Highest version a command may start at.
pub const VERSION_MAX: u32 = 999_999;

/// What running a command may do to the world.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "four independent facts, named as in the WIT flags")]
pub struct Effects {
    /// Changes nothing; may be called by `GET`.
    pub read_only: bool,
    /// A second run with the same input changes nothing more.
    pub idempotent: bool,
    /// Removes data that cannot be restored.
    pub destructive: bool,
    /// Reaches beyond the host.
    pub open_world: bool,
}

impl Effects {
    /// The names of the effects that hold, in a fixed order.
    pub fn names(self) -> Vec<&'static str> {
        [
            (self.read_only, "read_only"),
            (self.idempotent, "idempotent"),
            (self.destructive, "destructive"),
            (self.open_world, "open_world"),
        ]
        .into_iter()
        .filter_map(|(holds, name)| holds.then_some(name))
        .collect()
    }
}

/// Whom the author had in mind; the operator's rules decide.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Audience {
    /// Every caller, also anonymous ones.
    #[default]
    Restricted,
    /// Administrators.
    Admin,
    /// Any account.
    User,
    /// Everybody.
    Open,
}

impl Audience {
    /// The audience as rules and listings write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Restricted => "restricted",
            Self::Admin => "admin",
            Self::User => "user",
            Self::Open => "open",
        }
    }

    /// Reads what [`Audience::as_str`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Restricted, Self::Admin, Self::User, Self::Open].into_iter().find(|audience| audience.as_str() == text)
    }
}

/// One worked call that satisfies the command's schemas.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    /// What it shows.
    pub title: String,
    /// The arguments, an object.
    pub input: Value,
    /// The result.
    pub output: Value,
}

/// Who brought a command. Only this owner replaces or removes it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Origin {
    /// The host itself.
    Builtin,
    /// A plugin, at a version.
    Plugin {
        /// The plugin.
        name: PluginName,
        /// Its version, as its metadata says.
        version: String,
    },
}

impl Origin {
    /// The plugin's name, if a plugin brought it.
    pub fn plugin(&self) -> Option<&PluginName> {
        match self {
            Self::Builtin => None,
            Self::Plugin { name, .. } => Some(name),
        }
    }

    /// Whether both are the same owner, at whatever version.
    pub fn same_owner(&self, other: &Self) -> bool {
        self.plugin() == other.plugin()
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Builtin => formatter.write_str("built-in"),
            Self::Plugin { name, version } => write!(formatter, "plugin {name} {version}"),
        }
    }
}

/// A named, typed operation.
#[derive(Debug)]
pub struct Command {
    /// Its name, shared by all its versions.
    pub name: CommandName,
    /// The API version in which this form starts.
    pub version: u32,
    /// One line.
    pub summary: String,
    /// The description, as Markdown.
    pub description: String,
    /// Its tags.
    pub tags: Vec<Tag>,
    /// The tags rules go by, the same for every version: set when it is registered.
    pub rule_tags: Vec<Tag>,
    /// The audience that the author recommends.
    pub audience: Audience,
    /// Its effects.
    pub effects: Effects,
    /// Schema of the arguments: an object, closed.
    pub input: Schema,
    /// Schema of the result.
    pub output: Schema,
    /// Examples.
    pub examples: Vec<Example>,
    /// The replacement, if the command is deprecated.
    pub deprecated: Option<String>,
    /// Longest arguments text in bytes, where the host's general bound is too small.
    pub input_bytes_max: Option<usize>,
    /// Time a call has at least, where the host's general deadline is too short.
    pub deadline_least: Option<Duration>,
    /// The provider of the command: built-in, or a plugin.
    pub origin: Origin,
}

impl Command {
    /// Its name in lists: `name`, or `name/vN` where it begins with a later version of the API.
    pub fn label(&self) -> String {
        match self.version {
            0 => self.name.as_str().to_owned(),
            version => format!("{}/v{version}", self.name),
        }
    }

    /// Whether the command carries the tag.
    pub fn has_tag(&self, tag: &str) -> bool {
        self.tags.iter().any(|own| own.as_str() == tag)
    }

    /// Checks what types cannot: lengths of texts and lists, and that each example satisfies the schemas.
    ///
    /// # Errors
    /// A sentence for the author about the first thing that does not fit.
    pub fn check(&self) -> Result<(), String> {
        let summary_chars = self.summary.chars().count();
        if summary_chars == 0 || summary_chars > SUMMARY_CHARS_MAX || self.summary.contains('\n') {
            return Err(format!(
                "its summary must be one line of 1 to {SUMMARY_CHARS_MAX} characters, not {summary_chars}"
            ));
        }
        for (what, size, most) in [
            ("bytes of description", self.description.len(), DESCRIPTION_BYTES_MAX),
            ("tags", self.tags.len(), TAGS_MAX),
            ("examples", self.examples.len(), EXAMPLES_MAX),
            ("as its version", self.version as usize, VERSION_MAX as usize),
        ] {
            if size > most {
                return Err(format!("it has {size} {what}; at most {most} are allowed"));
            }
        }
        let titles = self.examples.iter().map(|example| ("title of an example", example.title.as_str()));
        for (what, text) in titles.chain(self.deprecated.iter().map(|text| ("note `deprecated`", text.as_str()))) {
            let chars = text.chars().count();
            if chars > NOTE_CHARS_MAX {
                return Err(format!("a {what} has {chars} characters; at most {NOTE_CHARS_MAX} are allowed"));
            }
        }
        for example in &self.examples {
            for (side, schema, value) in
                [("input", &self.input, &example.input), ("output", &self.output, &example.output)]
            {
                let bytes = value.to_string().len();
                if bytes > EXAMPLE_BYTES_MAX {
                    return Err(format!(
                        "the {side} of its example \"{}\" has {bytes} bytes; at most {EXAMPLE_BYTES_MAX} are allowed",
                        example.title
                    ));
                }
                if let Err(errors) = schema.check(value) {
                    let first = errors.first().map(ToString::to_string).unwrap_or_default();
                    return Err(format!(
                        "the {side} of its example \"{}\" does not satisfy its own schema: {first}",
                        example.title
                    ));
                }
            }
        }
        Ok(())
    }
}
