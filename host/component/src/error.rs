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
    #[error("this is a core WebAssembly module, and plugins are components; {0}")]
    CoreModule(
        /// What to do.
        &'static str,
    ),
    /// A core module that says which component it is, and is not.
    #[error(
        "this core WebAssembly module does not fit its type, so no component can be made of it: {}; build it again \
         with the bindings of the same WIT",
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
    #[error("this component has no usable name in its metadata{}; name the plugin with `--name`", quoted(.0))]
    NoName(String),
    /// It does not export the contract.
    #[error(
        "this component does not export `{wanted}`, and no function over plain data either, so it offers no commands; it \
         exports {}; build it against the WIT package of this host, for example with the Rust SDK",
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
        "this component exports `{exported}`, and this host speaks `{wanted}`; build it against the WIT package of this host, \
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
        "this component imports `{import}`, which needs the grant `{grant}`; if you trust it with that, give it {}",
        advice(grant)
    )]
    MissingGrant {
        /// The interface.
        import: String,
        /// What to grant.
        grant: &'static str,
    },
    /// An import that is not offered.
    #[error("this component imports `{import}`, which this host does not offer{hint}")]
    UnknownImport {
        /// The interface.
        import: String,
        /// What might help; begins with a separator, or empty.
        hint: String,
    },
    /// A grant that is none, or that cannot be used here.
    #[error("`{grant}` cannot be granted: {reason}")]
    BadGrant {
        /// As it was written.
        grant: String,
        /// What is wrong with it, and what to write.
        reason: String,
    },
    /// What the plugin keeps cannot be counted.
    #[error("what the plugin keeps cannot be read: {0}; the host's log says more, and another try may help")]
    Store(#[from] StorageError),
    /// It cannot be compiled.
    #[error("this component cannot be compiled: {}", quoted(.0))]
    Compile(String),
    /// It needs the asynchronous component model.
    #[error("this component uses the async functions of WASI 0.3, which this host does not run yet")]
    Asynchronous,
    /// The process that tried it did not come back.
    #[error(
        "looking into this component and compiling it {0}; make it smaller or less deep, or build it with other tools"
    )]
    TooHard(String),
    /// Its imports do not fit the host's.
    #[error(
        "this component does not fit the interfaces of this host: {}; build it against the WIT package of this host",
        quoted(.0)
    )]
    Link(String),
    /// `describe` answered with an error.
    #[error("the plugin itself refuses to start: {}", quoted(.0))]
    Refuses(String),
    /// `describe` did not answer.
    #[error("the plugin failed while describing its commands: {}; this is a fault of the plugin", quoted(.0))]
    Describe(String),
    /// It could not start within a limit.
    #[error(
        "the plugin wants more than `{limit}` allows to start ({bound}); make it smaller, or raise the limit: \
         `limits: {{{limit}: …}}` in the configuration, and a restart"
    )]
    Limit {
        /// The limit.
        limit: &'static str,
        /// Its value, with its unit.
        bound: String,
    },
    /// A command that cannot be one.
    #[error("the plugin's command `{command}` cannot be registered: {reason}; this is a fault of the plugin")]
    BadCommand {
        /// Its name, as described.
        command: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Its manifest is not one.
    #[error("the component's manifest is not usable: {}; pack it again with `muster plugin pack`", quoted(.0))]
    Manifest(String),
    /// It describes something else than its manifest.
    #[error(
        "the plugin's command `{command}` {how}: the manifest was made for another component; pack it again with \
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
        "the settings do not fit what the plugin reads: {}; give them with `--set NAME=VALUE`, and take others away with `--unset NAME`",
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
