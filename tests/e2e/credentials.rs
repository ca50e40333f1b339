//! Bans, tokens and API keys by commands: what ends them, what does not, and what nobody ever sees again.

use serde_json::{Value, json};
use tests::{Host, PASSWORD};

/// Whether a token or key is valid: the listing is for everybody with a credential that is right.
fn is_valid(host: &Host, text: &str) -> bool {
    let status = host.request("GET", "/api").bearer(text).send().status;
    assert!([200, 401].contains(&status), "{status}");
    status == 200
}

fn token(host: &Host, account: &str) -> String {
    let arguments = json!({"jid": format!("{account}@localhost"), "ttl": 3600, "scopes": ["status"]});
    let answer = host.call("admin", "oauth_issue_token", &arguments);
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.value()["token"].as_str().unwrap().to_owned()
}

fn key(host: &Host, account: &str) -> String {
    let ran = host.cli(&["key", "create", &format!("{account}@localhost"), "test", "--scope", "status"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.stdout.trim().to_owned()
}

fn as_admin(host: &Host, command: &str, arguments: &Value) -> Value {
    let answer = host.call("admin", command, arguments);
    assert_eq!(answer.status, 200, "{command} {}", answer.text());
    answer.value()
}

fn bob(host: &str) -> Value {
    json!({"user": "bob", "host": host})
}

#[test]
fn a_ban_ends_every_credential_at_once() {
    let mut host = Host::start();
    host.add_account("bob");
    let (token, key) = (token(&host, "bob"), key(&host, "bob"));
    let password = |host: &Host| host.request("GET", "/api").as_user("bob").send().status;
    assert!(is_valid(&host, &token) && is_valid(&host, &key) && password(&host) == 200);
    let ban = json!({"user": "bob", "host": "localhost", "reason": "Spamming"});
    assert_eq!(as_admin(&host, "ban_account", &ban), 0);
    let all_refused = |host: &Host| {
        assert!(!is_valid(host, &token));
        assert!(!is_valid(host, &key));
        assert_eq!(password(host), 401);
    };
    all_refused(&host);
    assert_eq!(as_admin(&host, "ban_account", &ban), 1, "it is banned already");
    let check = json!({"user": "bob", "host": "localhost", "password": PASSWORD});
    assert_eq!(as_admin(&host, "check_password", &check), 1);
    let details = as_admin(&host, "get_ban_details", &bob("localhost"));
    assert_eq!(details["reason"], "Spamming");
    assert!(details["bandate"].as_str().unwrap().ends_with('Z'));
    assert_eq!(as_admin(&host, "list_banned", &json!({"host": "localhost"})), json!(["bob@localhost"]));
    assert_eq!(as_admin(&host, "count_banned", &json!({"host": "all"})), 1);
    host.crash_and_restart();
    all_refused(&host);
    assert_eq!(as_admin(&host, "unban_account", &bob("localhost")), 0);
    assert_eq!(as_admin(&host, "unban_account", &bob("localhost")), 1, "it is not banned any more");
    assert_eq!(password(&host), 200);
    assert!(!is_valid(&host, &token) && !is_valid(&host, &key), "a ban is the end of tokens and keys");
    assert_eq!(as_admin(&host, "get_ban_details", &bob("localhost")), json!({}));
    assert_eq!(as_admin(&host, "count_banned", &json!({"host": "all"})), 0);
}

#[test]
fn a_new_password_ends_tokens_and_leaves_keys() {
    let host = Host::start();
    host.add_account("bob");
    let (token, key) = (token(&host, "bob"), key(&host, "bob"));
    as_admin(&host, "change_password", &json!({"user": "bob", "host": "localhost", "newpass": "another one"}));
    assert!(!is_valid(&host, &token));
    assert!(is_valid(&host, &key));
}

#[test]
fn an_account_made_again_is_another_account() {
    let host = Host::start();
    host.add_account("bob");
    let (token, key) = (token(&host, "bob"), key(&host, "bob"));
    as_admin(&host, "unregister", &bob("localhost"));
    assert!(!is_valid(&host, &token) && !is_valid(&host, &key));
    host.add_account("bob");
    assert!(!is_valid(&host, &token) && !is_valid(&host, &key));
}

#[test]
fn a_ban_is_not_lifted_by_a_new_password() {
    let host = Host::start();
    host.add_account("bob");
    as_admin(&host, "ban_account", &json!({"user": "bob", "host": "localhost", "reason": ""}));
    as_admin(&host, "change_password", &json!({"user": "bob", "host": "localhost", "newpass": PASSWORD}));
    assert_eq!(host.request("GET", "/api").as_user("bob").send().status, 401);
}

#[test]
fn tokens_and_keys_can_be_revoked_and_stay_so() {
    let mut host = Host::start();
    let (first, second, key) = (token(&host, "ann"), token(&host, "ann"), key(&host, "ann"));
    let listed = as_admin(&host, "oauth_list_tokens", &json!({}));
    assert_eq!(listed.as_array().unwrap().len(), 2);
    for entry in listed.as_array().unwrap() {
        let id = entry["token"].as_str().unwrap();
        assert_eq!((entry["user"].as_str(), entry["scope"].as_str()), (Some("ann@localhost"), Some("status")));
        assert!(!is_valid(&host, id), "an id is no token");
        if first.contains(id) {
            as_admin(&host, "oauth_revoke_token", &json!({"token": id}));
        }
    }
    assert!(!is_valid(&host, &first) && is_valid(&host, &second));
    as_admin(&host, "oauth_revoke_token", &json!({"token": second}));
    let ann = json!({"user": "ann", "host": "localhost"});
    let keys = as_admin(&host, "key_list", &ann);
    let id = keys[0]["id"].as_str().unwrap();
    assert!(key.contains(id) && keys[0]["last_used"].is_null());
    assert!(is_valid(&host, &key));
    assert!(!as_admin(&host, "key_list", &ann)[0]["last_used"].is_null());
    let someone_elses = host.call("admin", "key_revoke", &json!({"user": "admin", "host": "localhost", "id": id}));
    assert_eq!(someone_elses.verdict(), "404 not-found");
    assert_eq!(host.cli(&["key", "revoke", "ann@localhost", id]).code, 0);
    for _ in 0..2 {
        for text in [&first, &second, &key] {
            assert!(!is_valid(&host, text));
        }
        host.crash_and_restart();
    }
}

#[test]
fn tokens_and_keys_outlive_a_crash_and_end_in_time() {
    let mut host = Host::start();
    let (lasting, key) = (token(&host, "ann"), key(&host, "ann"));
    let brief = json!({"jid": "ann@localhost", "ttl": 1, "scopes": ["status"]});
    let brief = as_admin(&host, "oauth_issue_token", &brief)["token"].as_str().unwrap().to_owned();
    let brief_key = host.cli(&["key", "create", "ann@localhost", "brief", "--scope", "*", "--ttl", "1"]).stdout;
    host.crash_and_restart();
    assert!(is_valid(&host, &lasting) && is_valid(&host, &key));
    std::thread::sleep(std::time::Duration::from_millis(1100));
    assert!(!is_valid(&host, &brief) && !is_valid(&host, brief_key.trim()));
}

#[test]
fn what_is_not_there_cannot_be_had() {
    let host = Host::start();
    for (command, arguments, verdict) in [
        ("oauth_issue_token", json!({"jid": "nobody@localhost", "ttl": 60, "scopes": ["status"]}), "404 not-found"),
        ("oauth_issue_token", json!({"jid": "nobody", "ttl": 60, "scopes": ["status"]}), "400 invalid-arguments"),
        (
            "oauth_issue_token",
            json!({"jid": "ann@localhost", "ttl": 60, "scopes": ["nothing"]}),
            "400 invalid-arguments",
        ),
        (
            "oauth_issue_token",
            json!({"jid": "ann@localhost", "ttl": 60, "scopes": ["[tag:nothing]"]}),
            "400 invalid-arguments",
        ),
        ("oauth_issue_token", json!({"jid": "ann@localhost", "ttl": 60, "scopes": []}), "400 invalid-arguments"),
        ("oauth_issue_token", json!({"jid": "ann@localhost", "ttl": 0, "scopes": ["status"]}), "400 invalid-arguments"),
        (
            "oauth_issue_token",
            json!({"jid": "ann@localhost", "ttl": 60, "scopes": ["muster:user", "ejabberd:admin", "[tag:accounts]"]}),
            "200",
        ),
        ("oauth_issue_token/v0", json!({"jid": "ann@localhost", "ttl": 60, "scopes": "status;muster:user"}), "200"),
        ("key_create", json!({"user": "nobody", "host": "localhost", "name": "x", "scopes": ["*"]}), "404 not-found"),
        (
            "key_create",
            json!({"user": "ann", "host": "localhost", "name": "x", "scopes": ["Status"]}),
            "400 invalid-arguments",
        ),
        (
            "key_create",
            json!({"user": "ann", "host": "localhost", "name": "", "scopes": ["*"]}),
            "400 invalid-arguments",
        ),
        (
            "key_create",
            json!({"user": "ann", "host": "localhost", "name": "a\nb", "scopes": ["*"]}),
            "400 invalid-arguments",
        ),
        ("ban_account", json!({"user": "nobody", "host": "localhost", "reason": ""}), "404 not-found"),
        ("list_banned", json!({"host": "elsewhere"}), "400 invalid-arguments"),
        ("oauth_revoke_token", json!({"token": "whatever"}), "200"),
        ("oauth_remove_client", json!({"client_id": "nobody"}), "404 not-found"),
        ("oauth_introspect", json!({"token": "whatever"}), "200"),
    ] {
        assert_eq!(host.call("admin", command, &arguments).verdict(), verdict, "{command} {arguments}");
    }
}

#[test]
fn what_looks_like_a_credential_is_none() {
    let host = Host::start();
    let (token, key) = (token(&host, "ann"), key(&host, "ann"));
    let last = |text: &str| {
        let other = if text.ends_with('A') { 'B' } else { 'A' };
        format!("{}{other}", &text[..text.len() - 1])
    };
    let long = format!("muster_at_{}", "a".repeat(60_000));
    for wrong in [
        "x",
        "..",
        "a.b.c",
        "muster_at_",
        "muster_key_",
        "muster_key_0123456789abcdef01234567_x",
        &long[..50_000],
        &last(&token),
        &last(&key),
        &token.to_uppercase(),
        &token[1..],
        &key.replace("muster_key_", "muster_at_"),
        &token.replace("muster_at_", "muster_rt_"),
        &token.replace("muster_at_", "muster_key_"),
        &format!("{token}{token}"),
    ] {
        assert!(!is_valid(&host, wrong), "{wrong}");
    }
    assert_eq!(host.request("GET", "/api").basic("ann@localhost", &token).send().status, 401);
    assert_eq!(host.request("GET", "/api").bearer(&token).header("authorization", "Basic x").send().status, 401);
}

#[test]
fn a_wrong_token_is_told_so_in_the_words_of_the_standard() {
    let host = Host::start();
    let challenges = |answer: &tests::Answer| answer.headers("www-authenticate").join(" | ");
    let absent = host.request("POST", "/api/status").send();
    assert_eq!(absent.verdict(), "401 unauthenticated");
    assert!(challenges(&absent).contains("| Bearer realm=\"muster\", resource_metadata=\"http://127.0.0.1:"));
    let wrong = host.request("POST", "/api/status").bearer("muster_at_x").send();
    assert_eq!(wrong.verdict(), "401 unauthenticated");
    assert!(challenges(&wrong).contains("Bearer realm=\"muster\", error=\"invalid_token\""), "{}", challenges(&wrong));
}

#[test]
fn a_key_or_token_makes_no_other_for_its_own_account() {
    let host = Host::start();
    let key = host.cli(&["key", "create", "admin@localhost", "all", "--scope", "*"]).stdout.trim().to_owned();
    let call = |command: &str, arguments: Value| {
        host.request("POST", &format!("/api/{command}")).bearer(&key).json(&arguments).send().verdict()
    };
    let own = json!({"user": "admin", "host": "localhost", "name": "x", "scopes": ["*"]});
    assert_eq!(call("key_create", own), "403 denied");
    assert_eq!(
        call("oauth_issue_token", json!({"jid": "admin@localhost", "ttl": 9, "scopes": ["status"]})),
        "403 denied"
    );
    assert_eq!(call("key_create", json!({"user": "ann", "host": "localhost", "name": "x", "scopes": ["*"]})), "200");
}

#[test]
fn the_command_line_calls_with_a_token_or_key() {
    let host = Host::start();
    let key = host.cli(&["key", "create", "admin@localhost", "all", "--scope", "*"]).stdout;
    let url = format!("http://{}", host.address());
    let ran =
        host.cli_with_input(&["--url", &url, "--token-stdin", "call", "registered_users", "host=localhost"], &key);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "admin\nann\n"), "{ran:?}");
    let mut command = std::process::Command::new(tests::binary());
    command.args(["--url", &url, "account", "list"]).env("MUSTER_TOKEN", key.trim());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(host.cli_with_input(&["--url", &url, "--token-stdin", "account", "list"], "wrong\n").code, 4);
    assert_eq!(host.cli_with_input(&["--url", &url, "--token-stdin", "account", "list"], "").code, 2);
    let issued = host.cli(&["token", "issue", "ann@localhost", "status", "muster:user"]);
    assert!(is_valid(&host, issued.stdout.trim()), "{issued:?}");
    let listed = host.cli(&["token", "list"]).stdout;
    assert!(listed.contains("ann@localhost") && listed.contains("status muster:user"), "{listed}");
    assert_eq!(host.cli(&["client", "add", "billing"]).stdout.trim().len(), 53);
    assert!(host.cli(&["client", "list"]).stdout.contains("billing"));
    assert_eq!(host.cli(&["client", "remove", "billing"]).code, 0);
    assert_eq!(host.cli(&["client", "remove", "billing"]).code, 5);
}

#[test]
fn a_key_carries_its_account_s_rights_for_its_commands_alone() {
    let host = Host::start();
    let verdict = |account: &str, scopes: &[&str], command: &str| {
        let scopes: Vec<&str> = scopes.iter().flat_map(|scope| ["--scope", scope]).collect();
        let words = [&["key", "create", account, "test"], &scopes[..]].concat();
        let key = host.cli(&words).stdout;
        let request = host.request("POST", &format!("/api/{command}")).bearer(key.trim());
        request.json(&if command == "status" { json!({}) } else { json!({"host": "localhost"}) }).send().verdict()
    };
    for (account, scopes, command, expected) in [
        ("admin@localhost", &["status"][..], "status", "200"),
        ("admin@localhost", &["status"], "registered_users", "403 forbidden"),
        ("admin@localhost", &["[tag:accounts]"], "registered_users", "200"),
        ("admin@localhost", &["[tag:accounts]", "!registered_users"], "registered_users", "403 forbidden"),
        ("admin@localhost", &["*"], "registered_users", "200"),
        ("admin@localhost", &["[plugin:hello]"], "status", "403 forbidden"),
        ("ann@localhost", &["*"], "status", "200"),
        ("ann@localhost", &["*"], "registered_users", "403 forbidden"),
    ] {
        assert_eq!(verdict(account, scopes, command), expected, "{account} {scopes:?} {command}");
    }
}

#[test]
fn no_token_or_key_is_stored_listed_or_logged() {
    let host = Host::start_with(&format!("{}\nloglevel: debug", tests::RULES));
    host.add_account("admin");
    host.add_account("ann");
    let secret = "a secret of an operator";
    let chosen = json!({"client_id": "chosen", "client_name": "x", "secret": secret});
    as_admin(&host, "oauth_add_client_password", &chosen);
    let made = host.cli(&["client", "add", "made"]).stdout.trim().to_owned();
    let (token, key) = (token(&host, "ann"), key(&host, "ann"));
    assert!(is_valid(&host, &token) && is_valid(&host, &key));
    let mut seen = host.log();
    for command in ["oauth_list_tokens", "oauth_list_clients"] {
        seen.push_str(&as_admin(&host, command, &json!({})).to_string());
    }
    seen.push_str(&as_admin(&host, "key_list", &json!({"user": "ann", "host": "localhost"})).to_string());
    seen.push_str(&as_admin(&host, "oauth_introspect", &json!({"token": token})).to_string());
    seen.push_str(&String::from_utf8_lossy(&std::fs::read(host.data().join("muster.redb")).unwrap()));
    for text in [secret, &made, &token, &key] {
        let tail = &text[text.len() - 20..];
        assert!(!seen.contains(tail), "{text}");
    }
}

/// What a person typed is one name and one password, however their keyboard writes it; what cannot be seen is no new name.
#[test]
fn names_and_passwords_are_the_same_in_every_way_to_type_them() {
    let host = Host::start();
    let register = |user: &str, password: &str| {
        host.call("admin", "register", &json!({"user": user, "host": "localhost", "password": password}))
    };
    assert_eq!(register("Jose\u{301}", "man\u{303}ana siempre").status, 200);
    assert_eq!(register("JOS\u{c9}", "another password").verdict(), "409 conflict");
    for (user, password, status) in [
        ("jos\u{e9}", "ma\u{f1}ana siempre", 200),
        ("jose\u{301}", "man\u{303}ana siempre", 200),
        ("\u{ff2a}OSE\u{301}", "ma\u{f1}ana\u{a0}siempre", 200),
        ("jos\u{e9}", "manana siempre", 401),
        ("jose", "ma\u{f1}ana siempre", 401),
        ("jos\u{e9}\u{200b}", "ma\u{f1}ana siempre", 401),
    ] {
        let answer = host.request("GET", "/api").basic(&format!("{user}@localhost"), password).send();
        assert_eq!(answer.status, status, "{user:?} {password:?}");
    }
    for odd in ["ann\u{200b}", "a\u{202e}nn", "ann\u{e0061}", "\u{301}ann", "ann\u{ad}", "\u{fb01}nn"] {
        let answer = register(odd, "a good password");
        assert_eq!(answer.verdict(), "400 invalid-arguments", "{odd:?}");
        assert!(answer.text().contains("cannot be the name of a new account"), "{}", answer.text());
    }
    let listed = host.cli(&["--json", "account", "list", "localhost"]);
    assert_eq!(serde_json::from_str::<Value>(&listed.stdout).unwrap(), json!(["admin", "ann", "jos\u{e9}"]));
}

/// Short passwords and those that are tried first are refused, where the operator does not say otherwise.
#[test]
fn new_passwords_have_a_length_and_are_not_the_first_to_be_tried() {
    let host = Host::start();
    let register = |user: &str, password: &str| {
        host.call("admin", "register", &json!({"user": user, "host": "localhost", "password": password}))
    };
    for (password, expected) in [
        ("x", "at least 8 characters"),
        ("1234567", "at least 8 characters"),
        ("Password2026!", "too common"),
        ("barbarella", "too common"),
        ("tab\there and there", "no control characters"),
    ] {
        let answer = register("barbarella", password);
        assert!(answer.status == 400 && answer.text().contains(expected), "{password}: {}", answer.text());
        assert!(!answer.text().contains(password));
    }
    let changed = json!({"user": "ann", "host": "localhost", "newpass": "12345678"});
    assert_eq!(host.call("admin", "change_password", &changed).status, 400);
    assert_eq!(register("barbarella", "a few words").status, 200);
    let lax = Host::start_with("passwords: {length_min: 1, common: allowed}\n");
    let added = lax.cli_with_input(&["account", "add", "bob@localhost", "--password-stdin"], "x");
    assert_eq!(added.code, 0, "{added:?}");
    // A person is told of accounts there are not.
    let removed = lax.cli(&["account", "remove", "nobody@localhost"]);
    assert!(removed.code == 5 && removed.stderr.contains("there is no account nobody@localhost"), "{removed:?}");
    assert_eq!(lax.cli(&["account", "remove", "bob@localhost"]).stdout, "removed\n");
    let explained = lax.cli(&["permissions", "explain", "--as", "bob@localhost", "status"]);
    assert!(explained.stdout.contains("note: the account bob@localhost does not exist at present"), "{explained:?}");
}
