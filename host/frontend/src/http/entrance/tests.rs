//! Requests from everywhere, for every name, and what becomes of them.

use axum::http::Version;

use super::*;
use crate::http::entrance::name::{Asked, asked};

const ISSUER: &str = "https://id.example.org:8443";

fn settings() -> Settings {
    let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
    Settings {
        allowed_hosts: texts(&["muster.example.org"]),
        mcp_hosts: texts(&["mcp.example.org"]),
        mcp_origins: texts(&["https://assistant.example.org", "null"]),
        cors: Some(Cors {
            origins: texts(&["https://app.example.org"]),
            methods: vec![Method::GET],
            credentials: true,
        }),
    }
}

fn request(method: &str, path: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let request = Request::builder().method(method).uri(path);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    request.body(Body::empty()).unwrap()
}

fn of_host(request: &Request<Body>) -> Result<Option<Asked>, Refusal> {
    asked(request, Head::of(request.headers()).host)
}

#[expect(clippy::wildcard_enum_match_arm, reason = "no other refusal is expected")]
fn code(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::Stranger { code, .. } => code,
        Refusal::Call(error) => error.code(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_request_says_once_for_whom_it_is() {
    for host in
        ["a", "a.example", "a.example.", "a_b.example:80", "127.0.0.1:1", "[::1]", "[::1]:65535", "a:", "A.EXAMPLE"]
    {
        assert!(of_host(&request("GET", "/api", &[("host", host)])).is_ok(), "{host}");
    }
    for host in [
        "",
        ":80",
        "a b",
        "a..b",
        ".a",
        "a:b",
        "a:65536",
        "a:-1",
        "u@a",
        "a/b",
        "a?b",
        "a,b",
        "[::1",
        "::1",
        "[a]",
        "[::1]x",
        "a%2e",
        "é.example",
        "http://a",
    ] {
        let refused = of_host(&request("GET", "/api", &[("host", host)])).unwrap_err();
        assert_eq!(code(&refused), "malformed", "{host}");
    }
    assert!(of_host(&request("GET", "/api", &[])).is_err());
    assert!(of_host(&request("GET", "/api", &[("host", "a"), ("host", "a")])).is_err());
    assert!(of_host(&request("GET", "/api", &[("host", "a"), ("host", "b")])).is_err());
    // HTTP/1.0 has no `Host`.
    let mut old = request("GET", "/api", &[]);
    *old.version_mut() = Version::HTTP_10;
    assert_eq!(of_host(&old).unwrap(), None);
}

#[test]
fn the_authority_of_the_target_goes_first_and_is_that_of_host() {
    let of =
        |target: &str, host: &str| of_host(&request("GET", target, &[("host", host)])).map(|asked| asked.unwrap().host);
    assert_eq!(of("http://one.example/api", "one.example").unwrap(), "one.example");
    assert_eq!(of("http://ONE.example:80/api", "one.example").unwrap(), "one.example");
    for (target, host) in [
        ("http://evil.example/api", "127.0.0.1"),
        ("http://127.0.0.1/api", "evil.example"),
        ("http://127.0.0.1:1/api", "127.0.0.1:2"),
        ("http://user@127.0.0.1/api", "127.0.0.1"),
    ] {
        assert_eq!(code(&of(target, host).unwrap_err()), "malformed", "{target} {host}");
    }
    assert!(of_host(&request("GET", "http://one.example/api", &[])).is_err());
}

fn names(host: &str, path: &str) -> &'static str {
    let settings = settings();
    let names = Names {
        settings: &settings,
        machine: "rack7.example.net",
        hosts: &["accounts.example".to_owned()],
        issuer: ISSUER,
        tls: None,
    };
    match names.check(&Asked::parse(host).unwrap(), Ground::of(path)) {
        Ok(()) => "in",
        Err(refusal) => code(&refusal),
    }
}

#[test]
fn a_request_is_for_a_name_of_this_host() {
    for host in [
        "localhost",
        "LOCALHOST:5280",
        "localhost.",
        "127.0.0.1:5280",
        "[::1]:5280",
        "10.0.0.7",
        "x.localhost",
        "muster",
        "id.example.org",
        "muster.example.org:80",
        "Muster.Example.Org",
        "accounts.example",
        "rack7.example.net:5280",
    ] {
        assert_eq!(names(host, "/api/status"), "in", "{host}");
    }
    for host in [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "id.example.org.evil.example",
        "example.org",
        "x.muster.example.org",
        "mcp.example.org",
    ] {
        for path in ["/api/status", "/openapi.json", "/docs", "/oauth/token", "/.well-known/x", "/RPC2", "/new"] {
            assert_eq!(names(host, path), "host-not-allowed", "{host} {path}");
        }
    }
    assert_eq!(names("mcp.example.org", "/mcp"), "in");
}

/// What becomes of a request for `id.example.org:5280`: `in`, `open` where a page of another origin may read the answer, or
/// why not.
fn verdict(method: &str, path: &str, headers: &[(&str, &str)]) -> &'static str {
    let request = request(method, path, headers);
    let asked = Asked::parse("id.example.org:5280");
    match origin::judge(
        request.method(),
        &Head::of(request.headers()),
        asked.as_ref(),
        Ground::of(path),
        &settings(),
        ISSUER,
    ) {
        Ok(None) => "in",
        Ok(Some(page)) => {
            assert_eq!(Some(&page.origin), request.headers().get("origin"));
            "open"
        }
        Err(refusal) => code(&refusal),
    }
}

const WIRES: [&str; 9] = [
    "/api",
    "/api/status",
    "/api/status/v1",
    "/openapi.json",
    "/oauth/token",
    "/oauth/introspect",
    "/mcp",
    "/RPC2",
    "/new",
];

#[test]
fn a_page_of_another_site_sends_nothing_over_any_wire() {
    for path in WIRES {
        for headers in [
            &[("origin", "https://evil.example")][..],
            &[("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")],
            &[("origin", "https://other.example.org"), ("sec-fetch-site", "same-site")],
            &[("origin", "https://id.example.org.evil.example")],
            &[("origin", "https://id.example.org:5280.evil.example")],
            &[("origin", "http://app.example.org")],
            &[("origin", "file://")],
            &[("origin", "x")],
            &[("origin", "")],
            &[("origin", "https://id.example.org:5280"), ("origin", "https://evil.example")],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "new-word")],
            &[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")],
        ] {
            for method in ["POST", "GET", "OPTIONS"] {
                assert_eq!(verdict(method, path, headers), "origin-not-allowed", "{method} {path} {headers:?}");
            }
        }
        if path != "/mcp" {
            for origin in ["null", "http://localhost:3000", "https://id.example.org", "https://assistant.example.org"] {
                assert_eq!(verdict("POST", path, &[("origin", origin)]), "origin-not-allowed", "{path} {origin}");
            }
        }
    }
}

#[test]
fn programs_and_pages_of_this_host_go_on_as_before() {
    for path in WIRES {
        for headers in [
            &[][..],
            &[("user-agent", "curl/8.1"), ("content-type", "application/x-www-form-urlencoded")],
            &[("origin", "http://id.example.org:5280")],
            &[("origin", "https://id.example.org:5280"), ("sec-fetch-site", "same-origin")],
            // A person types the address in.
            &[("sec-fetch-site", "none")],
            // Behind a proxy that changes `Host`, the issuer tells the origin, or the browser by itself.
            &[("origin", ISSUER)],
            &[("origin", "https://elsewhere.example.org"), ("sec-fetch-site", "same-origin")],
        ] {
            assert_eq!(verdict("POST", path, headers), "in", "{path} {headers:?}");
        }
    }
}

#[test]
fn people_follow_links_to_pages_and_to_nothing_else() {
    let link = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")];
    for (path, expected) in [
        ("/docs", "in"),
        ("/oauth/authorize", "in"),
        ("/.well-known/oauth-authorization-server", "in"),
        ("/api/status", "origin-not-allowed"),
        ("/openapi.json", "origin-not-allowed"),
    ] {
        assert_eq!(verdict("GET", path, &link), expected, "{path}");
    }
    assert_eq!(verdict("POST", "/.well-known/x", &link), "origin-not-allowed");
}

#[test]
fn allowed_origins_are_allowed_what_is_written() {
    let app = [("origin", "https://app.example.org"), ("sec-fetch-site", "cross-site")];
    for path in ["/api", "/api/status", "/openapi.json", "/oauth/token", "/.well-known/oauth-authorization-server"] {
        assert_eq!(verdict("GET", path, &app), "open", "{path}");
        assert_eq!(verdict("OPTIONS", path, &app), "open", "{path}");
        assert_eq!(verdict("POST", path, &app), "origin-not-allowed", "{path}");
    }
    for path in ["/oauth/introspect", "/RPC2", "/mcp", "/new"] {
        assert_eq!(verdict("GET", path, &app), "origin-not-allowed", "{path}");
    }
    for origin in [
        "https://assistant.example.org",
        "null",
        "http://localhost:3000",
        "https://127.0.0.1",
        "https://id.example.org",
    ] {
        assert_eq!(verdict("POST", "/mcp", &[("origin", origin)]), "open", "{origin}");
    }
}

#[test]
fn a_login_form_is_of_this_host() {
    let from = |host: &str, headers: &[(&str, &str)]| {
        let mut request = request("POST", "/oauth/authorize", headers);
        let asked = Asked::parse(host);
        let request_id = muster_core::caller::RequestId::from_random(1);
        request.extensions_mut().insert(Arc::new(Arrival { request_id, peer: None, asked }));
        is_own(&request, ISSUER)
    };
    let here = "id.example.org:5280";
    assert!(from(here, &[]).is_ok());
    assert!(from(here, &[("origin", "https://id.example.org:5280"), ("sec-fetch-site", "same-origin")]).is_ok());
    // A proxy passes the name without its port, and the issuer is what a browser shows.
    assert!(from("id.example.org", &[("origin", ISSUER)]).is_ok());
    for headers in [
        &[("origin", "https://evil.example")][..],
        &[("origin", "null")],
        &[("origin", "https://id.example.org")],
        &[("origin", "https://id.example.org:5280.evil.example")],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "none")],
    ] {
        let said = from(here, headers).unwrap_err();
        assert!(said.contains(ISSUER) && said.contains(headers[0].1), "{said}");
    }
}

#[test]
fn what_need_not_be_encoded_is_decoded_once() {
    for (target, expected) in [
        ("/api/%73tatus", Some("/api/status")),
        ("/%61pi/statu%73?a=%73", Some("/api/status?a=%73")),
        ("/api/status/v%30", Some("/api/status/v0")),
        ("/api/%2e%2E/x", Some("/api/../x")),
        ("/api%2fstatus", Some("/api%2fstatus")),
        ("/api/status%00", Some("/api/status%00")),
        ("/api/%2573tatus", Some("/api/%2573tatus")),
        ("/api/%7", Some("/api/%7")),
        ("/api/%zz%", Some("/api/%zz%")),
        ("/api/%C3%A9", Some("/api/%C3%A9")),
        ("/api/status?x=%73", None),
    ] {
        let normal = normal(&target.parse().unwrap()).map(|target| target.to_string());
        assert_eq!(normal.as_deref(), expected, "{target}");
    }
}

#[test]
fn a_coding_is_none_or_refused() {
    for (coding, expected) in [("identity", false), ("", false), ("gzip", true), ("identity, br", true), ("x", true)] {
        assert_eq!(
            Head::of(request("POST", "/api/x", &[("content-encoding", coding)]).headers()).is_encoded,
            expected,
            "{coding}"
        );
    }
}
