//! Grants are read as they are written, and nothing else is.

use proptest::prelude::*;

use super::*;

/// Texts and the one form each has.
const READ: [(&str, &str); 16] = [
    ("keyvalue", "keyvalue"),
    ("command:status", "command:status"),
    ("http:https://api.example.org", "http:https://api.example.org"),
    ("http:https://API.example.org:443", "http:https://api.example.org"),
    ("http:http://example.org:443", "http:http://example.org:443"),
    ("http:POST,GET,GET https://example.org", "http:GET,POST https://example.org"),
    ("http:https://*.example.org:8443", "http:https://*.example.org:8443"),
    ("http:http://192.0.2.1", "http:http://192.0.2.1"),
    ("http-private:http://[::1]:8080", "http-private:http://[::1]:8080"),
    ("http-private:http://[0:0:0:0:0:0:0:1]", "http-private:http://[::1]"),
    ("http-private:http://localhost:80", "http-private:http://localhost"),
    ("http:https://xn--bcher-kva.example", "http:https://xn--bcher-kva.example"),
    ("directory:/data=/srv/data", "directory:/data=/srv/data"),
    ("directory-rw:/data//x/.=/srv/data/", "directory-rw:/data/x=/srv/data"),
    ("directory:/=/srv", "directory:/=/srv"),
    ("directory:/a=/b=c", "directory:/a=/b=c"),
];

/// Texts that are no grants, and a part of what is said.
const REFUSED: [(&str, &str); 35] = [
    ("", "known grants are `keyvalue`"),
    ("keyvalues", "did you mean `keyvalue`?"),
    ("keyvalue:x", "without a value"),
    ("htpp:https://example.org", "did you mean `http`?"),
    ("direktory:/a=/b", "did you mean `directory`?"),
    ("http", "a value is missing after its name"),
    ("command:", "write `command:NAME`"),
    ("command:*", "write `command:NAME`"),
    ("command:Stop", "write `command:NAME`"),
    ("http:", "it has no `://`"),
    ("http:example.org", "it has no `://`"),
    ("http:ftp://example.org", "neither `http` nor `https`"),
    ("http:https://example.org/", "omit the path"),
    ("http:https://example.org/x", "omit the path"),
    ("http:https://ann:pw@example.org", "omit user and password"),
    ("http:https://", "neither a host name"),
    ("http:https://*", "neither a host name"),
    ("http:https://*.", "neither a host name"),
    ("http:https://a.*.example.org", "neither a host name"),
    ("http:https://*.192.0.2.1", "only allowed before names"),
    ("http:https://bücher.example", "neither a host name"),
    ("http:https://2130706433", "neither a host name"),
    ("http:https://0x7f.1", "neither a host name"),
    ("http:https://127.1", "neither a host name"),
    ("http:https://0177.0.0.1", "neither a host name"),
    ("http:https://example.org.", "neither a host name"),
    ("http:https://::1", "neither a host name"),
    ("http:https://example.org:0", "not a port"),
    ("http:https://example.org:+80", "not a port"),
    ("http:get https://example.org", "not a method"),
    ("http:CONNECT https://example.org", "not a method"),
    ("directory:/data", "it contains no `=`"),
    ("directory:data=/srv", "the guest path `data` is not absolute"),
    ("directory:/data=srv", "the host directory `srv` is not absolute"),
    ("directory:/data=/srv/../etc", "contains `..`"),
];

fn parse(texts: &[&str]) -> Result<Grants, LoadError> {
    Grants::parse(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
}

#[test]
fn each_grant_has_one_form() {
    for (text, form) in READ {
        let grants = parse(&[text]).unwrap();
        assert_eq!(grants.texts(), [form], "{text}");
        assert_eq!(parse(&[form]).unwrap(), grants, "{form}");
    }
}

#[test]
fn what_is_no_grant_is_refused_with_what_to_write() {
    for (text, part) in REFUSED {
        let refused = parse(&[text]).unwrap_err().to_string();
        assert!(refused.contains(part), "{text}: {refused}");
    }
    let twice = parse(&["directory:/data=/a", "directory-rw:/data=/b"]).unwrap_err().to_string();
    assert!(twice.contains("another grant already has this guest path"), "{twice}");
    assert_eq!(parse(&["keyvalue", "keyvalue"]).unwrap().texts(), ["keyvalue"]);
}

#[test]
fn a_request_needs_a_grant_for_all_of_it() {
    let rows = [
        ("http:https://example.org", "GET", "https://example.org/x", true),
        ("http:https://example.org", "GET", "https://EXAMPLE.org:443/", true),
        ("http:https://example.org", "GET", "http://example.org/", false),
        ("http:https://example.org", "GET", "https://example.org:444/", false),
        ("http:https://example.org", "GET", "https://a.example.org/", false),
        ("http:https://example.org", "GET", "https://example.org.evil.net/", false),
        ("http:https://example.org", "CONNECT", "https://example.org/", false),
        ("http:GET https://example.org", "GET", "https://example.org/", true),
        ("http:GET https://example.org", "get", "https://example.org/", false),
        ("http:GET https://example.org", "POST", "https://example.org/", false),
        ("http:https://*.example.org", "GET", "https://a.b.example.org/", true),
        ("http:https://*.example.org", "GET", "https://example.org/", false),
        ("http:https://*.example.org", "GET", "https://badexample.org/", false),
        ("http:http://[::1]", "GET", "http://[0:0::1]/", true),
        ("http:http://127.0.0.1", "GET", "http://127.0.0.1/", true),
        ("http:http://127.0.0.1", "GET", "http://127.1/", false),
        ("http:http://127.0.0.1", "GET", "http://2130706433/", false),
        ("http:http://127.0.0.1", "GET", "http://0x7f000001/", false),
        ("http:http://127.0.0.1", "GET", "http://0177.0.0.1/", false),
        ("http:http://127.0.0.1", "GET", "http://[::ffff:127.0.0.1]/", false),
        ("http:https://example.org", "GET", "https://ann@example.org/", false),
        ("http:https://example.org", "GET", "https://example.org./", false),
    ];
    for (grant, method, uri, expected) in rows {
        let grants = parse(&[grant]).unwrap();
        let destination = Destination::of(&uri.parse().unwrap());
        let allowed = destination.is_some_and(|to| grants.http().any(|(_, http)| http.allows(method, &to)));
        assert_eq!(allowed, expected, "{grant} {method} {uri}");
    }
}

fn host() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z][a-z0-9]{0,8}(\\.[a-z]{1,5}){0,2}",
        "\\*\\.[a-z]{1,8}\\.[a-z]{2,4}",
        any::<std::net::Ipv4Addr>().prop_map(|address| address.to_string()),
        any::<std::net::Ipv6Addr>().prop_map(|address| format!("[{address}]")),
    ]
}

fn text() -> impl Strategy<Value = String> {
    let port = prop::option::of(1..=u16::MAX).prop_map(|port| port.map(|port| format!(":{port}")).unwrap_or_default());
    let http = ("(http|http-private)", "((GET|PUT|X-Y)(,(GET|DELETE)){0,2} )?", "https?", host(), port);
    prop_oneof![
        Just("keyvalue".to_owned()),
        "command:[a-z][a-z0-9_]{0,20}",
        http.prop_map(|(kind, methods, scheme, host, port)| format!("{kind}:{methods}{scheme}://{host}{port}")),
        "directory(-rw)?:(/[a-z. ]{1,5}x){1,3}=(/[a-zä=]{1,5}){1,3}/?",
    ]
}

proptest! {
    #[test]
    fn printing_and_reading_are_inverse(text in text()) {
        let grants = parse(&[&text]).unwrap();
        let printed = grants.texts();
        prop_assert_eq!(Grants::parse(&printed).unwrap(), grants);
    }

    #[test]
    fn nothing_makes_the_reader_panic(text in ".{0,60}", rest in ".{0,40}") {
        let _ = parse(&[&text]);
        for kind in KINDS {
            let _ = parse(&[&format!("{kind}:{rest}"), &format!("{kind}:http://{rest}")]);
        }
    }
}
