//! Whether who opened a stream may still have it. Credentials are checked with each message; a stream is opened by one and stays
//! open, so what it was opened with is checked again before anything is told on it. A sign of life that is due every few
//! seconds counts as something told: a stream never outlives its credential by more than that.

use std::sync::Arc;

use axum::body::Body;
use futures_util::StreamExt;
use futures_util::stream::unfold;
use muster_core::authn::{AccountState, Credential, Source};
use muster_core::caller::Caller;
use muster_core::dispatch::Dispatcher;
use muster_core::name::AccountId;

/// A stream, for as long as what it was opened with is good.
pub(super) async fn guarded(
    body: Body,
    caller: Arc<Caller>,
    presented: (Credential, Source),
    dispatcher: Arc<Dispatcher>,
) -> Body {
    let proof = Proof::of(&caller, presented, &dispatcher).await;
    let stay = Stay { caller, proof, dispatcher };
    Body::from_stream(unfold((body.into_data_stream(), stay), |(mut told, stay)| async move {
        let next = told.next().await?;
        stay.goes_on().await.then_some((next, (told, stay)))
    }))
}

/// Who has a stream, and by what.
struct Stay {
    caller: Arc<Caller>,
    proof: Proof,
    dispatcher: Arc<Dispatcher>,
}

impl Stay {
    /// Whether the credential is still good, for the same caller. What cannot be found out counts as no.
    async fn goes_on(&self) -> bool {
        match &self.proof {
            Proof::Password(account, then) => then.is_some() && standing(account, &self.dispatcher).await == *then,
            Proof::Presented(presented) => {
                let (credential, source) = (**presented).clone();
                let now = self.dispatcher.authenticator().authenticate(credential, source).await;
                now.is_ok_and(|now| now.identity == self.caller.identity && now.authority == self.caller.authority)
            }
        }
    }
}

/// What shows that a credential is still good.
enum Proof {
    /// Of a password: that the account stands as it stood, without a ban or another password since. The password is not kept.
    Password(AccountId, Option<AccountState>),
    /// Of anything else: that it is taken once more. Nothing but a token or key itself shows what became of it.
    Presented(Box<(Credential, Source)>),
}

impl Proof {
    async fn of(caller: &Caller, presented: (Credential, Source), dispatcher: &Dispatcher) -> Self {
        match (&presented.0, caller.account()) {
            (Credential::Basic { .. }, Some(account)) => {
                Self::Password(account.clone(), standing(account, dispatcher).await)
            }
            _ => Self::Presented(Box::new(presented)),
        }
    }
}

async fn standing(account: &AccountId, dispatcher: &Dispatcher) -> Option<AccountState> {
    dispatcher.authenticator().bearers().accounts.standing(account).await.ok().flatten()
}
