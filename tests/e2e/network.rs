//! Where requests of plugins end up, in a network of its own: names that lead inside, names that change their mind, servers
//! that nobody vouches for. `network.py` makes the network, in namespaces of Linux; nothing of it is seen outside.

use std::process::Command;

use rcgen::SanType;
use serde_json::{Value, json};
use tests::{Host, root, run};

use crate::authority::Authority;

const NAMESPACES: &[&str] = &["unshare", "--map-root-user", "--net", "--mount", "--pid", "--fork", "--kill-child"];

/// Scheme and authority, what the guest is told each time it asks.
const PLACES: &[(&str, &str, &[&str])] = &[
    ("http", "public.example.org", &["200 6"]),
    ("http", "both.example.org", &["200 6"]),
    // The name is looked up once for each request: what was looked at is what is connected to.
    ("http", "rebinds.example.org", &["200 6", "DestinationIpProhibited", "200 6", "DestinationIpProhibited"]),
    ("http", "inside.example.org", &["DestinationIpProhibited"]),
    ("http", "private.example.org", &["DestinationIpProhibited"]),
    ("http", "shared.example.org", &["DestinationIpProhibited"]),
    ("http", "metadata.example.org", &["DestinationIpProhibited"]),
    ("http", "nowhere.example.org", &["DestinationIpProhibited"]),
    ("http", "loopback6.example.org", &["DestinationIpProhibited"]),
    ("http", "mapped.example.org", &["DestinationIpProhibited"]),
    ("http", "compatible.example.org", &["DestinationIpProhibited"]),
    ("http", "nat64.example.org", &["DestinationIpProhibited"]),
    ("http", "sixtofour.example.org", &["DestinationIpProhibited"]),
    ("http", "link.example.org", &["DestinationIpProhibited"]),
    ("http", "unique.example.org", &["DestinationIpProhibited"]),
    ("http", "unknown.example.org", &["DnsError"]),
    ("http", "public.example.com", &["HttpRequestDenied"]),
    ("https", "public.example.org", &["200 6"]),
    ("https", "untrusted.example.org:8443", &["TlsCertificateError"]),
    ("https", "misnamed.example.org", &["TlsCertificateError"]),
    ("https", "public.example.org:80", &["HttpRequestDenied"]),
];

#[test]
fn a_name_leads_nowhere_it_may_not() {
    let probe = run(Command::new("unshare").args(&NAMESPACES[1..]).arg("true"), "");
    if probe.code != 0 {
        // As root, as the gate runs, there is no excuse.
        let user = run(Command::new("id").arg("-u"), "");
        assert_ne!(user.stdout.trim(), "0", "namespaces: {probe:?}");
        eprintln!("NOT tested: this user cannot make namespaces: {}", probe.stderr);
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    for (certificate, name) in [("trusted", "public.example.org"), ("untrusted", "untrusted.example.org")] {
        let authority = Authority::new(certificate);
        let (chain, key) = authority.issue(name, vec![SanType::DnsName(name.try_into().unwrap())]);
        write(&format!("{certificate}.pem"), &chain);
        write(&format!("{certificate}.key"), &key);
        if certificate == "trusted" {
            write("authority.pem", &authority.pem);
        }
    }
    let script = root().join("tests/e2e/network.py");
    let runner = [NAMESPACES, &["python3", script.to_str().unwrap(), folder.path().to_str().unwrap()]].concat();
    let host = Host::start_under(&runner, &format!("{}\nlimits: {{http_first_byte_ms_max: 3000}}", tests::RULES));
    let grants = ["http:http://*.example.org", "http:https://*.example.org", "http:https://untrusted.example.org:8443"];
    host.install("fetch", &grants);
    // Only the local socket leads out of the network.
    let fetch = |scheme: &str, authority: &str| -> Value {
        let input = json!({"method": "GET", "scheme": scheme, "authority": authority, "path": "/"});
        let ran = host.cli(&["--json", "call", "fetch", &input.to_string()]);
        serde_json::from_str(if ran.code == 0 { &ran.stdout } else { &ran.stderr }).unwrap()
    };
    for (scheme, authority, all) in PLACES {
        for (turn, expected) in all.iter().enumerate() {
            let told = fetch(scheme, authority);
            let plain = told.as_str().unwrap_or_default().to_lowercase().replace(['-', '_'], "");
            assert!(plain.contains(&expected.to_lowercase()), "{scheme}://{authority}, {turn}: {told}\n{}", host.log());
        }
    }
    let seen = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap_or_default();
    assert_eq!(seen("victim"), "", "somebody got inside");
    assert_eq!(seen("names").lines().filter(|name| *name == "rebinds").count(), 4, "once for each request");
}
