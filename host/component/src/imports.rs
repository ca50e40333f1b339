//! Interfaces of the host a component may import: what is always there, what needs a grant, and what is refused with which
//! hint.

use crate::error::LoadError;
use crate::grants::{Grants, HTTP_ANYWHERE as HTTP};

/// The grant for durable data.
pub const KEYVALUE: &str = "keyvalue";

/// What every plugin may import of WASI 0.2, by package.
const WASI: [(&str, &str); 6] = [
    (
        "cli",
        "environment exit stdin stdout stderr terminal-input terminal-output terminal-stdin terminal-stdout terminal-stderr",
    ),
    ("clocks", "monotonic-clock wall-clock"),
    ("random", "random insecure insecure-seed"),
    ("io", "error poll streams"),
    ("filesystem", "types preopens"),
    ("sockets", "network instance-network ip-name-lookup tcp tcp-create-socket udp udp-create-socket"),
];

/// Whether an import can be satisfied.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Offer {
    /// Always; what it does without a grant is nothing, or harmless.
    Always,
    /// Once this is granted.
    Granted(&'static str),
    /// Never; with a hint for the author, which begins with a separator or is empty.
    Never(&'static str),
}

/// What this host has for an import.
pub fn offer(import: &str) -> Offer {
    let (interface, version) = import.split_once('@').unwrap_or((import, ""));
    match (interface, version) {
        ("muster:plugin/types" | "muster:plugin/dispatch" | "muster:plugin/progress", "0.1.0")
        | ("wasi:logging/logging", "0.1.0-draft")
        | ("wasi:config/store", "0.2.0-rc.1") => Offer::Always,
        ("wasi:keyvalue/store" | "wasi:keyvalue/atomics" | "wasi:keyvalue/batch", "0.2.0-draft")
        | ("muster:plugin/compare-and-swap", "0.1.0") => Offer::Granted(KEYVALUE),
        _ if interface.starts_with("muster:plugin/") => {
            Offer::Never("; it was built for another version of the contract; this host supports muster:plugin@0.1.0")
        }
        _ if interface.starts_with("wasi:keyvalue/") => {
            Offer::Never(" in that version; this host supports wasi:keyvalue@0.2.0-draft: store, atomics and batch")
        }
        _ if interface.starts_with("wasi:logging/") => {
            Offer::Never(" in that version; this host supports wasi:logging@0.1.0-draft")
        }
        _ if interface.starts_with("wasi:config/") => {
            Offer::Never(" in that version; this host supports wasi:config/store@0.2.0-rc.1")
        }
        ("wasi:http/outgoing-handler" | "wasi:http/types", version) if version.starts_with("0.2.") => {
            Offer::Granted(HTTP)
        }
        _ if interface.starts_with("wasi:http/") => {
            Offer::Never("; of wasi:http it supports outgoing-handler and types, both 0.2")
        }
        _ if interface.starts_with("wasi:") && version.starts_with("0.3") => Offer::Never(
            "; it was built for WASI 0.3, but this host supports WASI 0.2: build it for the target wasm32-wasip2",
        ),
        _ if version.starts_with("0.2.")
            && let Some((package, name)) = interface.strip_prefix("wasi:").and_then(|rest| rest.split_once('/'))
            && let Some((_, names)) = WASI.iter().find(|(known, _)| *known == package) =>
        {
            if names.split(' ').any(|known| known == name) {
                Offer::Always
            } else {
                Offer::Never("; WASI 0.2 has no interface with that name")
            }
        }
        _ => Offer::Never("; remove the import from the plugin"),
    }
}

fn is_granted(grants: &Grants, need: &str) -> bool {
    match need {
        KEYVALUE => grants.keyvalue().is_some(),
        HTTP => grants.http().next().is_some(),
        _ => false,
    }
}

/// Checks every import against what is offered and granted.
///
/// # Errors
/// The first import that cannot be satisfied, and why.
pub fn check_imports(imports: &[String], grants: &Grants) -> Result<(), LoadError> {
    for import in imports {
        match offer(import) {
            Offer::Always => {}
            Offer::Granted(grant) if is_granted(grants, grant) => {}
            Offer::Granted(grant) => return Err(LoadError::MissingGrant { import: import.clone(), grant }),
            Offer::Never(hint) => {
                return Err(LoadError::UnknownImport { import: import.clone(), hint: hint.to_owned() });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_import_is_refused_with_its_reason() {
        for (import, expected) in [
            ("muster:plugin/dispatch@0.1.0", Offer::Always),
            ("wasi:cli/stderr@0.2.12", Offer::Always),
            ("wasi:sockets/tcp@0.2.0", Offer::Always),
            ("wasi:keyvalue/store@0.2.0-draft", Offer::Granted("keyvalue")),
            ("wasi:http/outgoing-handler@0.2.12", Offer::Granted(HTTP)),
        ] {
            assert_eq!(offer(import), expected, "{import}");
        }
        for (import, part) in [
            ("muster:plugin/dispatch@0.2.0", "another version of the contract"),
            ("wasi:keyvalue/store@0.2.0-draft2", "wasi:keyvalue@0.2.0-draft"),
            ("wasi:cli/stderr@0.3.0", "WASI 0.3"),
            ("wasi:http/incoming-handler@0.2.0", "outgoing-handler"),
            ("acme:things/magic", "remove the import"),
            ("wasi:clickhouse/x@0.2.0", "remove the import"),
            ("wasi:cli/exot@0.2.6", "WASI 0.2 has no interface with that name"),
        ] {
            assert!(
                matches!(offer(import), Offer::Never(hint) if hint.contains(part)),
                "{import}: {:?}",
                offer(import)
            );
        }
    }
}
