//! `cargo xtask demo`: builds everything, starts a host, and walks through what it does with real calls.
#![expect(clippy::print_stdout, reason = "the tour is what it prints")]

mod http;

use anyhow::{Result, ensure};

use crate::run::Profile;
use crate::samples::{ADDRESS, SampleHost};

/// How to run the demo.
#[derive(Debug, clap::Args)]
pub(crate) struct Demo {
    /// End after the tour instead of serving on
    #[arg(long)]
    pub(crate) tour: bool,
}

/// Runs the demo.
///
/// # Errors
/// When something does not build, or a call has another status than the tour says.
pub(crate) fn run(demo: &Demo) -> Result<()> {
    let host = SampleHost::start(Profile::Release, "demo")?;
    tour(&host)?;
    if !demo.tour {
        return host.serve_on();
    }
    host.stop()?;
    println!("\nThe tour is over.");
    Ok(())
}

type Account<'a> = (&'a str, &'a str);

fn tour(host: &SampleHost) -> Result<()> {
    let admin = ("admin@localhost", host.admin.as_str());
    let ann = ("ann@localhost", host.ann.as_str());
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
    host.cli(&["plugin", "upgrade", &host.component("v2_hello")?], "")?;
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
