//! Tokens of other issuers: what is taken, and every way to forge one.

use std::io::{Read, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};
use tests::Host;

const ISSUER: &str = "https://id.example.org";

fn seconds() -> i64 {
    i64::try_from(UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap()
}

fn base64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A key of an issuer.
struct Key {
    id: &'static str,
    pair: EcdsaKeyPair,
}

impl Key {
    fn new(id: &'static str) -> Self {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random).unwrap();
        Self { id, pair }
    }

    fn jwk(&self) -> Value {
        let point = self.pair.public_key().as_ref();
        json!({
            "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.id,
            "x": base64(&point[1..33]), "y": base64(&point[33..]),
        })
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", base64(header.to_string()), base64(claims.to_string()));
        let signature = self.pair.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
        format!("{message}.{}", base64(signature))
    }

    fn token(&self, claims: &Value) -> String {
        self.sign(&json!({"typ": "at+jwt", "alg": "ES256", "kid": self.id}), claims)
    }
}

fn claims(replaced: &Value) -> Value {
    let mut claims = json!({
        "iss": ISSUER, "aud": "muster", "sub": "ann", "scope": "status", "iat": seconds(), "exp": seconds() + 600,
    });
    for (name, value) in replaced.as_object().unwrap() {
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value.clone();
        }
    }
    claims
}

/// A host that trusts the issuer, whose keys are in a file.
fn host(keys: &[Value], more: &str) -> Host {
    host_with(tests::RULES, keys, more)
}

/// The same with other rules.
fn host_with(rules: &str, keys: &[Value], more: &str) -> Host {
    let config = format!(
        "{rules}\nissuers:\n- {{issuer: '{ISSUER}', audience: [muster, other], jwks_file: KEYS, account_host: localhost, \
         clock_skew_seconds: 5, refetch_seconds: 1{more}}}\n"
    );
    let directory = tempfile::tempdir().unwrap().keep();
    let file = directory.join("keys.json");
    std::fs::write(&file, json!({ "keys": keys }).to_string()).unwrap();
    let host = Host::start_with(&config.replace("KEYS", file.to_str().unwrap()));
    host.add_account("ann");
    host
}

fn status(host: &Host, token: &str) -> u16 {
    host.request("GET", "/api").bearer(token).send().status
}

#[test]
fn a_token_of_a_trusted_issuer_stands_for_its_account() {
    let key = Key::new("one");
    let host = host(&[key.jwk()], "");
    for (replaced, expected) in [
        (json!({}), 200),
        (json!({"aud": ["elsewhere", "muster"]}), 200),
        (json!({"aud": "other"}), 200),
        (json!({"scope": ["status", "muster:user"]}), 200),
        (json!({"scope": null}), 200),
        (json!({"sub": "ANN"}), 200),
        (json!({"exp": seconds() - 2}), 200),
        (json!({"nbf": seconds() + 3}), 200),
        (json!({"exp": seconds() - 60}), 401),
        (json!({"exp": null}), 401),
        (json!({"exp": "tomorrow"}), 401),
        (json!({"nbf": seconds() + 60}), 401),
        (json!({"aud": "elsewhere"}), 401),
        (json!({"aud": []}), 401),
        (json!({"aud": null}), 401),
        (json!({"iss": "https://evil.example"}), 401),
        (json!({"iss": format!("{ISSUER}/")}), 401),
        (json!({"iss": null}), 401),
        (json!({"sub": "nobody"}), 401),
        (json!({"sub": "ann@localhost"}), 401),
        (json!({"sub": null}), 401),
        (json!({"sub": 7}), 401),
        (json!({"scope": 7}), 401),
        (json!({"scope": "a\"b status"}), 200),
        (json!({"scope": ["status", 7, "Größe", "x".repeat(300)]}), 200),
    ] {
        assert_eq!(status(&host, &key.token(&claims(&replaced))), expected, "{replaced}");
    }
    let token = key.token(&claims(&json!({})));
    assert_eq!(host.cli(&["call", "ban_account", "user=ann", "host=localhost", "reason=x"]).code, 0);
    assert_eq!(status(&host, &token), 401, "a ban ends what others say too");
    assert!(!host.log().contains(&token[..40]));
}

/// Groups of an identity provider become scopes whole, or not at all: a blank in a name is no way to another scope.
#[test]
fn an_item_of_a_list_of_scopes_is_one_scope() {
    let key = Key::new("one");
    let rules = "api_permissions: {a: {who: {oauth: {scope: 'muster:admin', user: ann@localhost}}, what: status}}\n";
    let host = host_with(rules, &[key.jwk()], "");
    let groups: Vec<String> = (0..150).map(|number| format!("group-{number}")).chain(["muster:admin".into()]).collect();
    for (scopes, expected) in [
        (json!(["muster:admin"]), 200),
        (json!("Team muster:admin"), 200),
        (json!(["Team muster:admin"]), 403),
        (json!([" muster:admin"]), 403),
        (json!(["Team\tmuster:admin", "Team\u{a0}muster:admin", "Team,muster:admin"]), 403),
        (json!([["muster:admin"], {"muster:admin": 1}]), 403),
        (json!(["Größe der Gruppe", "x".repeat(300), "", 7, null, "muster:admin"]), 200),
        (json!(groups), 200),
    ] {
        let token = key.token(&claims(&json!({"scope": scopes.clone()})));
        assert_eq!(host.request("GET", "/api/status").bearer(&token).send().status, expected, "{scopes}");
    }
}

/// The caller is told that the credential is not valid; log, record and explanation say why, by the same word.
#[test]
fn those_who_may_know_learn_why_a_credential_is_rejected() {
    let (key, stranger) = (Key::new("one"), Key::new("one"));
    let host = host(&[key.jwk()], "");
    host.add_account("admin");
    host.add_account("bob");
    let token = |replaced: Value| key.token(&claims(&replaced));
    let made = host.cli(&["--json", "call", "key_create", "user=bob", "host=localhost", "name=x", "scopes=*"]);
    let api_key = serde_json::from_str::<Value>(&made.stdout).unwrap()["key"].as_str().unwrap_or_default().to_owned();
    assert_eq!(host.cli(&["call", "ban_account", "user=bob", "host=localhost", "reason=x"]).code, 0);
    for (credential, reason) in [
        (token(json!({"exp": seconds() - 60})), "expired"),
        (token(json!({"nbf": seconds() + 60})), "not-yet-valid"),
        (token(json!({"aud": "elsewhere"})), "wrong-audience"),
        (token(json!({"iss": "https://evil.example"})), "unknown-issuer"),
        (token(json!({"sub": "nobody"})), "unknown-account"),
        (token(json!({"sub": "bob"})), "banned"),
        (token(json!({"sub": 7})), "unusable-claims"),
        (stranger.token(&claims(&json!({}))), "bad-signature"),
        (key.sign(&json!({"alg": "ES256", "kid": "two"}), &claims(&json!({}))), "unknown-signing-key"),
        (key.sign(&json!({"alg": "none", "kid": "one"}), &claims(&json!({}))), "algorithm-not-allowed"),
        ("a.b.c".to_owned(), "unusable"),
        ("muster_at_0".to_owned(), "unusable"),
        (api_key, "banned"),
    ] {
        let answer = host.request("POST", "/api/check_account").bearer(&credential).json(&json!({})).send();
        assert_eq!(answer.status, 401, "{reason}");
        assert!(!answer.text().contains(reason), "{}", answer.text());
        let id = answer.header("x-request-id").to_owned();
        let explained = host.cli(&["--json", "permissions", "explain", "--request", &id]);
        let explained: Value = serde_json::from_str(&explained.stdout).unwrap();
        assert_eq!(explained["credential"]["text"], format!("credential rejected: {reason}"));
        assert_eq!((&explained["recorded"]["rejected"], &explained["answer"]), (&json!(reason), &json!("no")));
        assert_eq!(explained["caller"]["who"], "unknown");
        assert!(!explained["changes"].to_string().contains("ip:"), "{explained}");
        assert!(host.log().contains(&format!("reason=\"{reason}\"")), "{reason}: {}", host.log());
    }
    let answer = host.request("GET", "/api/status").basic("admin@localhost", "wrong").send();
    let explained = host.cli(&["permissions", "explain", "--request", answer.header("x-request-id")]).stdout;
    assert!(explained.contains("denied: `status` for admin@localhost"), "{explained}");
    assert!(explained.contains("credential rejected: wrong-password"), "{explained}");
}

/// One id for several keys, keys without an id, and keys that say what they are for.
#[test]
fn keys_are_chosen_by_what_they_are_for_before_their_id() {
    let (one, two, encrypts, nameless) = (Key::new("x"), Key::new("x"), Key::new("e"), Key::new(""));
    let replaced = |mut jwk: Value, name: &str, value: Value| {
        jwk.as_object_mut().unwrap().remove(name);
        if !value.is_null() {
            jwk[name] = value;
        }
        jwk
    };
    let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    let ed = Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap();
    let ed_jwk = json!({"kty": "OKP", "crv": "Ed25519", "alg": "Ed25519", "kid": "x", "x": base64(ed.public_key())});
    let ed_token = |algorithm: &str| {
        let header = json!({"alg": algorithm, "kid": "x"});
        let message = format!("{}.{}", base64(header.to_string()), base64(claims(&json!({})).to_string()));
        format!("{message}.{}", base64(ed.sign(message.as_bytes())))
    };
    let keys = [
        replaced(one.jwk(), "alg", json!("ES384")),
        ed_jwk,
        one.jwk(),
        two.jwk(),
        replaced(replaced(encrypts.jwk(), "use", Value::Null), "key_ops", json!(["encrypt"])),
        replaced(nameless.jwk(), "kid", Value::Null),
    ];
    let host = host(&keys, "");
    let good = claims(&json!({}));
    for (what, token, expected) in [
        ("the first of its id", one.token(&good), 200),
        ("the second of its id", two.token(&good), 200),
        ("without an id", two.sign(&json!({"alg": "ES256"}), &good), 200),
        ("a key without an id", nameless.sign(&json!({"alg": "ES256"}), &good), 200),
        ("a key without an id, by another id", nameless.sign(&json!({"alg": "ES256", "kid": "new"}), &good), 200),
        ("EdDSA", ed_token("EdDSA"), 200),
        ("Ed25519", ed_token("Ed25519"), 200),
        ("Ed448", ed_token("Ed448"), 401),
        ("a key for encryption", encrypts.token(&good), 401),
        ("another key", Key::new("x").token(&good), 401),
    ] {
        assert_eq!(status(&host, &token), expected, "{what}");
    }
}

/// An operator who repairs a key file and has the configuration reloaded does not wait for the next look.
#[test]
fn a_reload_fetches_keys_again() {
    let (old, new) = (Key::new("one"), Key::new("one"));
    let directory = tempfile::tempdir().unwrap().keep();
    let file = directory.join("keys.json");
    std::fs::write(&file, json!({ "keys": [old.jwk()] }).to_string()).unwrap();
    let host = Host::start_with(&format!(
        "{}\nissuers: [{{issuer: '{ISSUER}', audience: muster, jwks_file: '{}', account_host: localhost, refetch_seconds: \
         86400}}]\n",
        tests::RULES,
        file.display()
    ));
    host.add_account("ann");
    assert_eq!(status(&host, &old.token(&claims(&json!({})))), 200);
    std::fs::write(&file, json!({ "keys": [new.jwk()] }).to_string()).unwrap();
    assert_eq!(host.cli(&["config", "reload"]).code, 0);
    let ends = std::time::Instant::now() + Duration::from_secs(20);
    while status(&host, &new.token(&claims(&json!({})))) != 200 {
        assert!(std::time::Instant::now() < ends, "the keys were not fetched again");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(status(&host, &old.token(&claims(&json!({})))), 401);
}

#[test]
fn forged_tokens_are_not_taken() {
    let (key, stranger) = (Key::new("one"), Key::new("one"));
    let host = host(&[key.jwk()], "");
    let good = claims(&json!({}));
    let parts = |token: &str| token.split('.').map(str::to_owned).collect::<Vec<_>>();
    let token = key.token(&good);
    assert_eq!(status(&host, &token), 200);
    let unsigned = |header: Value| format!("{}.{}.", base64(header.to_string()), base64(good.to_string()));
    // The classic: the public key as the secret of an HMAC.
    let hs256 = |secret: &[u8]| {
        let header = json!({"alg": "HS256", "kid": "one"});
        let message = format!("{}.{}", base64(header.to_string()), base64(good.to_string()));
        let secret = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret);
        format!("{message}.{}", base64(ring::hmac::sign(&secret, message.as_bytes())))
    };
    let ed = {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap();
        let header = json!({"alg": "EdDSA", "kid": "one"});
        let message = format!("{}.{}", base64(header.to_string()), base64(good.to_string()));
        format!("{message}.{}", base64(pair.sign(message.as_bytes())))
    };
    let pieces = parts(&token);
    let (header, payload, signature) = (&pieces[0], &pieces[1], &pieces[2]);
    let admin = base64(claims(&json!({"sub": "admin"})).to_string());
    for (what, forged) in [
        ("alg none", unsigned(json!({"alg": "none"}))),
        ("alg None", unsigned(json!({"alg": "None", "kid": "one"}))),
        ("no alg", unsigned(json!({"kid": "one"}))),
        ("no signature", format!("{header}.{payload}.")),
        ("no signature at all", format!("{header}.{payload}")),
        ("other claims", format!("{header}.{admin}.{signature}")),
        ("HS256 with the point", hs256(key.pair.public_key().as_ref())),
        ("HS256 with the key set", hs256(key.jwk().to_string().as_bytes())),
        ("HS256 with nothing", hs256(b"")),
        ("another key", stranger.token(&good)),
        ("another algorithm", ed),
        ("an unknown key", key.sign(&json!({"alg": "ES256", "kid": "two"}), &good)),
        ("its own key", stranger.sign(&json!({"alg": "ES256", "jwk": stranger.jwk()}), &good)),
        ("keys elsewhere", stranger.sign(&json!({"alg": "ES256", "kid": "one", "jku": "http://127.0.0.1/"}), &good)),
        ("critical", key.sign(&json!({"alg": "ES256", "kid": "one", "crit": ["x"], "x": 1}), &good)),
        ("wrong algorithm for its key", key.sign(&json!({"alg": "ES384", "kid": "one"}), &good)),
        ("a path as key", key.sign(&json!({"alg": "ES256", "kid": "../../one"}), &good)),
        ("no JSON", format!("{}.{}.{signature}", base64("{"), base64("["))),
        ("no base64", format!("{header}.!!.{signature}")),
        ("too long", format!("{header}.{payload}.{}", "A".repeat(40_000))),
    ] {
        assert_eq!(status(&host, &forged), 401, "{what}");
    }
    let alone = key.sign(&json!({"alg": "ES256"}), &good);
    assert_eq!(status(&host, &alone), 200, "the only key needs no name");
    assert_eq!(status(&host, &token), 200);
}

#[test]
fn accounts_elsewhere_are_never_accounts_here() {
    let key = Key::new("one");
    let more = ", accounts: external";
    let host =
        host(&[key.jwk()], &more.replace(", accounts", ", algorithms: ES256, accounts").replace("external", "local"));
    assert_eq!(status(&host, &key.token(&claims(&json!({"sub": "zoe"})))), 401);
    let config = format!(
        "{}\nissuers: [{{issuer: '{ISSUER}', audience: muster, jwks_file: KEYS, account_host: partners, accounts: \
         external}}]\n",
        tests::RULES
    );
    let file = tempfile::tempdir().unwrap().keep().join("keys.json");
    std::fs::write(&file, json!({ "keys": [key.jwk()] }).to_string()).unwrap();
    let host = Host::start_with(&config.replace("KEYS", file.to_str().unwrap()));
    assert_eq!(status(&host, &key.token(&claims(&json!({"sub": "zoe"})))), 200);
    assert_eq!(status(&host, &key.token(&claims(&json!({"sub": "zoe@localhost"})))), 401);
}

/// A server of key sets that counts how often it is asked.
struct KeyServer {
    address: String,
    answer: Arc<Mutex<String>>,
    asked: Arc<Mutex<usize>>,
}

impl KeyServer {
    fn start(keys: &[Value]) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/keys", listener.local_addr().unwrap());
        let server = Self { address, answer: Arc::default(), asked: Arc::default() };
        server.serve(&json!({ "keys": keys }).to_string());
        let (answer, asked) = (Arc::clone(&server.answer), Arc::clone(&server.asked));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut head = [0; 4096];
                let _ = stream.read(&mut head);
                *asked.lock().unwrap() += 1;
                let answer = answer.lock().unwrap().clone();
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        server
    }

    fn serve(&self, body: &str) {
        let length = body.len();
        self.answer_with(&format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"));
    }

    fn answer_with(&self, answer: &str) {
        answer.clone_into(&mut self.answer.lock().unwrap());
    }

    fn asked(&self) -> usize {
        *self.asked.lock().unwrap()
    }
}

fn host_of(server: &KeyServer) -> Host {
    let config = format!(
        "{}\nissuers:\n- issuer: '{ISSUER}'\n  audience: muster\n  jwks_url: {}\n  account_host: localhost\n  \
         refetch_seconds: 1\n",
        tests::RULES,
        server.address
    );
    let host = Host::start_with(&config);
    host.add_account("ann");
    host
}

#[test]
fn an_issuer_changes_its_keys_without_a_failed_call() {
    let (old, new) = (Key::new("old"), Key::new("new"));
    let server = KeyServer::start(&[old.jwk()]);
    let host = host_of(&server);
    assert_eq!(status(&host, &old.token(&claims(&json!({})))), 200);
    std::thread::sleep(Duration::from_millis(1100));
    server.serve(&json!({ "keys": [new.jwk()] }).to_string());
    assert_eq!(status(&host, &new.token(&claims(&json!({})))), 200, "it is looked for at once");
    assert_eq!(status(&host, &old.token(&claims(&json!({})))), 401, "what is withdrawn is over");
}

#[test]
fn made_up_keys_do_not_make_us_ask_again_and_again() {
    let key = Key::new("one");
    let server = KeyServer::start(&[key.jwk()]);
    let host = host_of(&server);
    assert_eq!(status(&host, &key.token(&claims(&json!({})))), 200);
    for count in 0..30 {
        let forged = key.sign(&json!({"alg": "ES256", "kid": format!("made up {count}")}), &claims(&json!({})));
        assert_eq!(status(&host, &forged), 401);
    }
    assert!(server.asked() <= 5, "{}", server.asked());
}

#[test]
fn an_issuer_that_fails_or_misbehaves_leaves_the_keys_as_they_were() {
    let (key, evil) = (Key::new("one"), Key::new("two"));
    let server = KeyServer::start(&[key.jwk()]);
    let host = host_of(&server);
    let good = key.token(&claims(&json!({})));
    assert_eq!(status(&host, &good), 200);
    let elsewhere = KeyServer::start(&[evil.jwk()]);
    let large = format!("{{\"keys\":[{}]}}", " ".repeat(300_000));
    for answer in [
        "HTTP/1.1 500 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned(),
        format!(
            "HTTP/1.1 302 There\r\nlocation: {}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
            elsewhere.address
        ),
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n[]".to_owned(),
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{large}", large.len()),
        "nonsense".to_owned(),
    ] {
        server.answer_with(&answer);
        std::thread::sleep(Duration::from_millis(1050));
        assert_eq!(status(&host, &evil.token(&claims(&json!({})))), 401, "{}", &answer[..20.min(answer.len())]);
        assert_eq!(status(&host, &good), 200, "{}", &answer[..20.min(answer.len())]);
    }
    assert_eq!(elsewhere.asked(), 0);
}

#[test]
fn an_unreachable_issuer_delays_callers_only_briefly() {
    let key = Key::new("one");
    let server = KeyServer::start(&[key.jwk()]);
    let config = format!(
        "{}\nissuers: [{{issuer: '{ISSUER}', audience: muster, jwks_url: 'http://127.0.0.1:1/', account_host: localhost}}]",
        tests::RULES
    );
    let host = Host::start_with(&config);
    host.add_account("ann");
    let began = std::time::Instant::now();
    assert_eq!(status(&host, &key.token(&claims(&json!({})))), 401);
    assert!(began.elapsed() < Duration::from_secs(4));
    assert_eq!(host.request("GET", "/api").as_user("ann").send().status, 200);
    // Another file, and it is trusted without a restart.
    let config = config.replace("http://127.0.0.1:1/", &server.address);
    std::fs::write(host.data().join("muster.yaml"), config).unwrap();
    assert_eq!(host.cli(&["call", "reload_config"]).code, 0);
    assert_eq!(status(&host, &key.token(&claims(&json!({})))), 200);
}
