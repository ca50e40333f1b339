//! `cargo xtask interfaces`: the programs of others that the end-to-end tests speak to, or let speak to the host. They are
//! installed below `target/tools/interfaces`, where `tests::tool` finds them.

use anyhow::Result;

use crate::tools;

/// Packages of Python, all in one environment.
const PYTHON: &[&str] = &[
    // OpenAPI: a validator, a fuzzer that reads the document, a generator of clients.
    "openapi-spec-validator==0.9.0",
    "schemathesis==4.32.5",
    "openapi-python-client==0.29.1",
    // A client of MCP.
    "mcp==2.3.0",
];
/// Earlier releases of that client, each in an environment of its own.
const PYTHON_MCP: &[&str] = &["2.2.0", "2.1.1"];
/// Packages of Python that speak XMPP and to ejabberd, in an environment of their own.
const PYTHON_XMPP: &[&str] = &[
    // A client of XMPP.
    "slixmpp==1.17.0",
    // A client of ejabberd's XML-RPC, and what it needs and does not say.
    "ejabberd-python3d==0.2.3",
    "six==1.17.0",
    // A client of ejabberd's ReST interface.
    "EjabberdAPI==0.1.7.1",
];
/// Packages of npm, all in one folder.
const NPM: &[&str] = &[
    // A generator of TypeScript from OpenAPI, the client that goes with it, and a compiler that holds them together.
    "openapi-typescript@7.13.0",
    "openapi-fetch@0.17.0",
    "@types/node@20.19.9",
    "typescript@5.9.3",
    // Clients of MCP: the newest releases, each under a name of its own, and the one that comes after them.
    "@modelcontextprotocol/sdk@1.32.2",
    "mcp-sdk-1.32.1@npm:@modelcontextprotocol/sdk@1.32.1",
    "mcp-sdk-1.32.0@npm:@modelcontextprotocol/sdk@1.32.0",
    "@modelcontextprotocol/client@2.4.0",
    // Drives a browser.
    "puppeteer-core@24.8.2",
];
/// Packages of Debian, each with a file that shows it is there.
const DEBIAN: &[(&str, &str)] =
    &[("chromium", "/usr/bin/chromium"), ("zsh", "/usr/bin/zsh"), ("fish", "/usr/bin/fish")];

/// Servers of XMPP, as packages of Debian.
const XMPP_SERVERS: &[(&str, &str)] = &[("prosody", "/usr/bin/prosody"), ("ejabberd", "/usr/sbin/ejabberdctl")];

/// From where tests take what they need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Python's and npm's packages, which are installed below `target/tools`.
    NoDebian,
    /// Packages of Debian too, which are installed on the machine, as root.
    Debian,
}

/// Installs what is missing.
///
/// # Errors
/// When something cannot be installed, with what to do.
pub(crate) fn install(needs: Needs) -> Result<()> {
    if needs == Needs::Debian {
        tools::debian("a browser and shells", DEBIAN)?;
        tools::debian_without_services("servers of XMPP", XMPP_SERVERS)?;
    }
    tools::python("interfaces/python", PYTHON)?;
    for version in PYTHON_MCP {
        tools::python(&format!("interfaces/mcp-{version}"), &[&format!("mcp=={version}")])?;
    }
    tools::python("interfaces/xmpp", PYTHON_XMPP)?;
    tools::npm("interfaces", NPM)?;
    Ok(())
}
