//! The state machine of a family, driven at random: whatever clients and thieves send in whatever order, at most one
//! access token of one authorization is ever valid.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::BoxFuture;
use crate::authn::Passwords;
use crate::permission;
use crate::registry::Snapshot;
use crate::storage::{MemoryStorage, Storage};

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const CALLBACK: &str = "https://shop.example.org/cb";

#[derive(Debug, Default)]
pub(crate) struct HandClock(AtomicU64);

impl Clock for HandClock {
    fn sleep_until(&self, _: Instant) -> BoxFuture<'static, ()> {
        Box::pin(async {})
    }

    fn since_epoch(&self) -> Duration {
        Duration::from_secs(1_000_000 + self.0.load(Ordering::Relaxed))
    }
}

#[derive(Debug, Default)]
pub(crate) struct Counting(AtomicU64);

impl Random for Counting {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), CallError> {
        let count = self.0.fetch_add(1, Ordering::Relaxed).to_le_bytes();
        for (place, byte) in bytes.iter_mut().zip(count.iter().cycle()) {
            *place = *byte;
        }
        Ok(())
    }
}

#[derive(Debug)]
pub(crate) struct PlainPasswords;

impl Passwords for PlainPasswords {
    fn hash(&self, password: String) -> BoxFuture<'_, Result<String, CallError>> {
        Box::pin(async { Ok(password) })
    }

    fn verify(&self, password: String, hash: Option<String>) -> BoxFuture<'_, Result<bool, CallError>> {
        Box::pin(async move { Ok(hash == Some(password)) })
    }
}

/// Nothing here waits for anything.
pub(crate) fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().unwrap()
}

struct World {
    server: AuthorizationServer,
    accounts: Arc<Accounts>,
    clock: Arc<HandClock>,
    ann: AccountId,
}

impl World {
    fn new() -> Self {
        let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::default());
        let (clock, random) = (Arc::new(HandClock::default()), Arc::new(Counting::default()));
        let accounts = Accounts::new(storage.clone(), Arc::new(PlainPasswords), clock.clone(), random.clone()).unwrap();
        let accounts = Arc::new(accounts);
        accounts.set_hosts(vec!["localhost".to_owned()]);
        let ann = AccountId::parse("ann@localhost").unwrap();
        now(accounts.create(&ann, "x".to_owned())).unwrap();
        let clients =
            Clients::new(storage.clone(), accounts.clone(), Arc::new(PlainPasswords), clock.clone(), random.clone());
        let server = AuthorizationServer::new(storage, accounts.clone(), clients.unwrap(), clock.clone(), random);
        let rules = json!({"api_permissions": {"g": {"who": {"oauth": {"scope": ["a", "b"]}}, "what": "*"}}});
        let rules = permission::parse(rules.as_object().unwrap(), &[], &["localhost".to_owned()]).unwrap();
        server.set_settings(Settings { rules: Arc::new(rules), ..Settings::default() });
        let new = NewClient {
            id: "shop".to_owned(),
            name: "Shop".to_owned(),
            secret: NewSecret::None,
            redirect_uris: vec![CALLBACK.to_owned()],
            grants: vec![Grant::AuthorizationCode, Grant::RefreshToken],
            account: None,
        };
        now(server.clients().add(new)).unwrap();
        Self { server, accounts, clock, ann }
    }

    fn client(&self) -> Client {
        now(self.server.clients().get("shop")).unwrap().unwrap()
    }

    fn code(&self) -> String {
        let request = AuthorizationRequest {
            response_type: Some("code".to_owned()),
            client_id: Some("shop".to_owned()),
            redirect_uri: Some(CALLBACK.to_owned()),
            scope: Some("a b".to_owned()),
            code_challenge: Some(CHALLENGE.to_owned()),
            code_challenge_method: Some("S256".to_owned()),
            ..AuthorizationRequest::default()
        };
        let consent = now(self.server.examine(&request, &Snapshot::default())).unwrap();
        let owned = now(self.server.owned(&self.ann, None)).unwrap().unwrap();
        now(self.server.approve(&consent, &owned)).unwrap()
    }

    fn is_valid(&self, access: &str) -> bool {
        now(self.server.authenticate(access)).is_ok()
    }
}

#[test]
fn codes_and_tokens_end_in_time() {
    let world = World::new();
    let at = |seconds| world.clock.0.store(seconds, Ordering::Relaxed);
    let redeem = |code: &str| now(world.server.redeem(&world.client(), code, Some(CALLBACK), Some(VERIFIER), &[]));
    let late = world.code();
    at(CODE_SECONDS);
    assert!(redeem(&late).is_err(), "at the very second");
    let code = world.code();
    at(2 * CODE_SECONDS - 1);
    let issued = redeem(&code).unwrap();
    let began = 2 * CODE_SECONDS - 1;
    at(began + 3599);
    assert!(world.is_valid(&issued.access));
    at(began + 3600);
    assert!(!world.is_valid(&issued.access));
    let refreshed = now(world.server.refresh(&world.client(), &issued.refresh.unwrap(), None, &[])).unwrap();
    assert!(world.is_valid(&refreshed.access));
    assert_eq!(now(world.server.purge()).unwrap(), 1, "the expired code");
    at(began + 3600 + 30 * 24 * 3600);
    assert!(now(world.server.refresh(&world.client(), &refreshed.refresh.unwrap(), None, &[])).is_err());
    assert_eq!(now(world.server.purge()).unwrap(), 1);
    assert!(now(world.server.list()).unwrap().is_empty());
}

/// What a client does with what it has.
#[derive(Clone, Debug)]
enum Step {
    Redeem,
    RedeemWithout,
    /// Any refresh token that was ever handed out, by its age.
    Refresh(usize),
    Narrow(usize),
    Revoke(usize),
    Wait(u64),
    Purge,
    NewPassword,
    Ban,
    Unban,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => Just(Step::Redeem),
        1 => Just(Step::RedeemWithout),
        6 => (0_usize..3).prop_map(Step::Refresh),
        2 => (0_usize..3).prop_map(Step::Narrow),
        1 => (0_usize..3).prop_map(Step::Revoke),
        2 => (0_u64..3000).prop_map(Step::Wait),
        1 => Just(Step::Purge),
        1 => Just(Step::NewPassword),
        1 => Just(Step::Ban),
        1 => Just(Step::Unban),
    ];
    proptest::collection::vec(step, 1..24)
}

proptest! {
    #[test]
    fn one_code_never_has_two_live_access_tokens(steps in steps()) {
        let world = World::new();
        let (code, client) = (world.code(), world.client());
        let mut issued: Vec<Issued> = Vec::new();
        let mut ended = false;
        let mut redeemed = false;
        for step in steps {
            let chosen = |age: usize| issued.iter().rev().nth(age).and_then(|issued| issued.refresh.clone());
            let result = match &step {
                Step::Redeem => {
                    let result = now(world.server.redeem(&client, &code, Some(CALLBACK), Some(VERIFIER), &[]));
                    // A second time ends everything.
                    ended |= redeemed;
                    redeemed |= result.is_ok();
                    result.ok()
                }
                Step::RedeemWithout => {
                    let result = now(world.server.redeem(&client, &code, Some(CALLBACK), None, &[]));
                    prop_assert!(result.is_err());
                    ended = true;
                    None
                }
                Step::Refresh(age) | Step::Narrow(age) => {
                    let Some(token) = chosen(*age) else { continue };
                    let scope = matches!(step, Step::Narrow(_)).then_some("a");
                    let result = now(world.server.refresh(&client, &token, scope, &[]));
                    prop_assert!(*age == 0 || result.is_err(), "an old refresh token was taken");
                    ended |= *age > 0;
                    result.ok()
                }
                Step::Revoke(age) => {
                    let Some(token) = chosen(*age) else { continue };
                    now(world.server.revoke_of(&client, &token)).unwrap();
                    ended = true;
                    None
                }
                Step::Wait(seconds) => {
                    world.clock.0.fetch_add(*seconds, Ordering::Relaxed);
                    None
                }
                Step::Purge => {
                    now(world.server.purge()).unwrap();
                    None
                }
                Step::NewPassword => {
                    now(world.accounts.change_password(&world.ann, "y".to_owned())).unwrap();
                    ended = true;
                    None
                }
                Step::Ban => {
                    now(world.accounts.ban(&world.ann, String::new())).unwrap();
                    ended = true;
                    None
                }
                Step::Unban => {
                    now(world.accounts.unban(&world.ann)).unwrap();
                    None
                }
            };
            if let Some(result) = result {
                prop_assert!(!ended, "a family that ended gave a token: {step:?}");
                prop_assert!(result.scopes.iter().all(|scope| ["a", "b"].contains(&scope.as_str())));
                issued.push(result);
            }
            let live = issued.iter().filter(|issued| world.is_valid(&issued.access)).count();
            prop_assert!(live <= 1, "{live} live access tokens after {step:?}");
            prop_assert!(!ended || live == 0, "a live access token after {step:?}");
        }
    }
}
