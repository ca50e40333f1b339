//! One scenario over every interface: the same calls by the same callers have the same outcome, the same commands are shown,
//! and a plugin comes and goes everywhere at once.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::process::Command;

use serde_json::{Value, json};
use tests::{Host, PASSWORD, Ran, binary, root, run};

use crate::xmpp::peers::{Kind, Peer, SECRET};
use crate::xmpp::{CONNECTED, client, section, wait_for};
use crate::{mcp, xmlrpc};

/// Rules that look at the interface too.
const RULES: &str = "
acl: {admin: {user: admin@localhost}}
api_permissions:
  admins: {who: admin, what: ['*', '!restart']}
  everywhere: {who: {server: localhost}, what: [hello, root, check_account, help]}
  web: {from: rest, who: {server: localhost}, what: [status]}
  assistants: {from: mcp, who: {server: localhost}, what: [registered_vhosts]}
  old: {from: xmlrpc, who: {server: localhost}, what: [connected_users, count_banned]}
  chat: {from: xmpp, who: {server: localhost}, what: [stats]}
";
/// Each interface, with its letter in the matrix.
const WIRES: [(&str, char); 5] = [("rest", 'r'), ("cli", 'c'), ("mcp", 'm'), ("xmlrpc", 'x'), ("xmpp", 'j')];
const COMMANDS: &str = "http://jabber.org/protocol/commands";

/// A host with every interface, and the server it is a component of.
struct Everywhere {
    host: Host,
    peer: Peer,
}

impl Everywhere {
    fn start() -> Self {
        let peer = Peer::start(Kind::Prosody);
        let config = format!("{RULES}xmlrpc: {{path: /RPC2}}\n{}", section(peer.components, SECRET, ""));
        let host = Host::start_with(&config);
        for user in ["admin", "ann"] {
            host.add_account(user);
        }
        for guest in ["hello", "typed_tools", "trap", "panic"] {
            host.install(guest, &[]);
        }
        wait_for(&host, CONNECTED, 1);
        Self { host, peer }
    }

    /// What comes of these steps: each has a `result`, or the `code` of an error.
    fn outcomes(&self, wire: &str, steps: &[Value]) -> Vec<Value> {
        match wire {
            "rest" => steps.iter().map(|step| self.rest(step)).collect(),
            "cli" => steps.iter().map(|step| self.cli(step)).collect(),
            "mcp" => self.mcp(steps),
            "xmlrpc" => self.xmlrpc(steps),
            _ => self.xmpp(steps),
        }
    }

    fn rest(&self, step: &Value) -> Value {
        let answer = self.host.call(text(step, "as"), text(step, "command"), &step["arguments"]);
        if answer.status == 200 { json!({ "result": answer.value() }) } else { json!({ "code": answer.code() }) }
    }

    fn program(&self, user: &str, words: &[&str]) -> Ran {
        let (url, account) = (format!("http://{}", self.host.address()), format!("{user}@localhost"));
        let mut command = Command::new(binary());
        command.env("MUSTER_PASSWORD", PASSWORD).args(["--json", "--url", &url, "--user", &account]);
        run(command.args(words), "")
    }

    fn cli(&self, step: &Value) -> Value {
        let arguments = step["arguments"].to_string();
        let ran = self.program(text(step, "as"), &["call", text(step, "command"), &arguments]);
        match ran.code {
            0 => json!({ "result": serde_json::from_str::<Value>(&ran.stdout).unwrap() }),
            _ => json!({ "code": serde_json::from_str::<Value>(&ran.stderr).unwrap()["code"] }),
        }
    }

    fn mcp(&self, steps: &[Value]) -> Vec<Value> {
        let mut sessions: BTreeMap<&str, String> = BTreeMap::new();
        let mut call = |step| {
            let user = text(step, "as");
            let session = sessions.entry(user).or_insert_with(|| mcp::session(&self.host, user));
            let params = json!({ "name": step["command"], "arguments": step["arguments"] });
            let asked = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params });
            let answer = mcp::post(&self.host, &asked).as_user(user).header("mcp-session-id", session).send();
            let message = mcp::message(&answer);
            let result = &message["result"];
            match result["isError"].as_bool() {
                Some(false) => json!({ "result": result["structuredContent"]["result"] }),
                Some(true) => json!({ "code": mcp::problem(result)["code"] }),
                None => json!({ "code": message["error"]["data"]["code"] }),
            }
        };
        steps.iter().map(&mut call).collect()
    }

    fn xmlrpc(&self, steps: &[Value]) -> Vec<Value> {
        let login = |step| format!("${}", text(step, "as"));
        let calls: Vec<Value> =
            steps.iter().map(|step| json!([step["command"], [login(step), step["arguments"]]])).collect();
        let outcome = |answer: &Value| match answer.get("result") {
            Some(result) => json!({ "result": result }),
            // `Error -118`, a line feed, the code, a colon, the detail.
            None => json!({ "code": text(answer, "text").lines().nth(1).unwrap().split(':').next().unwrap() }),
        };
        xmlrpc::python(&self.host, &json!(calls)).iter().map(outcome).collect()
    }

    fn xmpp(&self, steps: &[Value]) -> Vec<Value> {
        let written = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let fill = |arguments: &Value| -> BTreeMap<String, String> {
            let members = arguments.as_object().unwrap();
            members.iter().map(|(name, value)| (name.clone(), written(value))).collect()
        };
        let asked: Vec<Value> = (steps.iter())
            .map(|step| json!({"as": step["as"], "command": step["command"], "form": fill(&step["arguments"])}))
            .collect();
        let outcome = |answer: &Value| match text(answer, "status") {
            "completed" => json!({ "result": answer["form"]["fields"][0]["values"] }),
            // The form again, with what is wrong in it.
            "executing" => json!({ "code": "invalid-arguments" }),
            _ => json!({ "code": answer["more"][0] }),
        };
        client(&self.peer, &json!(asked)).iter().map(outcome).collect()
    }

    /// The commands an interface shows to somebody.
    fn shown(&self, wire: &str, user: &str) -> BTreeSet<String> {
        let names = |list: &Value, key: &str| -> BTreeSet<String> {
            list.as_array().unwrap().iter().map(|one| text(one, key).to_owned()).collect()
        };
        match wire {
            "rest" => names(&self.host.request("GET", "/api").as_user(user).send().value()["commands"], "name"),
            "cli" => names(&serde_json::from_str(&self.program(user, &["help"]).stdout).unwrap(), "name"),
            "mcp" => {
                let session = mcp::session(&self.host, user);
                let (mut found, mut cursor) = (BTreeSet::new(), None);
                loop {
                    let answer = mcp::list(&self.host, user, &session, cursor.as_deref());
                    let page = mcp::message(&answer)["result"].clone();
                    found.extend(names(&page["tools"], "name"));
                    cursor = page["nextCursor"].as_str().map(str::to_owned);
                    if cursor.is_none() {
                        return found;
                    }
                }
            }
            "xmlrpc" => {
                let answer = xmlrpc::python(&self.host, &json!([["system.listMethods", [format!("${user}")]]]));
                let methods = answer[0]["result"].as_array().unwrap().clone();
                let own = methods.iter().filter_map(Value::as_str).filter(|name| !name.starts_with("system."));
                own.map(str::to_owned).collect()
            }
            _ => {
                let answer = client(&self.peer, &json!([{"as": user, "items": COMMANDS}]));
                let items = answer[0].as_array().unwrap();
                items.iter().map(|item| item[0].as_str().unwrap().to_owned()).collect()
            }
        }
    }
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// What a step should come to over an interface.
fn expected(wire: &str, step: &Value) -> Value {
    let Some(result) = step.get("result") else { return json!({ "code": step["code"] }) };
    match (wire, step.get(wire)) {
        (_, Some(own)) => json!({ "result": own }),
        ("xmlrpc", None) => json!({ "result": { "result": result } }),
        // A form has texts.
        ("xmpp", None) => json!({ "result": [result.as_str().map_or_else(|| result.to_string(), str::to_owned)] }),
        _ => json!({ "result": result }),
    }
}

#[test]
fn every_interface_answers_the_same() {
    let everywhere = Everywhere::start();
    let file = std::fs::read_to_string(root().join("tests/interfaces/scenario.json")).unwrap();
    let scenario: Value = serde_json::from_str(&file).unwrap();
    let steps = scenario["steps"].as_array().unwrap();
    for (wire, _) in WIRES {
        for (step, outcome) in steps.iter().zip(everywhere.outcomes(wire, steps)) {
            assert_eq!(outcome, expected(wire, step), "{wire}: {step}");
        }
    }
    // Each call left its record, with how it came.
    for (wire, via) in [("rest", "rest"), ("mcp", "mcp"), ("xmlrpc", "xmlrpc"), ("xmpp", "xmpp")] {
        let asked = json!({"command": "stop", "caller": "ann@localhost", "limit": 100});
        let records = everywhere.host.call("admin", "audit_search", &asked).value();
        let refused = records["records"].as_array().unwrap().iter();
        let refused = refused.filter(|record| record["via"] == via && record["outcome"] == "forbidden").count();
        assert!(refused > 0, "{wire}: {records}");
    }
}

#[test]
fn who_may_call_what_over_which_interface_is_reviewed() {
    let everywhere = Everywhere::start();
    let mut matrix: BTreeMap<String, BTreeMap<&str, String>> = BTreeMap::new();
    for user in ["admin", "ann"] {
        for (wire, letter) in WIRES {
            for command in everywhere.shown(wire, user) {
                matrix.entry(command).or_default().entry(user).or_default().push(letter);
            }
        }
    }
    let mut page = "r ReST, c command line, m MCP, x XML-RPC, j XMPP\n\n".to_owned();
    for (command, callers) in &matrix {
        let by = |user| callers.get(user).map_or("-", String::as_str);
        writeln!(page, "{command:<32} admin {:<6} ann {}", by("admin"), by("ann")).unwrap();
    }
    insta::assert_snapshot!("matrix", page);
}

#[test]
fn a_plugin_comes_and_goes_on_every_interface() {
    let everywhere = Everywhere::start();
    let (host, called) = (&everywhere.host, json!([{"as": "admin", "command": "counter", "arguments": {}}]));
    let called = called.as_array().unwrap();
    let everywhere_is = |there: bool| {
        for (wire, _) in WIRES {
            assert_eq!(everywhere.shown(wire, "admin").contains("counter"), there, "{wire}");
            let outcome = everywhere.outcomes(wire, called).remove(0);
            let known = outcome.get("code").is_none_or(|code| code != "unknown-command");
            assert_eq!(known, there, "{wire}: {outcome}");
        }
    };
    everywhere_is(false);
    host.install("counter", &["keyvalue"]);
    everywhere_is(true);
    assert_eq!(host.cli(&["plugin", "uninstall", "counter"]).code, 0);
    everywhere_is(false);
}
