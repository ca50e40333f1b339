//! `cargo xtask demo`: builds everything, starts a host, and walks through what it does with real calls.
#![expect(clippy::print_stdout, reason = "the tour is what it prints")]

mod http;

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::guests;
use crate::run::{binary, build_binary, root};

/// Where the host of the demo serves.
const ADDRESS: &str = "127.0.0.1:5280";
const CONFIG: &str = "\
# Who may do what on the demo host.
acl:
  admin: {user: admin@localhost}
api_permissions:
  administrators: {who: admin, what: '*'}
  accounts: {who: {server: localhost}, what: [hello, '[plugin:render]']}
";

/// How to run the demo.
#[derive(Debug, clap::Args)]
pub(crate) struct Demo {
    /// End after the tour instead of serving on
    #[arg(long)]
    pub(crate) tour: bool,
}

/// Runs the demo.
pub(crate) fn run(demo: &Demo) -> Result<()> {
    let components = guests::build(guests::Which::Demo)?;
    let component = |name: &str| -> Result<PathBuf> {
        let found = components.iter().find(|file| file.file_stem().is_some_and(|stem| stem == name));
        found.cloned().with_context(|| format!("{name}.wasm was not built"))
    };
    build_binary()?;
    guests::pack(&components)?;

    let data = root().join("target/demo");
    // Each demo begins anew; nobody keeps anything here.
    if data.exists() {
        std::fs::remove_dir_all(&data).with_context(|| format!("cannot empty {}", data.display()))?;
    }
    std::fs::create_dir_all(&data)?;
    std::fs::write(data.join("muster.yaml"), CONFIG)?;
    let mut host = Host::start(&data)?;
    println!("\nThe host serves http://{ADDRESS}; its state and its log are in {}", data.display());

    let (admin, ann) = (random_password()?, random_password()?);
    host.cli(&["account", "add", "admin@localhost", "--password-stdin"], &admin)?;
    host.cli(&["account", "add", "ann@localhost", "--password-stdin"], &ann)?;
    host.cli(&["plugin", "install", &path(&component("hello")?)], "")?;
    host.cli(&["plugin", "install", &path(&component("render")?)], "")?;
    host.cli(&["plugin", "install", &path(&component("roster")?), "--grant-requested"], "")?;
    println!("\nAccounts: admin@localhost with password {admin}, and ann@localhost with password {ann}");

    let admin = ("admin@localhost", admin.as_str());
    let ann = ("ann@localhost", ann.as_str());
    tour(&host, admin, ann, &path(&component("v2_hello")?))?;

    if demo.tour {
        host.cli(&["call", "stop"], "")?;
        host.child.wait()?;
        println!("\nThe tour is over.");
        return Ok(());
    }
    println!("\nThe host keeps serving; end it with Ctrl-C. In another terminal:");
    println!("  {} --data {} help", shown(&binary()), shown(&data));
    let status = host.child.wait()?;
    ensure!(status.success(), "the host ended with {status}");
    Ok(())
}

type Account<'a> = (&'a str, &'a str);

fn tour(host: &Host, admin: Account<'_>, ann: Account<'_>, next: &str) -> Result<()> {
    let contact = r#"{"localuser":"ann","localhost":"localhost","user":"bob","host":"localhost","nick":"Bob","groups":["friends"],"subs":"both"}"#;
    let owner = r#"{"user":"ann","host":"localhost"}"#;
    println!("\nA plugin's command is a command like any other:");
    call(Some(admin), "hello", r#"{"name":"Ada"}"#, 200)?;
    call(Some(admin), "render_markdown", r##"{"markdown":"# Hello\n*there*"}"##, 200)?;
    call(Some(admin), "add_rosteritem", contact, 200)?;
    call(Some(admin), "get_roster", owner, 200)?;
    println!("\nWho may not, is told so and learns nothing else:");
    call(None, "get_roster", owner, 401)?;
    call(Some(ann), "get_roster", owner, 403)?;
    call(Some(ann), "hello", r#"{"name":"Ann"}"#, 200)?;
    println!("\nA wrong argument is named, with the place where it stands:");
    call(Some(admin), "add_rosteritem", &contact.replace("[\"friends\"]", "[5]"), 400)?;
    call(Some(admin), "add_rosteritem", &contact.replace("nick\"", "nickname\""), 400)?;
    call(Some(admin), "get_rooster", owner, 404)?;
    println!("\nA plugin is upgraded while it is called:");
    host.cli(&["plugin", "upgrade", next], "")?;
    call(Some(admin), "hello", r#"{"name":"Ada"}"#, 200)?;
    println!("\nAnd removed:");
    host.cli(&["plugin", "uninstall", "hello"], "")?;
    call(Some(admin), "hello", r#"{"name":"Ada"}"#, 404)
}

/// Makes a call and shows it as the curl line that does the same, with the answer.
fn call(account: Option<Account<'_>>, command: &str, body: &str, expected: u16) -> Result<()> {
    let credentials = account.map_or_else(String::new, |(user, password)| format!("-u {user}:{password} "));
    println!("\n$ curl {credentials}-d '{body}' http://{ADDRESS}/api/{command}");
    let (status, answer) = http::post(ADDRESS, &format!("/api/{command}"), account, body)?;
    println!("{status} {answer}");
    ensure!(status == expected, "expected the status {expected}");
    Ok(())
}

struct Host {
    child: Child,
    data: PathBuf,
}

impl Host {
    fn start(data: &Path) -> Result<Self> {
        let log = std::fs::File::create(data.join("log"))?;
        let mut serve = Command::new(binary());
        serve.arg("--data").arg(data).args(["serve", "--listen", ADDRESS]).stdout(Stdio::piped()).stderr(log);
        let mut child = serve.spawn().context("the host cannot be started")?;
        let mut ready = String::new();
        let output = child.stdout.take().context("the host has no output")?;
        BufReader::new(output).read_line(&mut ready)?;
        let host = Self { child, data: data.to_owned() };
        if ready.starts_with("ready") {
            return Ok(host);
        }
        bail!("the host did not start: {}", std::fs::read_to_string(data.join("log"))?)
    }

    /// Runs the command line against the host, showing what is run and what it prints.
    fn cli(&self, words: &[&str], input: &str) -> Result<()> {
        let shown: Vec<String> = words.iter().map(|word| shown(Path::new(word))).collect();
        println!("\n$ muster {}", shown.join(" "));
        let mut command = Command::new(binary());
        command.arg("--data").arg(&self.data).args(words).stdin(Stdio::piped());
        let mut child = command.spawn()?;
        child.stdin.take().context("no input")?.write_all(input.as_bytes())?;
        let status = child.wait()?;
        ensure!(status.success(), "`muster {}` ended with {status}", words.join(" "));
        Ok(())
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // Already ended in most cases; otherwise the demo failed, and leaves nothing running.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn path(file: &Path) -> String {
    file.display().to_string()
}

/// A path as somebody in the repository would write it.
fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

/// 96 random bits in letters that are easily copied.
fn random_password() -> Result<String> {
    let mut bytes = [0_u8; 12];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    let number = bytes.iter().fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
    Ok(format!("{number:024x}"))
}
