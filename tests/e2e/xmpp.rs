//! XMPP, with servers and a client of others: Prosody and ejabberd between slixmpp and Muster.

pub(super) mod peers;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tests::{Host, PASSWORD, root, run, tool};

use peers::{DOMAIN, Kind, Peer, SECRET};

const RULES: &str = "
acl: {admin: {user: admin@localhost}}
api_permissions:
  admins: {who: admin, what: '*'}
  friends: {from: xmpp, who: {server: localhost}, what: [hello, status, both, areas, root, slow]}
  abroad: {from: xmpp, who: {user: eve@elsewhere.localhost}, what: [hello]}
  elsewhere: {from: rest, who: {server: localhost}, what: [registered_vhosts]}
  public: {who: all, what: [check_account]}
";

/// The section of the configuration for a server's port.
pub(super) fn section(port: u16, secret: &str, more: &str) -> String {
    format!(
        "xmpp: {{server: '127.0.0.1:{port}', domain: {DOMAIN}, secret: '{secret}', \
         trusted_domains: [localhost, elsewhere.localhost]{more}}}\n"
    )
}

fn host(config: &str) -> Host {
    let host = Host::start_with(&format!("{RULES}{config}"));
    for user in ["admin", "ann", "cat"] {
        host.add_account(user);
    }
    host.install("hello", &[]);
    host
}

/// Waits until the log says this, for the time-th time.
#[track_caller]
pub(super) fn wait_for(host: &Host, text: &str, times: usize) {
    for _ in 0..400 {
        if host.log().matches(text).count() >= times {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(host.log().matches(text).count(), times, "{text}");
}

pub(super) const CONNECTED: &str = "connected to the XMPP server";

/// What a client of XMPP makes of these steps.
pub(super) fn client(peer: &Peer, steps: &Value) -> Vec<Value> {
    let script = root().join("tests/interfaces/xmpp_client.py");
    let (python, port) = (tool("xmpp/bin/python"), peer.clients.to_string());
    let ran = run(Command::new(python).arg(script).args([port.as_str(), DOMAIN, PASSWORD]), &steps.to_string());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    serde_json::from_str(&ran.stdout).unwrap()
}

/// Each step with what must be in its answer, member by member.
#[track_caller]
fn check(peer: &Peer, rows: &[(Value, Value)]) {
    let steps: Vec<&Value> = rows.iter().map(|(step, _)| step).collect();
    for ((step, expected), answer) in rows.iter().zip(client(peer, &json!(steps))) {
        match expected.as_object() {
            None => assert_eq!(answer, *expected, "{step}"),
            Some(members) => {
                for (name, value) in members {
                    let text = value.as_str().filter(|_| name == "text");
                    let fits = match text {
                        Some(text) => answer[name].as_str().unwrap_or_default().contains(text),
                        None => answer[name] == *value,
                    };
                    assert!(fits, "{step}\n{name} is not {value} in\n{answer}");
                }
            }
        }
    }
}

fn error(condition: &str, kind: &str, more: &str) -> Value {
    json!({"error": condition, "type": kind, "more": [more]})
}

/// What every server and client must be able to do.
#[expect(clippy::too_many_lines, reason = "one table")]
fn scenario(kind: Kind) {
    let peer = Peer::start(kind);
    let host = host(&section(peer.components, SECRET, ""));
    host.install("typed_tools", &[]);
    wait_for(&host, CONNECTED, 1);
    let commands = "http://jabber.org/protocol/commands";
    let node = |name: &str, label: &str| json!([name, label]);
    let public = node("check_account", "Checks whether an account exists");
    let hello = node("hello", "Greets a person by name");
    check(
        &peer,
        &[
            // What there is, for each caller.
            (json!({"as": "ann", "items": null}), json!([[commands, "Commands"]])),
            (
                json!({"as": "ann", "info": null}),
                json!({"identities": [["component", "generic", "Muster"]],
                    "features": ["http://jabber.org/protocol/commands", "http://jabber.org/protocol/disco#info",
                        "http://jabber.org/protocol/disco#items", "jabber:x:data", "urn:xmpp:ping"]}),
            ),
            (
                json!({"as": "ann", "info": commands}),
                json!({"identities": [["automation", "command-list", "Commands"]]}),
            ),
            (
                json!({"as": "ann", "items": commands}),
                json!([
                    ["areas", "areas(shapes: list<shape>) -> list<f64>"],
                    ["both", "both(one: rights, other: rights) -> rights"],
                    public,
                    hello,
                    ["root", "root(of: f64) -> f64"],
                    ["status", "Shows whether the server runs, and its version"]
                ]),
            ),
            (json!({"as": "eve@elsewhere.localhost", "items": commands}), json!([public, hello])),
            (json!({"as": "mallory@other.localhost", "items": commands}), json!([public])),
            (json!({"as": "bob", "items": commands}), error("not-authorized", "auth", "unauthenticated")),
            (
                json!({"as": "ann", "info": "hello"}),
                json!({"identities": [["automation", "command-node", "Greets a person by name"]],
                    "features": ["http://jabber.org/protocol/commands", "http://jabber.org/protocol/disco#info", "jabber:x:data"]}),
            ),
            (json!({"as": "ann", "items": "hello"}), json!([])),
            (json!({"as": "ann", "info": "stop"}), error("forbidden", "auth", "forbidden")),
            (json!({"as": "ann", "info": "nothing"}), error("item-not-found", "cancel", "unknown-command")),
            (
                json!({"as": "mallory@other.localhost", "info": "nothing"}),
                error("not-authorized", "auth", "unauthenticated"),
            ),
            // A form, filled in.
            (
                json!({"as": "ann", "command": "hello", "save": "h"}),
                json!({"status": "executing", "actions": ["complete", "complete"]}),
            ),
            (
                json!({"as": "ann/two", "command": "hello", "session": "h", "form": {"name": "Eve"}}),
                error("bad-request", "modify", "bad-sessionid"),
            ),
            (
                json!({"as": "ann", "command": "status", "session": "h", "form": {}}),
                error("bad-request", "modify", "bad-sessionid"),
            ),
            (
                json!({"as": "ann", "command": "hello", "session": "h", "action": "next"}),
                error("bad-request", "modify", "bad-action"),
            ),
            (
                json!({"as": "ann", "command": "hello", "session": "h", "action": "leap"}),
                error("bad-request", "modify", "malformed-action"),
            ),
            (
                json!({"as": "ann", "command": "hello", "session": "h", "kind": "form", "form": {"name": "x"}}),
                error("bad-request", "modify", "bad-payload"),
            ),
            (
                json!({"as": "ann", "command": "hello", "session": "h", "action": "complete", "form": {"name": "Ada \u{1f600} <&>"}}),
                json!({"status": "completed", "form": {"type": "result", "title": "Greets a person by name",
                    "fields": [{"var": "result", "type": "text-single", "values": ["Hello, Ada \u{1f600} <&>!"]}]}}),
            ),
            (
                json!({"as": "ann", "command": "hello", "session": "h", "form": {"name": "Ada"}}),
                error("bad-request", "modify", "bad-sessionid"),
            ),
            // Nothing to fill in, nothing changes: at once.
            (json!({"as": "ann", "command": "status"}), json!({"status": "completed"})),
            // With its form at once.
            (json!({"as": "ann", "command": "hello", "form": {"name": "Bo"}}), json!({"status": "completed"})),
            (json!({"as": "ann", "command": "hello/v0", "form": {"name": "Bo"}}), json!({"status": "completed"})),
            // Given up.
            (json!({"as": "ann", "command": "hello", "save": "c"}), json!({"status": "executing"})),
            (
                json!({"as": "ann", "command": "hello", "session": "c", "action": "cancel"}),
                json!({"status": "canceled"}),
            ),
            (
                json!({"as": "ann", "command": "hello", "session": "c", "action": "cancel"}),
                error("bad-request", "modify", "bad-sessionid"),
            ),
            (
                json!({"as": "ann", "command": "hello", "action": "cancel"}),
                error("bad-request", "modify", "bad-sessionid"),
            ),
            (
                json!({"as": "ann", "command": "hello", "session": "made-up", "form": {}}),
                error("bad-request", "modify", "bad-sessionid"),
            ),
            // Wrongly filled in: the form comes again, and says where.
            (json!({"as": "ann", "command": "root", "save": "r"}), json!({"status": "executing"})),
            (
                json!({"as": "ann", "command": "root", "session": "r", "form": {"of": "many", "more": "1"}}),
                json!({"status": "executing",
                    "note": ["error", "of: the value is not of type \"number\"; more: is not allowed here"]}),
            ),
            (
                json!({"as": "ann", "command": "root", "session": "r", "form": {"of": "2.25"}}),
                json!({"status": "completed"}),
            ),
            // Not permitted, unknown, not there, failing.
            (json!({"as": "ann", "command": "stop"}), error("forbidden", "auth", "forbidden")),
            (json!({"as": "ann", "command": "stop", "form": {"x": "y"}}), error("forbidden", "auth", "forbidden")),
            (json!({"as": "ann", "command": "nothing"}), error("item-not-found", "cancel", "unknown-command")),
            (json!({"as": "bob", "command": "hello"}), error("not-authorized", "auth", "unauthenticated")),
            (
                json!({"as": "mallory@other.localhost", "command": "hello"}),
                error("not-authorized", "auth", "unauthenticated"),
            ),
            (
                json!({"as": "mallory@other.localhost", "command": "check_account", "form": {"user": "ann", "host": "localhost"}}),
                json!({"status": "completed"}),
            ),
            (
                json!({"as": "eve@elsewhere.localhost", "command": "hello", "form": {"name": "Eve"}}),
                json!({"status": "completed"}),
            ),
            (json!({"as": "ann", "command": "registered_vhosts"}), error("forbidden", "auth", "forbidden")),
            (
                json!({"as": "admin", "command": "register", "form": {"user": "ann", "host": "localhost", "password": "x"}}),
                json!({"error": "conflict", "type": "cancel", "text": "already registered", "more": ["conflict"]}),
            ),
            (
                json!({"as": "admin", "command": "divide", "form": {"dividend": "1", "divisor": "0"}}),
                error("undefined-condition", "cancel", "command-failed"),
            ),
            // Other requests.
            (json!({"as": "ann", "raw": "<ping xmlns='urn:xmpp:ping'/>", "type": "get"}), json!([])),
            (
                json!({"as": "ann", "raw": "<query xmlns='jabber:iq:version'/>", "type": "get"}),
                json!({"error": "service-unavailable", "type": "cancel"}),
            ),
            (
                json!({"as": "ann", "raw": "<command xmlns='http://jabber.org/protocol/commands'/>"}),
                json!({"error": "bad-request", "type": "modify"}),
            ),
        ],
    );
    let audit = host.call("admin", "audit_search", &json!({"caller": "ann@localhost", "command": "hello"})).text();
    assert!(audit.contains("\"xmpp\""), "{audit}");
    let log = host.log();
    assert!(!log.contains(SECRET) && !log.contains(PASSWORD));
}

#[test]
fn xmpp_with_prosody() {
    scenario(Kind::Prosody);
}

#[test]
fn xmpp_with_ejabberd() {
    scenario(Kind::Ejabberd);
}

#[test]
fn xmpp_forms_and_results_are_reviewed() {
    let peer = Peer::start(Kind::Prosody);
    let host = host(&section(peer.components, SECRET, ""));
    host.install("typed_tools", &[]);
    host.install("roster", &["keyvalue"]);
    wait_for(&host, CONNECTED, 1);
    let forms = ["hello", "register", "set_loglevel", "both", "areas", "root", "key_create", "stop", "audit_search"];
    let steps: Vec<Value> = forms.iter().map(|name| json!({"as": "admin", "command": name})).collect();
    let shown: serde_json::Map<_, _> =
        forms.iter().map(|name| (*name).to_owned()).zip(client(&peer, &json!(steps))).collect();
    insta::assert_json_snapshot!("xmpp_forms", shown);
    let records = host.call("admin", "audit_search", &json!({"command": "stop"})).value();
    assert_eq!(records["records"], json!([]), "what was shown alone was not called");
    let contact = json!({"localuser": "ann", "localhost": "localhost", "user": "bob", "host": "localhost", "nick": "Bob",
        "groups": ["friends", "work"], "subs": "both"});
    let results = [
        ("registered_users", json!({"host": "localhost"})),
        ("check_account", json!({"user": "ann", "host": "localhost"})),
        ("add_rosteritem", contact),
        ("get_roster", json!({"user": "ann", "host": "localhost"})),
        ("both", json!({"one": ["read", "write_all"], "other": ["read"]})),
        ("areas", json!({"shapes": ["[\"dot\",", " {\"circle\": 2}]"]})),
        ("modules_installed", json!({})),
        ("module_grants", json!({"module": "roster"})),
        ("permissions_explain", json!({"command": "stop", "as": "ann@localhost", "via": "xmpp"})),
        ("get_roster", json!({"user": "nobody", "host": "localhost"})),
        ("register", json!({"user": "", "host": "nowhere", "password": "do not repeat"})),
    ];
    let steps: Vec<Value> =
        results.iter().map(|(name, form)| json!({"as": "admin", "command": name, "form": form})).collect();
    let answers: Vec<Value> =
        results.iter().zip(client(&peer, &json!(steps))).map(|((name, _), answer)| json!([name, answer])).collect();
    insta::assert_json_snapshot!("xmpp_results", answers);
}

#[test]
fn a_banned_account_is_anonymous_over_xmpp() {
    let peer = Peer::start(Kind::Prosody);
    let host = host(&section(peer.components, SECRET, ""));
    wait_for(&host, CONNECTED, 1);
    let hello = json!({"as": "cat", "command": "hello", "form": {"name": "Cat"}});
    check(&peer, &[(hello.clone(), json!({"status": "completed"}))]);
    let ban = host.call("admin", "ban_account", &json!({"user": "cat", "host": "localhost", "reason": "spam"}));
    assert_eq!(ban.value(), json!(0));
    check(&peer, &[(hello, error("not-authorized", "auth", "unauthenticated"))]);
}

#[test]
fn a_flood_over_xmpp_is_refused_and_others_go_on() {
    let peer = Peer::start(Kind::Prosody);
    let host = host(&section(peer.components, SECRET, ""));
    host.install("slow", &[]);
    wait_for(&host, CONNECTED, 1);
    let slow = json!({"as": "ann", "command": "slow", "form": {"ms": "1500"}, "times": 30});
    let large = "x".repeat(400_000);
    let answers = client(
        &peer,
        &json!([
            slow,
            {"as": "cat", "command": "hello", "form": {"name": "Cat"}},
            {"as": "ann", "command": "hello", "form": {"name": large}},
            {"as": "ann", "raw": format!("<x xmlns='y'>{}{}</x>", "<a>".repeat(100), "</a>".repeat(100))},
            {"as": "ann", "raw": format!("<x xmlns='y' long='{large}'/>")},
            {"as": "ann", "command": "hello", "form": {"name": "Ann"}},
        ]),
    );
    let of =
        |condition: &str| answers[0].as_array().unwrap().iter().filter(|answer| answer["error"] == condition).count();
    assert_eq!(of("resource-constraint"), 26, "{answers:?}");
    assert_eq!(answers[1]["status"], "completed");
    for (answer, condition) in answers[2..5].iter().zip(["not-acceptable"; 3]) {
        assert_eq!(answer["error"], condition);
    }
    assert_eq!(answers[5]["status"], "completed");
    assert_eq!(host.log().matches(CONNECTED).count(), 1, "the connection stays");
}

#[test]
fn muster_comes_back_when_its_xmpp_server_does() {
    let mut peer = Peer::start(Kind::Prosody);
    let host = host(&section(peer.components, SECRET, ""));
    wait_for(&host, CONNECTED, 1);
    peer.kill();
    wait_for(&host, "no connection to the XMPP server", 2);
    peer.start_again();
    wait_for(&host, CONNECTED, 2);
    check(
        &peer,
        &[(json!({"as": "ann", "command": "hello", "form": {"name": "Ada"}}), json!({"status": "completed"}))],
    );
}

#[test]
fn a_wrong_secret_is_told_and_kept_out_of_the_log() {
    for kind in [Kind::Prosody, Kind::Ejabberd] {
        let peer = Peer::start(kind);
        let host = host(&section(peer.components, "hunter2-hunter2", ""));
        wait_for(&host, "the server rejected the secret of this component", 1);
        assert!(!host.log().contains("hunter2") && !host.log().contains(CONNECTED));
        assert_eq!(host.call("admin", "status", &json!({})).status, 200);
    }
}

#[test]
fn a_host_that_stops_answers_over_xmpp_what_it_has_begun() {
    let peer = Peer::start(Kind::Prosody);
    let mut host = host(&section(peer.components, SECRET, ""));
    host.install("slow", &[]);
    wait_for(&host, CONNECTED, 1);
    std::thread::scope(|scope| {
        let call = scope.spawn(|| client(&peer, &json!([{"as": "ann", "command": "slow", "form": {"ms": "3000"}}])));
        for _ in 0..200 {
            if host.call("admin", "audit_search", &json!({"caller": "ann@localhost"})).text().contains("slow") {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        std::thread::sleep(Duration::from_secs(2));
        host.terminate();
        assert_eq!(call.join().unwrap()[0]["status"], "completed");
    });
    let log = std::fs::read_to_string(peer.folder().join("prosody.log")).unwrap();
    assert!(log.contains("component disconnected: muster.localhost"), "{log}");
}

/// Something that speaks TLS in front of a server's port; its own port.
struct TlsProxy(std::process::Child, u16);

impl TlsProxy {
    fn start(certificate_and_key: &Path, port: u16) -> Self {
        let script = root().join("tests/interfaces/tls_proxy.py");
        let mut command = Command::new("python3");
        command.arg(script).arg(certificate_and_key).arg(port.to_string()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self(child, line.trim().parse().unwrap())
    }
}

impl Drop for TlsProxy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn xmpp_is_spoken_over_tls() {
    let peer = Peer::start(Kind::Prosody);
    let certified = rcgen::generate_simple_self_signed(["xmpp.localhost".to_owned()]).unwrap();
    let both = format!("{}{}", certified.cert.pem(), certified.signing_key.serialize_pem());
    let pem = peer.folder().join("server.pem");
    std::fs::write(&pem, both).unwrap();
    let proxy = TlsProxy::start(&pem, peer.components);
    let start = |name: &str| {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), certified.cert.pem()).unwrap();
        std::fs::write(folder.path().join("secret"), format!("{SECRET}\n")).unwrap();
        let xmpp = section(proxy.1, "@secret", &format!(", tls: {{ca: ca.pem, name: {name}}}"));
        Host::start_listening(folder, &format!("{RULES}listen: 127.0.0.1:0\n{xmpp}"))
    };
    let host = start("xmpp.localhost");
    wait_for(&host, CONNECTED, 1);
    host.add_account("ann");
    host.install("hello", &[]);
    check(
        &peer,
        &[(json!({"as": "ann", "command": "hello", "form": {"name": "Ada"}}), json!({"status": "completed"}))],
    );
    drop(host);
    let host = start("other.localhost");
    wait_for(&host, "not valid for name", 1);
    assert!(!host.log().contains(CONNECTED), "a server of another name is not told that the secret is known");
}
