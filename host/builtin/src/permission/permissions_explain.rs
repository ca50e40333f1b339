//! `permissions_explain`: why a call is allowed or not.

use std::net::IpAddr;
use std::sync::Arc;

use muster_core::address::canonical;
use muster_core::audit::Query;
use muster_core::authn::Rejection;
use muster_core::caller::{Authority, Caller, Identity};
use muster_core::command::Audience;
use muster_core::error::CallError;
use muster_core::name::{AccountId, FrontendName};
use muster_core::permission::{self, Answer, CONSOLE, GroupReason, Selector, What};
use muster_core::registry::Registered;
use muster_core::suggest;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::Services;
use crate::definition::{Call, Definition};
use crate::lint_context::LintContext;
use crate::result::account_error;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// The command.
    command: Option<String>,
    /// Explain the recorded call with this request id, instead of the other arguments. The active rules are evaluated.
    request_id: Option<String>,
    /// Version of the command; default: the latest.
    version: Option<u32>,
    /// Arguments of the call; without them, the explanation covers all calls of the command.
    #[serde(rename = "arguments")]
    of_call: Option<Map<String, Value>>,
    /// Caller: `user@host`, `anonymous`, `console`, or `client:ID`; default: `anonymous`.
    #[serde(rename = "as")]
    who: Option<String>,
    /// The interface; default: `rest`, for the console `console`.
    via: Option<String>,
    /// The address of the caller; default: none.
    address: Option<String>,
    /// The tag of the listener.
    tag: Option<String>,
    /// The scopes of the token; without them, the caller uses a password.
    scopes: Option<Vec<String>>,
}

#[derive(Serialize, JsonSchema)]
struct Explanation {
    /// `yes`, `no`, or `depends` when it depends on the arguments.
    answer: String,
    /// The group that allows it.
    group: Option<String>,
    /// The command.
    command: String,
    /// The caller as rules see it.
    caller: Seen,
    /// The recorded call: its time, outcome, and the group that allowed it then.
    #[serde(skip_serializing_if = "Option::is_none")]
    recorded: Option<Map<String, Value>>,
    /// Additional notes; absent if there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    /// Whether the credential was accepted, and covers the command.
    credential: Reason,
    /// Every group.
    groups: Vec<GroupVerdict>,
    /// Changes that would allow the call, the smallest first.
    changes: Vec<String>,
}

#[derive(Serialize, JsonSchema)]
struct Seen {
    /// `user@host`, `anonymous`, `console` or `client:ID`; `unknown` for a rejected credential that names no account.
    who: String,
    /// Scopes of the token; absent without a token.
    scopes: Option<Vec<String>>,
    /// The interface.
    via: String,
    /// The address in canonical form.
    address: Option<String>,
    /// The tag of the listener.
    tag: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct GroupVerdict {
    /// Its name.
    group: String,
    /// Whether it allows the call.
    answer: String,
    /// Whether its `from` matches.
    from: Reason,
    /// Whether its `who` matches.
    who: Reason,
    /// Whether its `what` matches.
    what: Reason,
}

#[derive(Serialize, JsonSchema)]
struct Reason {
    /// `yes`, `no` or `depends`.
    answer: String,
    /// The condition.
    text: String,
    /// The conditions it depends on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    parts: Vec<Reason>,
}

pub(crate) fn command(services: &Arc<Services>) -> Result<Registered, String> {
    Definition::new("permissions_explain", "Explains why a call is allowed or denied")
        .description(
            "Shows every group, which parts of it match, and the smallest change that would allow the call. The \
             command is not called. The error of a denied call contains its request id if the caller may call this \
             command; with that id, the recorded call is explained.",
        )
        .tags(&["permissions"])
        .audience(Audience::Admin)
        .read_only()
        .example(
            "Why the console may stop the host",
            json!({"command": "stop", "as": "console"}),
            json!({
                "answer": "yes", "group": "console commands", "command": "stop",
                "caller": {"who": "console", "scopes": null, "via": "console", "address": null, "tag": null},
                "credential": {"answer": "yes", "text": "the credential has all permissions of its account"},
                "groups": [{
                    "group": "console commands", "answer": "yes",
                    "from": {"answer": "yes", "text": "interface console; the call comes through console"},
                    "who": {"answer": "yes", "text": "all"},
                    "what": {"answer": "yes", "text": "`*` covers `stop`"},
                }],
                "changes": [],
            }),
        )
        .run(services, |Call { services, caller, arguments }: Call<Arguments>| async move {
            let context = LintContext::gather(&services, None).await?;
            let question = match &arguments.request_id {
                Some(id) => recorded_call(&services, &caller, id).await?,
                None => question(&services, &caller, arguments)?,
            };
            let Question { name, version, asked, arguments, recorded, rejected } = question;
            if let Some(reason) = rejected {
                return Ok(of_rejected(reason, name, &asked, recorded.unwrap_or_default()));
            }
            let Some(command) = context.command(&name, version) else {
                let known = context.commands().into_iter().map(|command| command.name.as_str());
                return Err(CallError::NotFound(suggest::missing("command", &name, known)));
            };
            let explanation = context.rules.explain(&asked, command, arguments.as_ref());
            Ok(Explanation {
                answer: text(explanation.answer),
                group: explanation.group.map(|group| (*group).to_owned()),
                command: name,
                caller: seen(&asked),
                recorded,
                note: note(&services, &asked).await?,
                credential: reason(explanation.credential),
                groups: explanation.groups.into_iter().map(group).collect(),
                changes: explanation.changes,
            })
        })
}

/// What is asked about.
struct Question {
    name: String,
    version: Option<u32>,
    asked: Caller,
    arguments: Option<Map<String, Value>>,
    recorded: Option<Map<String, Value>>,
    /// Why the credential was not accepted.
    rejected: Option<Rejection>,
}

/// Where the credential was not accepted, no rule was asked: what would allow the call is another credential.
fn of_rejected(reason: Rejection, name: String, asked: &Caller, recorded: Map<String, Value>) -> Explanation {
    let claimed = recorded.get("claimed").and_then(Value::as_str);
    Explanation {
        answer: text(Answer::No),
        group: None,
        command: name,
        caller: Seen { who: claimed.unwrap_or("unknown").to_owned(), ..seen(asked) },
        credential: Reason {
            answer: text(Answer::No),
            text: format!("credential rejected: {}", reason.code()),
            parts: Vec::new(),
        },
        recorded: Some(recorded),
        note: None,
        groups: Vec::new(),
        changes: vec![reason.advice().to_owned()],
    }
}

fn question(services: &Services, asking: &Caller, arguments: Arguments) -> Result<Question, CallError> {
    let Some(name) = &arguments.command else {
        return Err(CallError::argument("/command", "is required if no request_id is given"));
    };
    let (name, asked) = (name.replace('-', "_"), asked(services, asking, &arguments)?);
    Ok(Question {
        name,
        version: arguments.version,
        asked,
        arguments: arguments.of_call,
        recorded: None,
        rejected: None,
    })
}

/// Makes the question out of the record of a call: of the first one under that id that rules refused, else of the first.
async fn recorded_call(services: &Services, asking: &Caller, id: &str) -> Result<Question, CallError> {
    let query = Query { after_seq: Some(0), limit: 100, request_id: Some(id.to_owned()), ..Query::default() };
    let records = services.audit()?.search(query).await?.records;
    let is_of_call =
        |record: &&Value| ["command", "rejected"].iter().any(|key| record.get(*key).is_some_and(Value::is_string));
    let of_calls = || records.iter().filter(is_of_call);
    let refused = of_calls().find(|record| record.get("verdict").and_then(Value::as_str) == Some("refused"));
    let Some(record) = refused.or_else(|| of_calls().next()) else {
        let shown: String = id.chars().take(80).collect();
        return Err(CallError::NotFound(format!("there is no record of a call with the request id `{shown}`")));
    };
    let field = |key: &str| record.get(key).and_then(Value::as_str);
    let unreadable =
        |what: &str| CallError::Failed(format!("the {what} in the record is no longer valid on this host"));
    let identity = match (field("identity"), field("caller")) {
        (Some("account"), Some(account)) => {
            Identity::Account(AccountId::parse(account).map_err(|_| unreadable("account"))?)
        }
        (Some("client"), Some(id)) => Identity::Client(Arc::from(id)),
        (Some("console"), _) => Identity::Console,
        _ => Identity::Anonymous,
    };
    let scopes: Vec<String> = record
        .get("scopes")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    let authority = match field("authority") {
        Some("token") => Authority::Token(Arc::from(scopes)),
        Some("narrowed") => {
            let selectors = scopes.iter().map(|scope| Selector::parse(scope)).collect::<Result<Vec<_>, _>>();
            Authority::Narrowed(Arc::new(What::of(selectors.map_err(|_| unreadable("key"))?)))
        }
        _ => Authority::Full,
    };
    let via = field("via").unwrap_or_default();
    let via = services.control.interfaces().iter().find(|name| name.0 == via);
    let asked = Caller {
        identity,
        authority,
        record: None,
        via: via.copied().ok_or_else(|| unreadable("interface"))?,
        tag: field("tag").map(Arc::from),
        through_plugin: record.get("through_plugin").and_then(Value::as_bool).unwrap_or_default(),
        address: field("address").and_then(|address| address.parse().ok()),
        request_id: asking.request_id.clone(),
        trace: None,
    };
    let kept = ["seq", "time", "verdict", "outcome", "group", "plugin", "rejected", "claimed"];
    let recorded = kept.iter().filter_map(|key| Some(((*key).to_owned(), record.get(*key)?.clone()))).collect();
    Ok(Question {
        name: field("command").unwrap_or_default().to_owned(),
        version: record.get("version").and_then(Value::as_u64).and_then(|version| u32::try_from(version).ok()),
        asked,
        arguments: record.get("arguments").and_then(Value::as_object).cloned(),
        recorded: Some(recorded),
        rejected: field("rejected").and_then(Rejection::parse),
    })
}

/// Says so where there is no such account: rules are about names, and do not know whether there is one.
async fn note(services: &Services, asked: &Caller) -> Result<Option<String>, CallError> {
    let Some(account) = asked.account() else { return Ok(None) };
    let at_host = services.accounts.hosts().iter().any(|host| host == account.host());
    if !at_host || services.accounts.exists(account).await.map_err(account_error)? {
        return Ok(None);
    }
    Ok(Some(format!(
        "the account {account} does not exist at present; the result applies to an account with that name"
    )))
}

/// The caller that is asked about.
fn asked(services: &Services, asking: &Caller, arguments: &Arguments) -> Result<Caller, CallError> {
    let identity = match arguments.who.as_deref() {
        None | Some("anonymous") => Identity::Anonymous,
        Some(CONSOLE) => Identity::Console,
        Some(text) => match text.strip_prefix("client:") {
            Some(id) => Identity::Client(Arc::from(id)),
            None => Identity::Account(
                AccountId::parse(text).map_err(|error| CallError::argument("/as", error.to_string()))?,
            ),
        },
    };
    let interfaces = services.control.interfaces();
    let is_console = identity == Identity::Console;
    let usual = interfaces.iter().find(|name| (name.0 == CONSOLE) == is_console).map_or(CONSOLE, |name| name.0);
    let via = arguments.via.as_deref().unwrap_or(usual);
    let via = interfaces.iter().find(|name| name.0 == via).copied().ok_or_else(|| {
        CallError::argument("/via", suggest::unknown("interface", via, interfaces.iter().map(|name| name.0)))
    })?;
    let address = arguments.address.as_deref().map(|text| {
        text.parse::<IpAddr>().map(canonical).map_err(|_| CallError::argument("/address", "is not an address"))
    });
    let address = address.transpose()?;
    let authority = match &arguments.scopes {
        Some(scopes) => Authority::Token(Arc::from(scopes.as_slice())),
        None => Authority::Full,
    };
    Ok(Caller {
        identity,
        authority,
        record: None,
        via,
        tag: arguments.tag.as_deref().map(Arc::from),
        through_plugin: false,
        address: address.filter(|_| via != FrontendName(CONSOLE)),
        request_id: asking.request_id.clone(),
        trace: None,
    })
}

fn seen(caller: &Caller) -> Seen {
    let who = match &caller.identity {
        Identity::Client(id) => format!("client:{id}"),
        Identity::Anonymous | Identity::Console | Identity::Account(_) => caller.label().to_owned(),
    };
    Seen {
        who,
        scopes: caller.scopes().map(<[String]>::to_vec),
        via: caller.via.0.to_owned(),
        address: caller.address.map(|address| address.to_string()),
        tag: caller.tag.as_deref().map(str::to_owned),
    }
}

fn group(group: GroupReason) -> GroupVerdict {
    GroupVerdict {
        group: (*group.group).to_owned(),
        answer: text(group.answer),
        from: reason(group.from),
        who: reason(group.who),
        what: reason(group.what),
    }
}

fn reason(of: permission::Reason) -> Reason {
    Reason { answer: text(of.answer), text: of.text, parts: of.parts.into_iter().map(reason).collect() }
}

fn text(answer: Answer) -> String {
    answer.as_str().to_owned()
}
