//! Why a component cannot be a plugin here. Every text names what the component wanted, what the host has, and what to
//! do about it.

use muster_core::printable;
use muster_core::registry::RegisterError;
use muster_core::storage::StorageError;
use thiserror::Error;

use crate::grants::is_open;

/// Why nothing was loaded.
#[derive(Debug, Error)]
pub enum LoadError {
    /// Not Wasm at all.
    #[error(
        "this is not a WebAssembly file: it does not begin with the four bytes `\\0asm`; give the .wasm file that the build wrote"
    )]
    NotWasm,
    /// A core module.
    #[error("this is a core WebAssembly module, but plugins are components; {0}")]
    CoreModule(
        /// What to do.
        &'static str,
    ),
    /// A core module that says which component it is, and is not.
    #[error(
        "this core WebAssembly module cannot be converted to a component, because it does not match its type: {}; \
         build it again with bindings of the same WIT",
        quoted(.0)
    )]
    CoreModuleMisfit(String),
    /// Wasm that does not validate.
    #[error("this component is damaged or incomplete: {}; build or download it again", quoted(.0))]
    Invalid(String),
    /// Too large.
    #[error("this component has {bytes} bytes; at most {bytes_max} are allowed")]
    TooLarge {
        /// Its length.
        bytes: usize,
        /// The bound.
        bytes_max: usize,
    },
    /// No name anywhere.
    #[error("this component has no valid name in its metadata{}; name the plugin with `--name`", quoted(.0))]
    NoName(String),
    /// It does not export the contract.
    #[error(
        "this component exports no commands: neither `{wanted}` nor a function with supported types; it exports {}; \
         build it against the WIT package of this host, for example with the Rust SDK",
        quoted(exported)
    )]
    WrongWorld {
        /// The interface a plugin exports.
        wanted: &'static str,
        /// What there is.
        exported: String,
    },
    /// It exports another version of the contract.
    #[error(
        "this component exports `{exported}`, but this host supports `{wanted}`; build it against the WIT package of \
         this host, \
         for example with its Rust SDK"
    )]
    OtherContract {
        /// The interface a plugin exports.
        wanted: &'static str,
        /// What there is instead.
        exported: String,
    },
    /// An import that is offered, once it is granted.
    #[error(
        "this component imports `{import}`, which needs the grant `{grant}`; if you trust the plugin with it, add {}",
        advice(grant)
    )]
    MissingGrant {
        /// The interface.
        import: String,
        /// What to grant.
        grant: &'static str,
    },
    /// An import that is not offered.
    #[error("this component imports `{import}`, which this host does not support{hint}")]
    UnknownImport {
        /// The interface.
        import: String,
        /// What might help; begins with a separator, or empty.
        hint: String,
    },
    /// A grant that is none, or that cannot be used here.
    #[error("unknown or invalid grant `{grant}`: {reason}")]
    BadGrant {
        /// As it was written.
        grant: String,
        /// What is wrong with it, and what to write.
        reason: String,
    },
    /// What the plugin keeps cannot be counted.
    #[error("the key-value data of the plugin cannot be read: {0}; see the log of the host, and try again")]
    Store(#[from] StorageError),
    /// It cannot be compiled.
    #[error("this component cannot be compiled: {}", quoted(.0))]
    Compile(String),
    /// It needs the asynchronous component model.
    #[error("this component uses async functions of WASI 0.3, which this host does not support")]
    Asynchronous,
    /// The process that tried it did not come back.
    #[error(
        "compiling this component failed: {0}; make the component smaller or less deeply nested, or build it with \
         other tools"
    )]
    TooHard(String),
    /// Its imports do not fit the host's.
    #[error(
        "this component does not match the interfaces of this host: {}; build it against the WIT package of this host",
        quoted(.0)
    )]
    Link(String),
    /// `describe` answered with an error.
    #[error("the plugin rejected the start: {}", quoted(.0))]
    Refuses(String),
    /// `describe` did not answer.
    #[error("the plugin failed while describing its commands: {}; this is a bug of the plugin", quoted(.0))]
    Describe(String),
    /// It could not start within a limit.
    #[error(
        "the plugin exceeds `{limit}` when it starts ({bound}); make it smaller, or raise the limit with `limits: \
         {{{limit}: …}}` in the configuration and restart the host"
    )]
    Limit {
        /// The limit.
        limit: &'static str,
        /// Its value, with its unit.
        bound: String,
    },
    /// A command that cannot be one.
    #[error("the plugin's command `{command}` cannot be registered: {reason}; this is a bug of the plugin")]
    BadCommand {
        /// Its name, as described.
        command: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Its manifest is not one.
    #[error("the component's manifest is not valid: {}; pack it again with `muster plugin pack`", quoted(.0))]
    Manifest(String),
    /// It describes something else than its manifest.
    #[error(
        "the plugin's command `{command}` {how}: the manifest belongs to another component; pack it again with \
         `muster plugin pack`"
    )]
    DescribesOther {
        /// The command.
        command: String,
        /// In what they differ.
        how: &'static str,
    },
    /// Its settings do not fit.
    #[error(
        "the settings do not match the settings of the plugin: {}; set them with `--set NAME=VALUE`, and remove \
         others with `--unset NAME`",
        quoted(.0)
    )]
    Settings(String),
    /// A refusal with what its author's tools have to do with it.
    #[error("{error}{more}")]
    Explained {
        /// The refusal.
        error: Box<Self>,
        /// More about it; begins with a separator.
        more: String,
    },
    /// A clash of names.
    #[error(transparent)]
    Register(#[from] RegisterError),
}

/// Longest part of a refusal that comes from the component or from what read it, in characters.
const QUOTED_CHARS_MAX: usize = 3000;

/// A text that comes from the component, or quotes it: bounded, and it moves nothing on a terminal.
fn quoted(text: &str) -> String {
    printable::lines(&printable::cut(text, QUOTED_CHARS_MAX))
}

/// How to give a grant that is missing.
fn advice(grant: &str) -> String {
    if is_open(grant) {
        return "`--grant http:https://HOST` for each host it may reach".to_owned();
    }
    format!("`--grant {grant}`")
}

impl LoadError {
    /// Why the engine did not compile a component, by what it says.
    pub fn not_compiled(text: &str) -> Self {
        // wasmtime has no type for it.
        if text.contains("component model async") { Self::Asynchronous } else { Self::Compile(text.to_owned()) }
    }

    /// The stable name of the reason.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotWasm => "component-not-wasm",
            Self::CoreModule(_) => "component-core-module",
            Self::CoreModuleMisfit(_) => "component-core-module-misfit",
            Self::Invalid(_) => "component-invalid",
            Self::TooLarge { .. } => "component-too-large",
            Self::NoName(_) => "component-unnamed",
            Self::WrongWorld { .. } | Self::OtherContract { .. } => "component-wrong-world",
            Self::MissingGrant { .. } => "component-grant-missing",
            Self::UnknownImport { .. } => "component-import-unknown",
            Self::BadGrant { .. } => "grant-unknown",
            Self::Store(_) => "store-failed",
            Self::Compile(_) | Self::Asynchronous => "component-not-compiled",
            Self::TooHard(_) => "component-too-hard",
            Self::Link(_) => "component-not-linked",
            Self::Refuses(_) => "plugin-refuses",
            Self::Describe(_) => "plugin-describe-failed",
            Self::Limit { .. } => "plugin-limit-exceeded",
            Self::BadCommand { .. } => "plugin-command-invalid",
            Self::Manifest(_) => "component-manifest-invalid",
            Self::DescribesOther { .. } => "plugin-describes-other",
            Self::Settings(_) => "plugin-settings-invalid",
            Self::Explained { error, .. } => error.code(),
            Self::Register(_) => "command-name-taken",
        }
    }
}
