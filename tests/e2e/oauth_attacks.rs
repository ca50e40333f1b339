//! What somebody would try against tokens and the login page, each a test with what comes of it.

use serde_json::json;
use tests::{Answer, Host, PASSWORD, Request};

use crate::oauth::{CALLBACK, CHALLENGE, Page, Shop, VERIFIER, parameter, text};

fn error(answer: &Answer) -> String {
    text(&answer.value(), "error")
}

#[test]
fn a_code_that_is_used_twice_revokes_what_came_of_it() {
    let mut shop = Shop::start();
    let code = shop.code();
    let issued = shop.redeem(&code).value();
    let (access, refresh) = (text(&issued, "access_token"), text(&issued, "refresh_token"));
    assert!(shop.is_valid(&access));
    assert_eq!(error(&shop.redeem(&code)), "invalid_grant");
    assert!(!shop.is_valid(&access));
    assert_eq!(error(&shop.refresh(&refresh)), "invalid_grant");
    shop.host.crash_and_restart();
    assert!(!shop.is_valid(&access));
    assert_eq!(error(&shop.refresh(&refresh)), "invalid_grant");
}

#[test]
fn a_refresh_token_that_is_used_twice_revokes_the_family() {
    let mut shop = Shop::start();
    let first = shop.redeem(&shop.code()).value();
    let old = text(&first, "refresh_token");
    let second = shop.refresh(&old).value();
    let third = shop.refresh(&text(&second, "refresh_token")).value();
    let (access, live) = (text(&third, "access_token"), text(&third, "refresh_token"));
    assert!(shop.is_valid(&access));
    // Also one of two rotations ago is recognised, and after a crash.
    shop.host.crash_and_restart();
    assert_eq!(error(&shop.refresh(&old)), "invalid_grant");
    assert!(!shop.is_valid(&access));
    assert_eq!(error(&shop.refresh(&live)), "invalid_grant");
}

#[test]
fn knowing_an_id_ends_nothing() {
    let shop = Shop::start();
    let issued = shop.redeem(&shop.code()).value();
    let (access, refresh) = (text(&issued, "access_token"), text(&issued, "refresh_token"));
    let forged = |text: &str, keep: usize| format!("{}{}", &text[..keep], "A".repeat(text.len() - keep));
    assert_eq!(error(&shop.refresh(&forged(&refresh, "muster_rt_".len() + 24))), "invalid_grant");
    assert_eq!(error(&shop.redeem(&forged(&access.replace("_at_", "_ac_"), "muster_ac_".len() + 24))), "invalid_grant");
    let revoke = shop.host.request("POST", "/oauth/revoke");
    revoke.form(&[("client_id", "shop"), ("token", &forged(&access, "muster_at_".len() + 24))]).send();
    assert!(shop.is_valid(&access));
    assert_eq!(shop.refresh(&refresh).status, 200);
}

#[test]
fn one_code_brings_one_token_however_often_it_is_sent_at_once() {
    let shop = Shop::start();
    for _ in 0..5 {
        let code = shop.code();
        let answers: Vec<Answer> = std::thread::scope(|scope| {
            let senders: Vec<_> = (0..8).map(|_| scope.spawn(|| shop.redeem(&code))).collect();
            senders.into_iter().map(|sender| sender.join().unwrap()).collect()
        });
        let issued: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
        assert_eq!(issued.len(), 1, "one is served");
        assert!(!shop.is_valid(&text(&issued[0].value(), "access_token")), "and the others end what it got");
    }
}

#[test]
fn a_code_needs_its_proof() {
    let shop = Shop::start();
    for verifier in [None, Some(CHALLENGE), Some("short"), Some(&*"a".repeat(43))] {
        let code = shop.code();
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("client_id", "shop"),
            ("code", &code),
            ("redirect_uri", CALLBACK),
        ];
        fields.extend(verifier.map(|verifier| ("code_verifier", verifier)));
        assert_eq!(error(&shop.token(&fields)), "invalid_grant", "{verifier:?}");
        assert_eq!(error(&shop.redeem(&code)), "invalid_grant", "there is no second guess");
    }
    for (field, value) in [
        ("code_challenge", ""),
        ("code_challenge", VERIFIER.get(..20).unwrap()),
        ("code_challenge_method", "plain"),
        ("code_challenge_method", ""),
    ] {
        let answer = shop.page(&[(field, value)]).answer;
        assert_eq!(answer.status, 303, "{field} {value}");
        assert_eq!(parameter(answer.header("location"), "error").as_deref(), Some("invalid_request"));
    }
}

#[test]
fn a_code_is_for_its_client_and_address() {
    let shop = Shop::start();
    let code = shop.code();
    let other = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ];
    let stolen = shop.host.request("POST", "/oauth/token").basic("other", &shop.other).form(&other).send();
    assert_eq!(error(&stolen), "invalid_grant");
    let issued = shop.redeem(&code);
    assert_eq!(issued.status, 200, "its own client still has it");
    let refresh = text(&issued.value(), "refresh_token");
    let other = [("grant_type", "refresh_token"), ("refresh_token", refresh.as_str())];
    let stolen = shop.host.request("POST", "/oauth/token").basic("other", &shop.other).form(&other).send();
    assert_eq!(error(&stolen), "invalid_grant");
    assert_eq!(shop.refresh(&refresh).status, 200);
    let code = shop.code();
    let elsewhere = shop.token(&[
        ("grant_type", "authorization_code"),
        ("client_id", "shop"),
        ("code", &code),
        ("redirect_uri", "https://shop.example.org/other"),
        ("code_verifier", VERIFIER),
    ]);
    assert_eq!(error(&elsewhere), "invalid_grant");
}

#[test]
fn a_code_is_over_after_a_minute_at_most_and_with_the_password() {
    let shop = Shop::start();
    let code = shop.code();
    let newpass = json!({"user": "ann", "host": "localhost", "newpass": "another one"});
    assert_eq!(shop.host.call("admin", "change_password", &newpass).status, 200);
    assert_eq!(error(&shop.redeem(&code)), "invalid_grant");
}

#[test]
fn the_end_of_an_account_is_the_end_of_its_tokens() {
    for (command, more) in
        [("change_password", ("newpass", "another one")), ("ban_account", ("reason", "x")), ("unregister", ("", ""))]
    {
        let mut shop = Shop::start();
        let issued = shop.redeem(&shop.code()).value();
        let mut arguments = json!({"user": "ann", "host": "localhost"});
        if !more.0.is_empty() {
            arguments[more.0] = json!(more.1);
        }
        assert_eq!(shop.host.call("admin", command, &arguments).status, 200);
        for _ in 0..2 {
            assert!(!shop.is_valid(&text(&issued, "access_token")), "{command}");
            assert_eq!(error(&shop.refresh(&text(&issued, "refresh_token"))), "invalid_grant", "{command}");
            shop.host.crash_and_restart();
        }
    }
}

#[test]
fn browsers_are_never_sent_to_an_unregistered_address() {
    let shop = Shop::start();
    for uri in [
        "https://evil.example/callback",
        "https://shop.example.org/callback/",
        "https://shop.example.org/callback?x=1",
        "https://shop.example.org/callback#x",
        "https://shop.example.org:8443/callback",
        "https://shop.example.org:443/callback",
        "https://shop.example.org.evil.example/callback",
        "https://evil@shop.example.org/callback",
        "https://shop.example.org@evil.example/callback",
        "https://shop.example.org/callback/../../evil",
        "https://shop.example.org/callbackevil",
        "https://SHOP.example.org/callback",
        "http://shop.example.org/callback",
        "//shop.example.org/callback",
        "javascript:alert(1)",
        "https://shop.example.org/callback\r\nlocation: https://evil.example",
    ] {
        let answer = shop.page(&[("redirect_uri", uri), ("response_type", "nonsense")]).answer;
        assert_eq!((answer.status, answer.header("location")), (400, ""), "{uri}");
    }
    let unknown = shop.page(&[("client_id", "nobody")]).answer;
    assert_eq!((unknown.status, unknown.header("location")), (400, ""));
    for twice in ["client_id=other", "redirect_uri=https%3A%2F%2Fevil.example", "scope=stop", "state=x"] {
        let answer = shop.host.request("GET", &format!("{}&{twice}", Shop::page_address(&[]))).send();
        assert_eq!((answer.status, answer.header("location")), (400, ""), "{twice}");
    }
}

#[test]
fn mistakes_of_a_client_are_told_to_the_client() {
    let shop = Shop::start();
    let long = "x".repeat(5000);
    for (field, value, expected) in [
        ("response_type", "token", "unsupported_response_type"),
        ("response_type", "", "invalid_request"),
        ("scope", "", "invalid_scope"),
        ("scope", "nothing", "invalid_scope"),
        ("scope", "status \"", "invalid_scope"),
        ("resource", "https://elsewhere.example.org", "invalid_target"),
        ("state", &long, "invalid_request"),
        ("state", "a\nb", "invalid_request"),
    ] {
        let answer = shop.page(&[(field, value)]).answer;
        let location = answer.header("location");
        assert_eq!((answer.status, parameter(location, "error").as_deref()), (303, Some(expected)), "{field} {value}");
        assert!(location.starts_with(CALLBACK) && parameter(location, "iss").is_some());
    }
    let answer = shop.page(&[("client_id", "billing"), ("redirect_uri", "")]).answer;
    assert_eq!(answer.status, 400, "it has no address");
}

#[test]
fn a_form_is_taken_from_the_page_it_was_made_for_alone() {
    let shop = Shop::start();
    let host = &shop.host;
    let login = [("account", "ann@localhost"), ("password", PASSWORD), ("decision", "allow")];
    let page = shop.page(&[]);
    let refused = |what: &str, request: Request<'_>| {
        let answer = request.send();
        assert_eq!((answer.status, answer.header("location")), (400, ""), "{what}");
    };
    let form = |more: &[(&str, &str)]| page.form(host, &[&login[..], more].concat());
    refused("no cookie", form(&[]));
    refused("another cookie", form(&[]).header("cookie", "muster-form=AAAA"));
    // An attacker plants the cookie of a page of their own: its key does not fit this page, and of two there is none.
    let planted = shop.page(&[]);
    refused("a planted cookie", form(&[]).header("cookie", &planted.cookie));
    refused("both", form(&[]).header("cookie", &format!("{}; {}", planted.cookie, page.cookie)));
    refused("no key", form(&[("key", "")]).header("cookie", &page.cookie));
    refused("a made-up key", form(&[("key", "AAAA.9999999999")]).header("cookie", &page.cookie));
    for (field, value) in [
        ("scope", "status [tag:accounts] stop"),
        ("client_id", "other"),
        ("redirect_uri", "https://other.example.org/cb"),
        ("code_challenge", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
        ("state", "other"),
        ("resource", "https://elsewhere.example.org"),
    ] {
        refused(field, form(&[(field, value)]).header("cookie", &page.cookie));
    }
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        refused(name, form(&[]).header("cookie", &page.cookie).header(name, value));
    }
    assert_eq!(form(&[]).header("cookie", &page.cookie).send().status, 303, "as it should be");
    assert_eq!(host.request("GET", &format!("{}&decision=allow", Shop::page_address(&[]))).send().status, 200);
}

#[test]
fn names_states_and_scopes_are_never_markup_or_headers() {
    let host = Host::start_with(&format!("{}{}", tests::RULES, tests::TOKEN_RULE));
    host.add_account("admin");
    host.add_account("ann");
    let name = "<script>alert(1)</script>\"'&";
    let added = host.cli(&["client", "add", "evil", "--name", name, "--redirect-uri", CALLBACK]);
    assert_eq!(added.code, 0, "{added:?}");
    for state in ["\"><script>alert(1)</script>", "'; onload=x", "a%0d%0aSet-Cookie:%20x", "javascript:alert(1)"] {
        let shop_like = format!(
            "/oauth/authorize?response_type=code&client_id=evil&scope=status&code_challenge={CHALLENGE}\
             &code_challenge_method=S256&state={}",
            tests::encoded(state)
        );
        let page = Page::of(host.request("GET", &shop_like).send());
        let html = page.answer.text();
        assert!(!html.contains("<script") && !html.contains("\">javascript"), "{html}");
        assert!(page.fields.contains(&("state".to_owned(), state.to_owned())), "{:?}", page.fields);
        let mistyped = page.send(&host, "\"><script>alert(2)</script>", "x", "allow");
        assert!(!mistyped.text().contains("<script"), "{}", mistyped.text());
        let denied = page.send(&host, "", "", "deny");
        assert_eq!(parameter(denied.header("location"), "state").as_deref(), Some(state));
        assert!(denied.header("set-cookie").is_empty());
    }
    for bad in ["a\nb", "", &*"x".repeat(101)] {
        let arguments = json!({"client_id": "x", "client_name": bad, "redirect_uri": CALLBACK});
        assert_eq!(host.call("admin", "oauth_add_client_implicit", &arguments).verdict(), "400 invalid-arguments");
    }
    for uri in ["javascript:alert(1)", "http://shop.example.org/", "https://a/#x", "https://u@a/", "x", "https://a/;\""]
    {
        let arguments = json!({"client_id": "x", "client_name": "x", "redirect_uri": uri});
        let answer = host.call("admin", "oauth_add_client_implicit", &arguments);
        assert_eq!(answer.verdict(), "400 invalid-arguments", "{uri}");
    }
    for id in ["console", "anonymous", "a@b", "a b", "", "a/b", "../x"] {
        let arguments = json!({"client_id": id, "client_name": "x", "redirect_uri": CALLBACK});
        let answer = host.call("admin", "oauth_add_client_implicit", &arguments);
        assert_eq!(answer.verdict(), "400 invalid-arguments", "{id}");
    }
}

#[test]
fn a_refresh_never_widens() {
    let shop = Shop::start();
    let issued = shop.redeem(&shop.code()).value();
    let with = |refresh: &str, scope: &str| {
        let fields =
            [("grant_type", "refresh_token"), ("client_id", "shop"), ("refresh_token", refresh), ("scope", scope)];
        shop.token(&fields)
    };
    let refresh = text(&issued, "refresh_token");
    for scope in ["status stop", "muster:admin", "*", "[tag:server]"] {
        assert_eq!(error(&with(&refresh, scope)), "invalid_scope", "{scope}");
    }
    let narrowed = with(&refresh, "status").value();
    assert_eq!(narrowed["scope"], "status");
    // What was narrowed once can be had in full again: the consent was for it.
    let full = shop.refresh(&text(&narrowed, "refresh_token")).value();
    assert_eq!(full["scope"], "status [tag:accounts]");
}

#[test]
fn clients_prove_who_they_are_in_one_way() {
    let shop = Shop::start();
    let grant = [("grant_type", "client_credentials"), ("scope", "status")];
    let endpoint = || shop.host.request("POST", "/oauth/token");
    for (what, request, status, expected) in [
        ("nobody", endpoint().form(&grant), 400, "invalid_request"),
        ("wrong secret", endpoint().basic("billing", "wrong").form(&grant), 401, "invalid_client"),
        ("no secret", endpoint().form(&[&grant[..], &[("client_id", "billing")]].concat()), 401, "invalid_client"),
        ("unknown", endpoint().basic("nobody", "x").form(&grant), 401, "invalid_client"),
        ("not Basic", endpoint().bearer("x").form(&grant), 401, "invalid_client"),
        (
            "twice",
            endpoint().basic("billing", &shop.billing).form(&[&grant[..], &[("client_secret", "x")]].concat()),
            400,
            "invalid_request",
        ),
        (
            "two names",
            endpoint().basic("billing", &shop.billing).form(&[&grant[..], &[("client_id", "other")]].concat()),
            400,
            "invalid_request",
        ),
        ("public", endpoint().form(&[&grant[..], &[("client_id", "shop")]].concat()), 400, "unauthorized_client"),
        (
            "public with a secret",
            endpoint().form(&[&grant[..], &[("client_id", "shop"), ("client_secret", "x")]].concat()),
            401,
            "invalid_client",
        ),
        (
            "another grant",
            endpoint().basic("billing", &shop.billing).form(&[("grant_type", "x")]),
            400,
            "unsupported_grant_type",
        ),
        ("no grant", endpoint().basic("billing", &shop.billing).form(&[]), 400, "invalid_request"),
        (
            "a field twice",
            endpoint().basic("billing", &shop.billing).form(&[&grant[..], &[("scope", "stop")]].concat()),
            400,
            "invalid_request",
        ),
        ("json", endpoint().basic("billing", &shop.billing).json(&json!({"grant_type": "x"})), 415, "invalid_request"),
    ] {
        let answer = request.send();
        assert_eq!((answer.status, error(&answer).as_str()), (status, expected), "{what}");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("www-authenticate").is_empty(), status != 401, "{what}");
    }
    assert_eq!(shop.host.request("GET", "/oauth/token").send().status, 405);
    assert_eq!(shop.host.request("POST", "/.well-known/oauth-authorization-server").send().status, 405);
}

#[test]
fn guesses_at_passwords_and_chosen_secrets_are_slowed_down() {
    let shop = Shop::start();
    let arguments = json!({"client_id": "old", "client_name": "x", "secret": "something long"});
    assert_eq!(shop.host.call("admin", "oauth_add_client_password", &arguments).status, 200);
    let grant = [("grant_type", "client_credentials"), ("scope", "status")];
    let with = |secret: &str| shop.host.request("POST", "/oauth/token").basic("old", secret).form(&grant).send();
    assert_eq!(with("something long").status, 200);
    let guesses: Vec<Answer> = (0..20).map(|count| with(&format!("wrong guess {count}"))).collect();
    let last = guesses.last().unwrap();
    assert_eq!((guesses[0].status, last.status), (401, 429));
    assert!(!last.header("retry-after").is_empty());
    let pages: Vec<u16> =
        (0..20).map(|_| shop.page(&[]).send(&shop.host, "ann@localhost", "wrong", "allow").status).collect();
    assert_eq!(pages.last(), Some(&429), "{pages:?}");
}

#[test]
fn what_is_too_large_is_not_read() {
    let shop = Shop::start();
    let large = "x".repeat(100_000);
    let medium = "x".repeat(20_000);
    let fields: Vec<(String, &str)> = (0..70).map(|count| (format!("f{count}"), "x")).collect();
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    for endpoint in ["/oauth/token", "/oauth/introspect", "/oauth/revoke", "/oauth/authorize"] {
        for (what, form, status) in [
            ("a large form", &[("a", large.as_str())][..], 413),
            ("a long field", &[("a", medium.as_str())], 400),
            ("many fields", &fields, 400),
        ] {
            let answer = shop.host.request("POST", endpoint).form(form).send();
            let status = if endpoint == "/oauth/authorize" { 400 } else { status };
            assert_eq!(answer.status, status, "{what} at {endpoint}");
        }
    }
    let page = shop.page(&[]);
    let long = "p".repeat(15_000);
    for (account, password) in [("ann@localhost", long.as_str()), (&*long, "x")] {
        assert_eq!(page.send(&shop.host, account, password, "allow").status, 403);
    }
    assert_eq!(shop.host.call("admin", "status", &json!({})).status, 200);
}
