//! OAuth as its users meet it: a person with a browser, a client, a back end, a resource.

use serde_json::Value;
use tests::{Answer, Host, PASSWORD, Request, encoded};

/// The example of RFC 7636, appendix B.
pub(super) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(super) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
pub(super) const CALLBACK: &str = "https://shop.example.org/callback";

/// A host with the public client `shop` and the confidential ones `billing` and `other`, and their secrets.
pub(super) struct Shop {
    pub(super) host: Host,
    pub(super) billing: String,
    pub(super) other: String,
}

impl Shop {
    pub(super) fn start() -> Self {
        Self::start_with("")
    }

    pub(super) fn start_with(more: &str) -> Self {
        let host = Host::start_with(&format!("{}{}\n{more}\n", tests::RULES, tests::TOKEN_RULE));
        host.add_account("admin");
        host.add_account("ann");
        let add = |words: &[&str]| {
            let ran = host.cli(&[&["client", "add"], words].concat());
            assert_eq!(ran.code, 0, "{ran:?}");
            ran.stdout.trim().to_owned()
        };
        add(&["shop", "--name", "The <Shop>", "--redirect-uri", CALLBACK]);
        let billing = add(&["billing"]);
        let other = add(&["other", "--confidential", "--redirect-uri", "https://other.example.org/cb"]);
        Self { host, billing, other }
    }

    /// The address of the login page, with some of its fields replaced; an empty value leaves a field out.
    pub(super) fn page_address(replaced: &[(&str, &str)]) -> String {
        let mut fields = vec![
            ("response_type", "code"),
            ("client_id", "shop"),
            ("redirect_uri", CALLBACK),
            ("scope", "status [tag:accounts]"),
            ("state", "s t/a&t=e"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        for (name, value) in replaced {
            fields.retain(|(own, _)| own != name);
            fields.push((name, value));
        }
        let query: Vec<String> = fields
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| format!("{name}={}", encoded(value)))
            .collect();
        format!("/oauth/authorize?{}", query.join("&"))
    }

    pub(super) fn page(&self, replaced: &[(&str, &str)]) -> Page {
        Page::of(self.host.request("GET", &Self::page_address(replaced)).send())
    }

    /// Logs ann in, consents, and gives what the client is sent.
    pub(super) fn code_for(&self, replaced: &[(&str, &str)]) -> String {
        let answer = self.page(replaced).send(&self.host, "ann@localhost", PASSWORD, "allow");
        let code = parameter(answer.header("location"), "code");
        assert!(code.is_some(), "{} {}", answer.status, answer.text());
        code.unwrap()
    }

    pub(super) fn code(&self) -> String {
        self.code_for(&[])
    }

    pub(super) fn token(&self, fields: &[(&str, &str)]) -> Answer {
        self.host.request("POST", "/oauth/token").form(fields).send()
    }

    pub(super) fn redeem(&self, code: &str) -> Answer {
        self.token(&[
            ("grant_type", "authorization_code"),
            ("client_id", "shop"),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ])
    }

    pub(super) fn refresh(&self, token: &str) -> Answer {
        self.token(&[("grant_type", "refresh_token"), ("client_id", "shop"), ("refresh_token", token)])
    }

    pub(super) fn is_valid(&self, token: &str) -> bool {
        self.host.request("GET", "/api").bearer(token).send().status == 200
    }
}

/// A login page, as a browser has it.
pub(super) struct Page {
    pub(super) answer: Answer,
    pub(super) cookie: String,
    pub(super) fields: Vec<(String, String)>,
}

impl Page {
    pub(super) fn of(answer: Answer) -> Self {
        let cookie = answer.header("set-cookie").split(';').next().unwrap().to_owned();
        let html = answer.text();
        let fields = html
            .split("<input type=\"hidden\" name=\"")
            .skip(1)
            .map(|rest| {
                let (name, rest) = rest.split_once("\" value=\"").unwrap();
                (name.to_owned(), unescaped(rest.split_once("\">").unwrap().0))
            })
            .collect();
        Self { answer, cookie, fields }
    }

    pub(super) fn form<'a>(&self, host: &'a Host, more: &[(&str, &str)]) -> Request<'a> {
        let mut fields: Vec<(&str, &str)> =
            self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        for (name, value) in more {
            fields.retain(|(own, _)| own != name);
            fields.push((name, value));
        }
        host.request("POST", "/oauth/authorize").form(&fields)
    }

    pub(super) fn send(&self, host: &Host, account: &str, password: &str, decision: &str) -> Answer {
        self.form(host, &[("account", account), ("password", password), ("decision", decision)])
            .header("cookie", &self.cookie)
            .header("sec-fetch-site", "same-origin")
            .send()
    }
}

fn unescaped(text: &str) -> String {
    [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")]
        .iter()
        .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

/// A parameter of an address, decoded.
pub(super) fn parameter(address: &str, name: &str) -> Option<String> {
    let (_, query) = address.split_once('?')?;
    let value = query.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}=")))?;
    let mut bytes = Vec::new();
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => u8::from_str_radix(&format!("{}{}", rest.next()? as char, rest.next()? as char), 16).ok()?,
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

pub(super) fn text(value: &Value, name: &str) -> String {
    assert!(value[name].is_string(), "{name} in {value}");
    value[name].as_str().unwrap().to_owned()
}

#[test]
fn a_person_lends_a_client_some_rights() {
    let mut shop = Shop::start();
    let page = shop.page(&[]);
    assert_eq!(page.answer.status, 200);
    let html = page.answer.text();
    for part in [
        "lang=\"en\"",
        "The &lt;Shop&gt; requests access to this server as you",
        "<strong>shop.example.org</strong>",
        "Shows whether the server runs, and its version",
        "<code>[tag:accounts]</code>",
        "Registers an account",
        "<label for=\"account\">",
        "<label for=\"password\">",
        "autocomplete=\"current-password\"",
    ] {
        assert!(html.contains(part), "{part} in {html}");
    }
    assert!(!html.contains("<script") && !html.contains("http://") && !html.contains("src="), "{html}");
    let answer = page.send(&shop.host, "ann@localhost", PASSWORD, "allow");
    assert_eq!(answer.status, 303);
    let location = answer.header("location");
    assert!(location.starts_with(&format!("{CALLBACK}?code=")), "{location}");
    assert_eq!(parameter(location, "state").as_deref(), Some("s t/a&t=e"));
    assert_eq!(parameter(location, "iss"), Some(format!("http://{}", shop.host.address())));
    let issued = shop.redeem(&parameter(location, "code").unwrap());
    assert_eq!(issued.status, 200, "{}", issued.text());
    assert_eq!(issued.header("cache-control"), "no-store");
    let issued = issued.value();
    assert_eq!((issued["token_type"].as_str(), issued["expires_in"].as_u64()), (Some("Bearer"), Some(3600)));
    assert_eq!(issued["scope"], "status [tag:accounts]");
    let (access, refresh) = (text(&issued, "access_token"), text(&issued, "refresh_token"));
    assert!(shop.is_valid(&access) && !shop.is_valid(&refresh));
    // Both live through a crash.
    shop.host.crash_and_restart();
    assert!(shop.is_valid(&access));
    let renewed = shop.refresh(&refresh).value();
    let renewed_access = text(&renewed, "access_token");
    assert!(shop.is_valid(&renewed_access) && !shop.is_valid(&access), "one access token at a time");
    assert_ne!(text(&renewed, "refresh_token"), refresh);
}

#[test]
fn a_person_can_say_no_or_mistype() {
    let shop = Shop::start();
    let denied = shop.page(&[]).send(&shop.host, "", "", "deny");
    assert_eq!(denied.status, 303);
    assert_eq!(parameter(denied.header("location"), "error").as_deref(), Some("access_denied"));
    assert_eq!(parameter(denied.header("location"), "state").as_deref(), Some("s t/a&t=e"));
    let wrong = shop.page(&[]).send(&shop.host, "ann@localhost", "wrong", "allow");
    assert_eq!(wrong.status, 403);
    let again = Page::of(wrong);
    assert!(again.answer.text().contains("role=\"alert\">The account or the password is wrong."));
    assert!(again.answer.text().contains("value=\"ann@localhost\""));
    let unknown = shop.page(&[]).send(&shop.host, "nobody@localhost", "wrong", "allow");
    assert!(unknown.text().contains("The account or the password is wrong."), "the same words for both");
    let right = again.send(&shop.host, " Ann@localhost ", PASSWORD, "allow");
    assert!(parameter(right.header("location"), "code").is_some(), "{}", right.text());
}

#[test]
fn pages_are_bound_to_this_server() {
    let shop = Shop::start();
    let page = shop.page(&[]);
    for (name, part) in [
        ("content-security-policy", "default-src 'none'"),
        ("content-security-policy", "frame-ancestors 'none'"),
        ("content-security-policy", "form-action 'self' https://shop.example.org;"),
        ("x-frame-options", "DENY"),
        ("cache-control", "no-store"),
        ("referrer-policy", "same-origin"),
        ("x-content-type-options", "nosniff"),
        ("set-cookie", "HttpOnly; SameSite=Strict"),
        ("content-type", "text/html"),
    ] {
        assert!(page.answer.header(name).contains(part), "{name}: {}", page.answer.header(name));
    }
    let shop = Shop::start_with("oauth: {issuer: 'https://id.example.org'}");
    let page = shop.page(&[]);
    assert!(page.cookie.starts_with("__Host-muster-form="), "{}", page.cookie);
    assert!(page.answer.header("set-cookie").ends_with("; Secure"));
    let location = page.send(&shop.host, "ann@localhost", PASSWORD, "allow").header("location").to_owned();
    assert_eq!(parameter(&location, "iss").as_deref(), Some("https://id.example.org"));
    assert_eq!(shop.host.request("GET", "/oauth/style.css").send().status, 200);
}

#[test]
fn a_back_end_gets_a_token_for_itself_or_its_account() {
    let shop = Shop::start();
    let grant = [("grant_type", "client_credentials"), ("scope", "status")];
    let basic = shop.host.request("POST", "/oauth/token").basic("billing", &shop.billing).form(&grant).send();
    assert_eq!(basic.status, 200, "{}", basic.text());
    assert!(basic.value().get("refresh_token").is_none());
    assert!(shop.is_valid(&text(&basic.value(), "access_token")));
    let posted = [&grant[..], &[("client_id", "billing"), ("client_secret", shop.billing.as_str())]].concat();
    assert_eq!(shop.token(&posted).status, 200);
    let bound = shop.host.cli(&["client", "add", "report", "--account", "ann@localhost"]).stdout.trim().to_owned();
    let token = shop.host.request("POST", "/oauth/token").basic("report", &bound).form(&grant).send().value();
    let token = text(&token, "access_token");
    let list = shop.host.cli(&["--json", "token", "list"]).stdout;
    assert!(list.contains("\"user\":\"ann@localhost\"") && list.contains("\"user\":\"billing\""), "{list}");
    assert!(shop.is_valid(&token));
    assert_eq!(shop.host.cli(&["call", "ban_account", "user=ann", "host=localhost", "reason=x"]).code, 0);
    assert!(!shop.is_valid(&token));
    let refused = shop.host.request("POST", "/oauth/token").basic("report", &bound).form(&grant).send();
    assert_eq!((refused.status, text(&refused.value(), "error").as_str()), (400, "unauthorized_client"));
}

#[test]
fn a_removed_client_takes_its_tokens_along() {
    let mut shop = Shop::start();
    let issued = shop.redeem(&shop.code()).value();
    let (access, refresh) = (text(&issued, "access_token"), text(&issued, "refresh_token"));
    assert_eq!(shop.host.cli(&["client", "remove", "shop"]).code, 0);
    assert!(!shop.is_valid(&access));
    assert_eq!(text(&shop.refresh(&refresh).value(), "error"), "invalid_client");
    assert_eq!(shop.host.cli(&["client", "add", "shop", "--redirect-uri", CALLBACK]).code, 0);
    assert_eq!(text(&shop.refresh(&refresh).value(), "error"), "invalid_grant");
    shop.host.crash_and_restart();
    assert!(!shop.is_valid(&access));
}

#[test]
fn a_secret_chosen_by_an_operator_works_too() {
    let shop = Shop::start();
    let arguments = serde_json::json!({"client_id": "old", "client_name": "x", "secret": "chosen secret: a&b=c"});
    assert_eq!(shop.host.call("admin", "oauth_add_client_password", &arguments).status, 200);
    let grant = [("grant_type", "client_credentials"), ("scope", "status")];
    let with = |secret: &str| shop.host.request("POST", "/oauth/token").basic("old", secret).form(&grant).send().status;
    assert_eq!(with(&encoded("chosen secret: a&b=c")), 200);
    assert_eq!(with("chosen+secret%3A+a%26b%3Dc"), 200);
    assert_eq!(with("chosen+secret"), 401);
    let arguments = serde_json::json!({"client_id": "page", "client_name": "x", "redirect_uri": CALLBACK});
    assert_eq!(shop.host.call("admin", "oauth_add_client_implicit", &arguments).status, 200);
    assert_eq!(shop.page(&[("client_id", "page")]).answer.status, 200);
    assert_eq!(shop.host.call("admin", "oauth_add_client_implicit", &arguments).verdict(), "409 conflict");
}

#[test]
fn passwords_are_taken_only_when_the_operator_says_so() {
    let setting = "oauth: {password_grant: true, access_seconds: 60}";
    for (config, expected) in [("", "unsupported_grant_type"), (setting, "")] {
        let shop = Shop::start_with(config);
        let arguments = serde_json::json!({"client_id": "old", "client_name": "x", "secret": "something long"});
        assert_eq!(shop.host.call("admin", "oauth_add_client_password", &arguments).status, 200);
        let ask = |password: &str| {
            let fields = [
                ("grant_type", "password"),
                ("username", "ann@localhost"),
                ("password", password),
                ("scope", "status"),
            ];
            shop.host.request("POST", "/oauth/token").basic("old", "something long").form(&fields).send()
        };
        let answer = ask(PASSWORD).value();
        assert_eq!(answer["error"].as_str().unwrap_or_default(), expected);
        if expected.is_empty() {
            assert_eq!(answer["expires_in"], 60);
            assert!(shop.is_valid(&text(&answer, "access_token")) && answer.get("refresh_token").is_some());
            assert_eq!(text(&ask("wrong").value(), "error"), "invalid_grant");
        }
        let metadata = shop.host.request("GET", "/.well-known/oauth-authorization-server").send().text();
        assert_eq!(metadata.contains("\"password\""), expected.is_empty());
    }
}

#[test]
fn tokens_are_introspected_by_those_who_may() {
    let shop = Shop::start();
    let issued = shop.redeem(&shop.code()).value();
    let (access, refresh) = (text(&issued, "access_token"), text(&issued, "refresh_token"));
    let ask = |request: Request<'_>, token: &str| request.form(&[("token", token)]).send();
    let endpoint = || shop.host.request("POST", "/oauth/introspect");
    let known = ask(endpoint().as_user("admin"), &access).value();
    assert_eq!((known["active"].as_bool(), known["username"].as_str()), (Some(true), Some("ann@localhost")));
    assert_eq!((known["client_id"].as_str(), known["scope"].as_str()), (Some("shop"), Some("status [tag:accounts]")));
    assert_eq!(ask(endpoint().as_user("admin"), &refresh).value()["active"], true);
    assert_eq!(ask(endpoint().as_user("admin"), "nothing").value(), serde_json::json!({"active": false}));
    let others = ask(endpoint().basic("billing", &shop.billing), &access).value();
    assert_eq!(others, serde_json::json!({"active": false}), "another client's token");
    let own = shop.host.request("POST", "/oauth/token").basic("billing", &shop.billing);
    let own = own.form(&[("grant_type", "client_credentials"), ("scope", "status")]).send().value();
    let own = ask(endpoint().basic("billing", &shop.billing), &text(&own, "access_token")).value();
    assert_eq!((own["active"].as_bool(), own["sub"].as_str()), (Some(true), Some("billing")));
    for (request, status) in [
        (endpoint(), 400),
        (endpoint().as_user("ann"), 403),
        (endpoint().basic("billing", "wrong"), 401),
        (endpoint().basic("admin@localhost", "wrong"), 401),
        (endpoint().bearer("wrong"), 401),
    ] {
        assert_eq!(ask(request, &access).status, status);
    }
}

#[test]
fn a_client_gives_back_what_it_has() {
    let shop = Shop::start();
    for kind in ["access_token", "refresh_token"] {
        let issued = shop.redeem(&shop.code()).value();
        let token = text(&issued, kind);
        let revoke = |fields: &[(&str, &str)]| shop.host.request("POST", "/oauth/revoke").form(fields).send();
        let others = revoke(&[("client_id", "other"), ("client_secret", &shop.other), ("token", &token)]);
        assert_eq!((others.status, others.text().as_str()), (200, ""));
        assert!(shop.is_valid(&text(&issued, "access_token")), "another client's token is not touched");
        assert_eq!(revoke(&[("client_id", "shop"), ("token", "nothing")]).status, 200);
        assert_eq!(revoke(&[("client_id", "shop"), ("token", &token)]).status, 200);
        assert!(!shop.is_valid(&text(&issued, "access_token")));
        assert_eq!(text(&shop.refresh(&text(&issued, "refresh_token")).value(), "error"), "invalid_grant");
        assert_eq!(revoke(&[("client_id", "other"), ("token", &token)]).status, 401);
    }
}

#[test]
fn the_documents_lead_to_the_endpoints() {
    let shop = Shop::start_with("oauth: {issuer: 'https://id.example.org'}");
    let server = shop.host.request("GET", "/.well-known/oauth-authorization-server").send();
    assert_eq!(server.header("content-type"), "application/json");
    let resource = shop.host.request("GET", "/.well-known/oauth-protected-resource").send();
    assert_eq!(resource.value()["authorization_servers"][0], "https://id.example.org");
    insta::assert_json_snapshot!("oauth_metadata", [server.value(), resource.value()]);
}

#[test]
fn a_token_is_for_one_resource() {
    let files = "https://files.example.org/";
    let config = "oauth: {issuer: 'https://id.example.org', resources: ['https://files.example.org/']}";
    let shop = Shop::start_with(config);
    let ask = |resources: &[&str]| {
        let mut fields = vec![("grant_type", "client_credentials"), ("scope", "status")];
        fields.extend(resources.iter().map(|resource| ("resource", *resource)));
        shop.host.request("POST", "/oauth/token").basic("billing", &shop.billing).form(&fields).send().value()
    };
    for (resources, valid) in [
        (&[][..], true),
        (&["https://id.example.org"], true),
        (&["https://id.example.org/api"], true),
        (&[files], false),
    ] {
        let token = text(&ask(resources), "access_token");
        assert_eq!(shop.is_valid(&token), valid, "{resources:?}");
        let known = shop.host.request("POST", "/oauth/introspect").as_user("admin").form(&[("token", &token)]).send();
        assert_eq!(known.value()["active"], true);
    }
    for resources in [
        &["https://elsewhere.example.org"][..],
        &["https://id.example.org.evil.org"],
        &["https://id.example.org", files],
        &["nothing"],
    ] {
        assert_eq!(text(&ask(resources), "error"), "invalid_target", "{resources:?}");
    }
    let code = shop.code_for(&[("resource", files)]);
    let redeem = |resource: &str| {
        shop.token(&[
            ("grant_type", "authorization_code"),
            ("client_id", "shop"),
            ("code", &code),
            ("code_verifier", VERIFIER),
            ("resource", resource),
        ])
    };
    assert_eq!(text(&redeem("https://id.example.org").value(), "error"), "invalid_target");
    assert!(!shop.is_valid(&text(&redeem(files).value(), "access_token")));
}

#[test]
fn an_application_on_the_same_machine_takes_the_port_it_gets() {
    let shop = Shop::start();
    assert_eq!(shop.host.cli(&["client", "add", "app", "--redirect-uri", "http://127.0.0.1/cb"]).code, 0);
    for (uri, status) in [
        ("http://127.0.0.1:51004/cb", 200),
        ("http://127.0.0.1/cb", 200),
        ("http://localhost:51004/cb", 400),
        ("http://127.0.0.1:51004/other", 400),
    ] {
        let page = shop.page(&[("client_id", "app"), ("redirect_uri", uri)]);
        assert_eq!(page.answer.status, status, "{uri}");
    }
    // By name, too, where the client keeps no secret.
    assert_eq!(shop.host.cli(&["client", "add", "ide", "--redirect-uri", "http://localhost/cb"]).code, 0);
    for (uri, status) in [
        ("http://localhost:51004/cb", 200),
        ("http://localhost/cb", 200),
        ("http://127.0.0.1:51004/cb", 400),
        ("http://localhost.evil.example:51004/cb", 400),
        ("https://localhost:51004/cb", 400),
    ] {
        let page = shop.page(&[("client_id", "ide"), ("redirect_uri", uri)]);
        assert_eq!(page.answer.status, status, "{uri}");
    }
    let confidential = ["client", "add", "web", "--confidential", "--redirect-uri", "http://localhost/cb"];
    assert!(shop.host.cli(&confidential).stderr.contains("only a client without a secret"));
}

/// What many clients send as a matter of course is taken as far as it means something, and what is not done here is refused.
#[test]
fn what_clients_send_besides_is_narrowed_or_refused() {
    let shop = Shop::start();
    let code = shop.code_for(&[("scope", "openid status offline_access [tag:accounts] profile")]);
    assert_eq!(shop.redeem(&code).value()["scope"], "status [tag:accounts]");
    for (field, value, expected) in [
        ("scope", "openid offline_access", "invalid_scope"),
        ("response_mode", "fragment", "invalid_request"),
        ("response_mode", "form_post", "invalid_request"),
        ("request", "e30.e30.", "request_not_supported"),
        ("request_uri", "https://app.example.org/request", "request_uri_not_supported"),
    ] {
        let answer = shop.page(&[(field, value)]).answer;
        let error = parameter(answer.header("location"), "error");
        assert_eq!((answer.status, error.as_deref()), (303, Some(expected)), "{field} {value}");
    }
    assert_eq!(shop.page(&[("response_mode", "query")]).answer.status, 200);
    let address = format!("HTTP://{}", shop.host.address());
    assert_eq!(shop.page(&[("resource", &address)]).answer.status, 200, "{address}");
    // A public client that presents an empty secret presents none.
    let code = shop.code_for(&[]);
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ];
    let answer = shop.host.request("POST", "/oauth/token").basic("shop", "").form(&fields).send();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let grant = [("grant_type", "client_credentials"), ("scope", "status")];
    assert_eq!(shop.host.request("POST", "/oauth/token").basic("billing", "").form(&grant).send().status, 401);
}

/// A token is told of a scope only where that would help: otherwise its client would ask for one again and again.
#[test]
fn a_refusal_names_a_scope_only_where_one_would_help() {
    let shop = Shop::start_with("");
    let token = shop.host.cli(&["token", "issue", "ann@localhost", "status"]).stdout;
    let asked = |token: &str| {
        let answer = shop.host.request("GET", "/api/status").bearer(token.trim()).send();
        (answer.status, answer.headers("www-authenticate").join(", "))
    };
    let (status, challenge) = asked(&token);
    assert_eq!(status, 403);
    assert!(!challenge.contains("insufficient_scope"), "{challenge}");
    let rule = "  some: {who: {oauth: {scope: 'ops:read', user: ann@localhost}}, what: status}\n";
    let file = shop.host.data().join("muster.yaml");
    let rules = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{}{rule}", rules.trim_end_matches('\n').to_owned() + "\n")).unwrap();
    assert_eq!(shop.host.cli(&["call", "reload_config"]).code, 0);
    let (status, challenge) = asked(&token);
    assert_eq!(status, 403);
    assert!(challenge.contains("error=\"insufficient_scope\", scope=\"ops:read\""), "{challenge}");
    let token = shop.host.cli(&["token", "issue", "ann@localhost", "ops:read"]).stdout;
    assert_eq!(asked(&token), (200, String::new()));
}

#[test]
fn who_got_a_token_is_recorded() {
    let shop = Shop::start();
    shop.page(&[]).send(&shop.host, "ann@localhost", "wrong", "allow");
    shop.page(&[]).send(&shop.host, "", "", "deny");
    let answer = shop.page(&[]).send(&shop.host, "ann@localhost", PASSWORD, "allow");
    let issued = shop.redeem(&parameter(answer.header("location"), "code").unwrap()).value();
    let secret = [("grant_type", "client_credentials"), ("client_id", "billing"), ("client_secret", "guessed")];
    assert_eq!(shop.token(&secret).status, 401);
    let found = shop.host.cli(&["--json", "call", "audit_search", "limit=1000"]).stdout;
    let found: Value = serde_json::from_str(&found).unwrap();
    let events: Vec<&Value> =
        found["records"].as_array().unwrap().iter().rev().filter(|record| record["kind"] == "event").collect();
    let names: Vec<&str> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        ["started", "login-failed", "authorization-denied", "authorization-approved", "token-issued", "token-refused"]
    );
    assert_eq!(events[3]["detail"]["account"], "ann@localhost");
    assert_eq!(events[4]["detail"]["client"], "shop");
    assert_eq!(events[5]["detail"]["client"], Value::Null, "it may be a secret in the wrong place");
    let text = found.to_string();
    assert!(!text.contains(issued["access_token"].as_str().unwrap()) && !text.contains("guessed"));
}
