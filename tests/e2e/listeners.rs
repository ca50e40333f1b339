//! Sockets: several of them, TLS with certificates that are exchanged, client certificates as an identity, and who
//! calls through a proxy.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tests::{Host, PASSWORD, RULES};

use crate::authority::Authority;

fn write_pair(folder: &Path, (certificate, key): &(String, String)) {
    std::fs::write(folder.join("cert.pem"), certificate).unwrap();
    std::fs::write(folder.join("key.pem"), key).unwrap();
}

const ANN: &str = r#"{"user": "ann", "host": "localhost"}"#;

const TLS: &str =
    "listen: [{address: '127.0.0.1:0', tls: {certificate: cert.pem, key: key.pem, client_ca: clients.pem}}]";

/// A host with TLS alone, and accounts `admin` and `ann`; clients are vouched for by `clients`.
fn start_tls(servers: &Authority, clients: &Authority) -> Host {
    let directory = tempfile::tempdir().unwrap();
    write_pair(directory.path(), &servers.issue_server("first"));
    std::fs::write(directory.path().join("clients.pem"), &clients.pem).unwrap();
    std::fs::write(directory.path().join("ca.pem"), &servers.pem).unwrap();
    let host = Host::start_listening(directory, &format!("{TLS}\n{RULES}"));
    host.add_account("admin");
    host.add_account("ann");
    host
}

fn tls_address(host: &Host) -> &str {
    host.urls().iter().find_map(|url| url.strip_prefix("https://")).unwrap()
}

type Secure = StreamOwned<ClientConnection, TcpStream>;

fn connect(host: &Host, authority: &Authority, client: Option<&(String, String)>) -> Secure {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match client {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = CertificateDer::pem_slice_iter(certificate.as_bytes()).map(Result::unwrap).collect();
            builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap()).unwrap()
        }
    };
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let stream = TcpStream::connect(tls_address(host)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), stream)
}

/// The answer to a `status` call on a new connection; the error if it failed.
fn status(host: &Host, authority: &Authority, client: Option<&(String, String)>, headers: &str) -> String {
    let mut stream = connect(host, authority, client);
    let head =
        format!("POST /api/status HTTP/1.1\r\nhost: x\r\n{headers}content-length: 0\r\nconnection: close\r\n\r\n");
    let mut answer = String::new();
    if let Err(error) = stream.write_all(head.as_bytes()).and_then(|()| stream.read_to_string(&mut answer).map(|_| ()))
    {
        // Some end the connection without saying so in TLS.
        if answer.is_empty() {
            return error.to_string();
        }
    }
    answer
}

fn first_line(answer: &str) -> &str {
    answer.lines().next().unwrap_or_default()
}

#[test]
fn every_socket_is_named_and_served() {
    let host = Host::start_listening(
        tempfile::tempdir().unwrap(),
        &format!("listen: ['127.0.0.1:0', {{address: '[::1]:0', tag: inner}}]\n{RULES}"),
    );
    assert_eq!(host.urls().len(), 2);
    for url in host.urls() {
        let ran = host.cli(&["--url", url, "call", "check_account", ANN]);
        assert_eq!((ran.code, ran.stdout.trim()), (0, "1"), "{url} {ran:?}");
    }
}

#[test]
fn the_command_line_speaks_tls() {
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let host = start_tls(&servers, &clients);
    let url = &host.urls()[0];
    let ca = host.data().join("ca.pem");
    let words = ["--url", url, "--ca", ca.to_str().unwrap(), "call", "check_account", ANN];
    let ran = host.cli(&words);
    assert_eq!((ran.code, ran.stdout.trim()), (0, "0"), "{ran:?}");
    // Nobody vouches for it here.
    let ran = host.cli(&["--url", url, "call", "check_account", ANN]);
    assert!(ran.code == 3 && ran.stderr.contains("--ca FILE"), "{ran:?}");
    let ran = host.cli(&["--url", url, "--ca", "/nowhere", "call", "status"]);
    assert_eq!(ran.code, 2, "{ran:?}");
}

#[test]
fn a_client_certificate_is_an_identity() {
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let host = start_tls(&servers, &clients);
    let basic = |user: &str| {
        use base64::Engine;
        let token = base64::engine::general_purpose::STANDARD.encode(format!("{user}@localhost:{PASSWORD}"));
        format!("authorization: Basic {token}\r\n")
    };
    let rows = [
        ("no certificate", None, String::new(), "401"),
        ("no certificate, a password", None, basic("ann"), "200"),
        ("an address", Some(clients.issue_client("x", &["ann@localhost"])), String::new(), "200"),
        ("another letter case", Some(clients.issue_client("x", &["Ann@LocalHost"])), String::new(), "200"),
        ("a common name", Some(clients.issue_client("ann@localhost", &[])), String::new(), "200"),
        (
            "the address goes before the name",
            Some(clients.issue_client("ann@localhost", &["x@y"])),
            String::new(),
            "401",
        ),
        ("two addresses", Some(clients.issue_client("x", &["ann@localhost", "admin@localhost"])), String::new(), "401"),
        ("nobody of this host", Some(clients.issue_client("bob@localhost", &[])), String::new(), "401"),
        ("no account's name", Some(clients.issue_client("ann", &[])), String::new(), "401"),
        (
            "a wrong password wins",
            Some(clients.issue_client("ann@localhost", &[])),
            "authorization: Basic eDp5\r\n".to_owned(),
            "401",
        ),
        ("a right password wins", Some(clients.issue_client("bob@localhost", &[])), basic("ann"), "200"),
    ];
    for (what, client, headers, expected) in rows {
        let answer = status(&host, &servers, client.as_ref(), &headers);
        assert_eq!(first_line(&answer).split(' ').nth(1), Some(expected), "{what}: {answer}");
    }
    // Somebody else vouches for this one: there is no connection at all.
    let stranger = Authority::new("clients").issue_client("x", &["ann@localhost"]);
    let answer = status(&host, &servers, Some(&stranger), "");
    assert!(!answer.starts_with("HTTP/"), "{answer}");
    // The account goes, and with it what its certificate is worth.
    let ann = clients.issue_client("x", &["ann@localhost"]);
    assert_eq!(host.cli(&["account", "remove", "ann@localhost"]).code, 0);
    assert!(first_line(&status(&host, &servers, Some(&ann), "")).contains("401"));
}

/// Whether the certificate the host presents is this one's.
fn presents(host: &Host, authority: &Authority, certificate: &str) -> bool {
    let mut stream = connect(host, authority, None);
    while stream.conn.is_handshaking() {
        if stream.conn.complete_io(&mut stream.sock).is_err() {
            return false;
        }
    }
    let own = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
    stream.conn.peer_certificates().unwrap().first() == Some(&own)
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(20), "{what} did not happen");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn certificates_are_exchanged_while_the_host_runs() {
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let host = start_tls(&servers, &clients);
    let first = std::fs::read_to_string(host.data().join("cert.pem")).unwrap();
    assert!(presents(&host, &servers, &first));
    // Half of a pair, or no certificate at all, changes nothing.
    std::fs::write(host.data().join("cert.pem"), "not a certificate").unwrap();
    wait_until("a warning", || host.log().contains("the old one stays"));
    assert!(presents(&host, &servers, &first));
    let second = servers.issue_server("second");
    std::fs::write(host.data().join("cert.pem"), &second.0).unwrap();
    let reload = host.cli(&["call", "reload_config"]);
    assert!(reload.code == 1 && reload.stderr.contains("cert.pem"), "{reload:?}");
    assert!(presents(&host, &servers, &first));
    // With its key it is exchanged, by and by or when told to.
    std::fs::write(host.data().join("key.pem"), &second.1).unwrap();
    wait_until("an exchange", || presents(&host, &servers, &second.0));
    let third = servers.issue_server("third");
    write_pair(host.data(), &third);
    assert_eq!(host.cli(&["call", "reload_config"]).code, 0);
    assert!(presents(&host, &servers, &third.0));
    assert!(!host.log().contains("PRIVATE KEY"));
}

#[test]
fn a_listener_that_cannot_speak_tls_is_no_host() {
    for (config, expected) in [
        ("tls: {certificate: nowhere.pem, key: nowhere.pem}", "nowhere.pem"),
        ("tls: {certificate: muster.yaml, key: muster.yaml}", "muster.yaml"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("muster.yaml");
        std::fs::write(&file, format!("listen: [{{address: '127.0.0.1:0', {config}}}]")).unwrap();
        let words = ["--data", directory.path().to_str().unwrap(), "serve"];
        let ran = tests::run(std::process::Command::new(tests::binary()).args(words), "");
        assert!(ran.code == 1 && ran.stderr.contains(expected), "{ran:?}");
    }
}

#[test]
fn a_slow_handshake_does_not_hold_a_socket() {
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let host = start_tls(&servers, &clients);
    let mut slow: Vec<TcpStream> = (0..50).map(|_| TcpStream::connect(tls_address(&host)).unwrap()).collect();
    for (number, stream) in slow.iter_mut().enumerate() {
        // Silence, half a greeting, plain HTTP, noise.
        let bytes: &[u8] =
            [b"".as_slice(), b"\x16\x03\x01\x02\x00\x01", b"GET / HTTP/1.1\r\n\r\n", b"\xff\xff\xff\xff\xff"]
                [number % 4];
        let _ = stream.write_all(bytes);
    }
    let begun = Instant::now();
    assert!(first_line(&status(&host, &servers, None, "")).contains("401"));
    assert!(begun.elapsed() < Duration::from_secs(5));
    // The silent ones are sent away in the end.
    let silent = &mut slow[0];
    silent.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    assert_eq!(silent.read(&mut [0; 16]).unwrap_or(0), 0);
}

/// A host behind a proxy at 127.0.0.1, which allows `status` to the network 192.0.2.0/24 and to its own machine.
fn behind_proxy(trusted: &str) -> Host {
    Host::start_listening(
        tempfile::tempdir().unwrap(),
        &format!(
            "listen: [{{address: '127.0.0.1:0', trusted_proxies: {trusted}}}]\n\
             api_permissions:\n  office: {{who: {{ip: 192.0.2.0/24}}, what: status}}\n  \
             machine: {{who: {{ip: 127.0.0.0/8}}, what: get_loglevel}}\n"
        ),
    )
}

#[test]
fn only_a_proxy_tells_the_address_of_the_caller() {
    let proxied = behind_proxy("[127.0.0.0/8]");
    let direct = behind_proxy("[10.0.0.0/8]");
    let long = format!("{}, 198.51.100.1", vec!["192.0.2.1"; 1000].join(", "));
    let rows: &[(&str, &[&str], &str, &str)] = &[
        ("the proxy itself", &[], "401 unauthenticated", "200"),
        ("who it names", &["192.0.2.7"], "200", "401 unauthenticated"),
        ("with a port", &["192.0.2.7:1234"], "200", "401 unauthenticated"),
        ("mapped into IPv6", &["::ffff:192.0.2.7"], "200", "401 unauthenticated"),
        ("a spoofed beginning", &["192.0.2.7, 198.51.100.1"], "401 unauthenticated", "401 unauthenticated"),
        ("a spoofed machine", &["127.0.0.1, 198.51.100.1"], "401 unauthenticated", "401 unauthenticated"),
        ("a second line", &["192.0.2.7", "198.51.100.1"], "401 unauthenticated", "401 unauthenticated"),
        ("a spoofed line before", &["198.51.100.1", "192.0.2.7"], "200", "401 unauthenticated"),
        ("a thousand spoofed entries", &[&long], "401 unauthenticated", "401 unauthenticated"),
        ("no address", &["unknown"], "400 malformed", "400 malformed"),
        ("no address at the end", &["192.0.2.7, unknown"], "400 malformed", "400 malformed"),
        ("nothing", &[""], "400 malformed", "400 malformed"),
        ("half a bracket", &["[2001:db8::1"], "400 malformed", "400 malformed"),
    ];
    for (what, lines, status, log_level) in rows {
        let send = |host: &Host, command: &str| {
            let request = host.request("POST", &format!("/api/{command}"));
            lines.iter().fold(request, |request, line| request.header("x-forwarded-for", line)).send().verdict()
        };
        assert_eq!(send(&proxied, "status"), *status, "{what}");
        assert_eq!(send(&proxied, "get_loglevel"), *log_level, "{what}");
        // Who is no trusted proxy is who they are.
        assert_eq!(
            (send(&direct, "status"), send(&direct, "get_loglevel")),
            ("401 unauthenticated".to_owned(), "200".to_owned()),
            "{what}"
        );
    }
    for header in ["forwarded", "x-real-ip", "x-client-ip", "true-client-ip", "x_forwarded_for"] {
        let value = if header == "forwarded" { "for=192.0.2.7" } else { "192.0.2.7" };
        assert_eq!(proxied.request("POST", "/api/status").header(header, value).send().status, 401, "{header}");
    }
    assert_eq!(proxied.request("GET", "/api").header("x-forwarded-for", "unknown").send().verdict(), "400 malformed");
    let all = behind_proxy("all");
    assert_eq!(
        all.request("POST", "/api/status").header("x-forwarded-for", "192.0.2.7, 198.51.100.1").send().status,
        200
    );
    assert_eq!(all.cli(&["call", "status"]).code, 0);
}
