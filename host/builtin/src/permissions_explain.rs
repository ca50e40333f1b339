//! `permissions_explain`: why a call is allowed or not.

use std::net::IpAddr;
use std::sync::Arc;

use muster_core::authn::canonical;
use muster_core::caller::{Authority, Caller, Identity};
use muster_core::command::Audience;
use muster_core::error::CallError;
use muster_core::name::{AccountId, FrontendName};
use muster_core::permission::{self, Answer, CONSOLE, GroupReason};
use muster_core::registry::Registered;
use muster_core::suggest;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::Services;
use crate::definition::{Call, Definition};
use crate::world::World;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// The command.
    command: String,
    /// Its version; the latest without.
    version: Option<u32>,
    /// Arguments of the call; without, all calls of the command are meant.
    arguments: Option<Map<String, Value>>,
    /// Who calls: `user@host`, `anonymous`, `console`, or `client:ID`. Anonymous without.
    #[serde(rename = "as")]
    who: Option<String>,
    /// The interface they come through: `rest` without, and `console` for the console.
    via: Option<String>,
    /// The address they come from; none without.
    address: Option<String>,
    /// The tag of the listener they come to.
    tag: Option<String>,
    /// The scopes of their token; without, they present their password.
    scopes: Option<Vec<String>>,
}

#[derive(Serialize, JsonSchema)]
struct Explanation {
    /// `yes`, `no`, or `depends` when it depends on the arguments.
    answer: String,
    /// The group that allows it.
    group: Option<String>,
    /// The caller as rules see it.
    caller: Seen,
    /// Whether the credential itself was made for the command.
    credential: Reason,
    /// Every group.
    groups: Vec<Group>,
    /// What could be changed so that it is allowed, the smallest change first.
    changes: Vec<String>,
}

#[derive(Serialize, JsonSchema)]
struct Seen {
    /// `user@host`, `anonymous`, `console` or `client:ID`.
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
struct Group {
    /// Its name.
    group: String,
    /// Whether it allows the call.
    answer: String,
    /// Whether the call comes from where it says.
    from: Reason,
    /// Whether it is about the caller.
    who: Reason,
    /// Whether it is about the command and its arguments.
    what: Reason,
}

#[derive(Serialize, JsonSchema)]
struct Reason {
    /// `yes`, `no` or `depends`.
    answer: String,
    /// What holds or does not.
    text: String,
    /// What that rests on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    parts: Vec<Reason>,
}

pub(crate) fn command(services: &Arc<Services>) -> Result<Registered, String> {
    Definition::new("permissions_explain", "Tells why a call is allowed or not")
        .description(
            "Names every group, the part of it that fits or fails, and the smallest change that would allow the call. \
             Nothing is called.",
        )
        .tags(&["permissions"])
        .audience(Audience::Admin)
        .read_only()
        .example(
            "Why the console may stop the host",
            json!({"command": "stop", "as": "console"}),
            json!({
                "answer": "yes", "group": "console commands",
                "caller": {"who": "console", "scopes": null, "via": "console", "address": null, "tag": null},
                "credential": {"answer": "yes", "text": "the credential carries all rights of its holder"},
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
            let world = World::look(&services, None).await?;
            let name = arguments.command.replace('-', "_");
            let Some(command) = world.command(&name, arguments.version) else {
                let known = world.commands().into_iter().map(|command| command.name.as_str());
                let text = suggest::missing("command", &name, known);
                return Err(CallError::NotFound(text));
            };
            let asked = asked(&services, &caller, &arguments)?;
            let explanation = world.rules.explain(&asked, command, arguments.arguments.as_ref());
            Ok(Explanation {
                answer: text(explanation.answer),
                group: explanation.group.map(|group| (*group).to_owned()),
                caller: seen(&asked),
                credential: reason(explanation.credential),
                groups: explanation.groups.into_iter().map(group).collect(),
                changes: explanation.changes,
            })
        })
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
    let usual = if identity == Identity::Console { CONSOLE } else { "rest" };
    let via = arguments.via.as_deref().unwrap_or(usual);
    let interfaces = services.control.interfaces();
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
        via,
        tag: arguments.tag.as_deref().map(Arc::from),
        through_plugin: false,
        address: address.filter(|_| via != FrontendName(CONSOLE)),
        request_id: asking.request_id.clone(),
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

fn group(group: GroupReason) -> Group {
    Group {
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
