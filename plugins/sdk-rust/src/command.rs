//! One command as the macros describe it, and the contract's two functions over a table of them.

use crate::{CallError, Caller, panic, raw};

/// One command: what `#[command]` generates. Texts are static, schemas are made when asked for.
#[derive(Debug, Clone, Copy)]
pub struct Command {
    /// What callers type.
    pub name: &'static str,
    /// The API version in which this form starts.
    pub version: u32,
    /// One line without a full stop.
    pub summary: &'static str,
    /// Markdown.
    pub description: &'static str,
    /// Words that group commands.
    pub tags: &'static [&'static str],
    /// The audience that the author recommends.
    pub audience: Audience,
    /// Its effects.
    pub effects: &'static [Effect],
    /// Examples.
    pub examples: &'static [Example],
    /// What to use instead.
    pub deprecated: Option<&'static str>,
    /// Makes the JSON Schema of the arguments.
    pub input: fn() -> String,
    /// Makes the JSON Schema of the result.
    pub output: fn() -> String,
    /// Decodes the arguments, runs the function, encodes its result.
    pub call: fn(&str, Caller) -> Result<String, CallError>,
}

/// `audience` of the contract.
#[derive(Debug, Clone, Copy)]
pub enum Audience {
    /// Every caller, also anonymous ones.
    Restricted,
    /// Administrators.
    Admin,
    /// Any account.
    User,
    /// Everybody.
    Open,
}

/// One of `effects` of the contract.
#[derive(Debug, Clone, Copy)]
pub enum Effect {
    /// Changes nothing.
    ReadOnly,
    /// Twice is as once.
    Idempotent,
    /// Removes or overwrites.
    Destructive,
    /// Reaches beyond the host.
    OpenWorld,
}

/// A worked call, in JSON texts.
#[derive(Debug, Clone, Copy)]
pub struct Example {
    /// What it shows.
    pub title: &'static str,
    /// The arguments.
    pub input: &'static str,
    /// The result.
    pub output: &'static str,
}

/// `describe` of the contract.
///
/// # Errors
///
/// Never; the contract allows an error for plugins that depend on their settings.
pub fn describe(commands: &[Command]) -> Result<Vec<raw::Command>, String> {
    panic::report_panics();
    Ok(commands.iter().map(raw::Command::from).collect())
}

/// `call` of the contract: finds the command and runs it.
///
/// # Errors
///
/// `failed` when no command has that name and version; `invalid-argument` when the input cannot be decoded; whatever
/// the command answers.
pub fn call(
    commands: &[Command],
    name: &str,
    version: u32,
    input: &str,
    caller: raw::Caller,
) -> Result<String, raw::CallError> {
    panic::report_panics();
    let command = commands.iter().find(|command| command.name == name && command.version == version);
    match command {
        Some(command) => (command.call)(input, caller.into()).map_err(Into::into),
        None => Err(raw::CallError::Failed(format!("no such command {name} in version {version}"))),
    }
}

/// Stops the compiler when two commands have one name and one version.
///
/// # Panics
///
/// In that case; it runs while compiling.
#[expect(clippy::indexing_slicing, reason = "runs in the compiler; both indices are below the length")]
pub const fn assert_distinct(commands: &[Command]) {
    let mut left = 0;
    while left < commands.len() {
        let mut right = left + 1;
        while right < commands.len() {
            let (one, other) = (&commands[left], &commands[right]);
            let clash = one.version == other.version && same(one.name.as_bytes(), other.name.as_bytes());
            assert!(!clash, "two commands have the same name and the same version");
            right += 1;
        }
        left += 1;
    }
}

/// `==` of slices is not `const`.
#[expect(clippy::indexing_slicing, reason = "runs in the compiler; both indices are below both lengths")]
const fn same(one: &[u8], other: &[u8]) -> bool {
    let mut index = 0;
    while index < one.len() && index < other.len() {
        if one[index] != other[index] {
            return false;
        }
        index += 1;
    }
    one.len() == other.len()
}

impl From<&Command> for raw::Command {
    fn from(command: &Command) -> Self {
        Self {
            name: command.name.into(),
            summary: command.summary.into(),
            description: command.description.into(),
            tags: command.tags.iter().map(|tag| (*tag).into()).collect(),
            input: (command.input)(),
            output: (command.output)(),
            examples: command.examples.iter().map(raw::Example::from).collect(),
            effects: command.effects.iter().fold(raw::Effects::empty(), |all, effect| all | (*effect).into()),
            version: command.version,
            audience: command.audience.into(),
            deprecated: command.deprecated.map(Into::into),
        }
    }
}

impl From<&Example> for raw::Example {
    fn from(example: &Example) -> Self {
        Self { title: example.title.into(), input: example.input.into(), output: example.output.into() }
    }
}

impl From<Effect> for raw::Effects {
    fn from(effect: Effect) -> Self {
        match effect {
            Effect::ReadOnly => Self::READ_ONLY,
            Effect::Idempotent => Self::IDEMPOTENT,
            Effect::Destructive => Self::DESTRUCTIVE,
            Effect::OpenWorld => Self::OPEN_WORLD,
        }
    }
}

impl From<Audience> for raw::Audience {
    fn from(audience: Audience) -> Self {
        match audience {
            Audience::Restricted => Self::Restricted,
            Audience::Admin => Self::Admin,
            Audience::User => Self::User,
            Audience::Open => Self::Open,
        }
    }
}
