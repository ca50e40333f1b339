//! Servers of others that Muster is a component of: Debian's Prosody and ejabberd, each in a folder of its own and on free
//! ports.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tests::PASSWORD;

/// What the component is known by.
pub(crate) const SECRET: &str = "c0mponent-s3cret";
/// The component's domain.
pub(crate) const DOMAIN: &str = "muster.localhost";
/// The server's accounts, all with [`PASSWORD`].
const ACCOUNTS: [(&str, &str); 6] = [
    ("admin", "localhost"),
    ("ann", "localhost"),
    // Nobody of that name at Muster.
    ("bob", "localhost"),
    ("cat", "localhost"),
    ("eve", "elsewhere.localhost"),
    ("mallory", "other.localhost"),
];

/// Whose server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Prosody,
    Ejabberd,
}

/// A running server.
pub(crate) struct Peer {
    kind: Kind,
    child: Child,
    folder: tempfile::TempDir,
    /// Where people connect.
    pub(crate) clients: u16,
    /// Where components connect.
    pub(crate) components: u16,
}

impl Peer {
    /// Starts a server and waits until it takes connections.
    pub(crate) fn start(kind: Kind) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Held until each has its number, so that no number comes twice.
        let sockets = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [clients, components] = sockets.map(|socket| socket.local_addr().unwrap().port());
        match kind {
            Kind::Prosody => prosody(folder.path(), clients, components),
            Kind::Ejabberd => ejabberd(folder.path(), clients, components),
        }
        let child = spawn(kind, folder.path());
        let peer = Self { kind, child, folder, clients, components };
        peer.wait();
        peer
    }

    /// The folder with its log.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Ends it without warning.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again, on the same ports.
    pub(crate) fn start_again(&mut self) {
        self.child = spawn(self.kind, self.folder.path());
        self.wait();
    }

    fn wait(&self) {
        let output = self.folder.path().join("output");
        for _ in 0..1800 {
            let open = |port| TcpStream::connect(("127.0.0.1", port)).is_ok();
            let said_so =
                self.kind == Kind::Prosody || std::fs::read_to_string(&output).unwrap().contains("accounts are there");
            if said_so && open(self.clients) && open(self.components) {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        assert!(!output.exists(), "the server did not start: {}", std::fs::read_to_string(&output).unwrap());
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(kind: Kind, folder: &Path) -> Child {
    let output = std::fs::File::create(folder.join("output")).unwrap();
    let mut command = match kind {
        Kind::Prosody => {
            let mut command = Command::new("prosody");
            command.args(["-F", "--config"]).arg(folder.join("prosody.cfg.lua"));
            command
        }
        Kind::Ejabberd => {
            let accounts = ACCOUNTS.map(|(user, host)| {
                format!("ejabberd_auth:try_register(<<\"{user}\">>, <<\"{host}\">>, <<\"{PASSWORD}\">>)")
            });
            // Without a name it needs no other programs of Erlang's; and it need not hurry.
            let mut command = Command::new("erl");
            command
                .args(["+S", "1", "+sbwt", "none", "-noinput", "-mnesia", "dir"])
                .arg(format!("\"{}\"", folder.join("mnesia").display()));
            command.args(["-s", "ejabberd", "-eval"]);
            command.arg(format!("{}, io:format(\"accounts are there~n\").", accounts.join(", ")));
            command.env("ERL_LIBS", "/usr/lib/x86_64-linux-gnu:/usr/lib/aarch64-linux-gnu");
            command.env("EJABBERD_CONFIG_PATH", folder.join("ejabberd.yml"));
            command.env("EJABBERD_LOG_PATH", folder.join("log/ejabberd.log")).env("HOME", folder);
            command
        }
    };
    let child = command.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output).spawn();
    assert!(child.is_ok(), "install the servers with `cargo xtask interfaces`: {child:?}");
    child.unwrap()
}

fn prosody(folder: &Path, clients: u16, components: u16) {
    let shown = folder.display();
    let config = format!(
        r#"
run_as_root = true
pidfile = "{shown}/prosody.pid"
data_path = "{shown}/data"
interfaces = {{ "127.0.0.1" }}
component_interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {clients} }}
component_ports = {{ {components} }}
c2s_stanza_size_limit = 1024 * 1024
component_stanza_size_limit = 1024 * 1024
modules_enabled = {{ "saslauth", "disco", "ping", "roster" }}
modules_disabled = {{ "s2s", "tls", "offline" }}
authentication = "internal_plain"
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
log = {{ {{ levels = {{ min = "info" }}, to = "file", filename = "{shown}/prosody.log" }} }}
VirtualHost "localhost"
VirtualHost "elsewhere.localhost"
VirtualHost "other.localhost"
Component "{DOMAIN}"
  component_secret = "{SECRET}"
"#
    );
    std::fs::write(folder.join("prosody.cfg.lua"), config).unwrap();
    for (user, host) in ACCOUNTS {
        let accounts = folder.join("data").join(host.replace('.', "%2e")).join("accounts");
        std::fs::create_dir_all(&accounts).unwrap();
        std::fs::write(accounts.join(format!("{user}.dat")), format!("return {{ password = \"{PASSWORD}\" }};\n"))
            .unwrap();
    }
}

fn ejabberd(folder: &Path, clients: u16, components: u16) {
    let config = format!(
        r#"
hosts: [localhost, elsewhere.localhost, other.localhost]
loglevel: info
auth_method: internal
listen:
  - {{port: {clients}, ip: "127.0.0.1", module: ejabberd_c2s}}
  - {{port: {components}, ip: "127.0.0.1", module: ejabberd_service, hosts: {{{DOMAIN}: {{password: "{SECRET}"}}}}}}
modules: {{mod_disco: {{}}, mod_adhoc: {{}}, mod_roster: {{}}}}
"#
    );
    std::fs::write(folder.join("ejabberd.yml"), config).unwrap();
}
