//! The authorization endpoint's decisions (RFC 6749 §4.1.1): what a browser may ask for, and what a consent gives.

use super::client::{Client, Grant};
use super::family::Family;
use super::token::Owned;
use super::{AuthorizationServer, OAuthError, parse_scopes, pkce, redirect, scope};
use crate::authn::secret;
use crate::error::CallError;
use crate::registry::Snapshot;
use crate::storage::Expect;

/// Longest `state`, in bytes of visible ASCII and spaces (RFC 6749 appendix A.5).
const STATE_BYTES_MAX: usize = 4096;

/// A request as it was sent; empty texts count as absent.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct AuthorizationRequest {
    /// RFC 6749 §4.1.1; only `code`.
    pub response_type: Option<String>,
    /// Who asks.
    pub client_id: Option<String>,
    /// Where to send the answer; may be absent for a client with one address.
    pub redirect_uri: Option<String>,
    /// What is asked for.
    pub scope: Option<String>,
    /// Given back unchanged.
    pub state: Option<String>,
    /// RFC 7636 §4.3.
    pub code_challenge: Option<String>,
    /// RFC 7636 §4.3; only `S256`.
    pub code_challenge_method: Option<String>,
    /// Only `query`, which is how codes are answered (OAuth 2.0 Multiple Response Types §2.1).
    pub response_mode: Option<String>,
    /// Whether the request is in an object of its own (RFC 9101 §5), which is not taken here.
    pub request_object: bool,
    /// The same, elsewhere.
    pub request_uri: bool,
    /// RFC 8707 §2.
    pub resources: Vec<String>,
}

/// A request that may be put to the owner of an account.
#[derive(Clone, Debug)]
pub struct Consent {
    /// Who asks.
    pub client: Client,
    /// Where the answer goes.
    pub redirect_uri: String,
    /// Given back unchanged.
    pub state: Option<String>,
    /// What is asked for.
    pub scopes: Vec<String>,
    pub(super) challenge: String,
    pub(super) audience: Option<String>,
}

/// What a client asks for.
struct Wanted {
    scopes: Vec<String>,
    challenge: String,
    audience: Option<String>,
}

/// Why a request cannot be shown to a user.
#[derive(Debug)]
pub enum AuthorizationRefusal {
    /// It is not certain where the answer should go, so it is shown to the person and goes nowhere (RFC 9700 §4.11).
    Shown(&'static str),
    /// The client is told.
    Redirected {
        /// Where: a registered address.
        redirect_uri: String,
        /// As it was sent.
        state: Option<String>,
        /// What is wrong.
        error: OAuthError,
    },
    /// It could not be looked at.
    Below(CallError),
}

impl From<CallError> for AuthorizationRefusal {
    fn from(error: CallError) -> Self {
        Self::Below(error)
    }
}

fn is_state(text: &str) -> bool {
    text.len() <= STATE_BYTES_MAX && text.bytes().all(|byte| matches!(byte, 0x20..=0x7e))
}

impl AuthorizationServer {
    /// Checks whether the request may be shown to a user.
    ///
    /// # Errors
    /// Where to say what is wrong, and what.
    pub async fn examine(
        &self,
        request: &AuthorizationRequest,
        snapshot: &Snapshot,
    ) -> Result<Consent, AuthorizationRefusal> {
        let client = match &request.client_id {
            Some(id) => self.clients.get(id).await?,
            None => None,
        };
        let client =
            client.ok_or(AuthorizationRefusal::Shown("no application with this id is registered on this server"))?;
        let redirect_uri = match (&request.redirect_uri, client.redirect_uris.as_slice()) {
            (Some(asked), registered) => {
                registered.iter().any(|registered| redirect::matches(registered, asked)).then(|| asked.clone())
            }
            (None, [only]) => Some(only.clone()),
            (None, _) => None,
        };
        let redirect_uri = redirect_uri.ok_or(AuthorizationRefusal::Shown(
            "the redirect address of the request is not registered for this application",
        ))?;
        match self.wanted(request, &client, snapshot) {
            Ok(Wanted { scopes, challenge, audience }) => {
                Ok(Consent { client, redirect_uri, state: request.state.clone(), scopes, challenge, audience })
            }
            Err(error) => {
                let state = request.state.clone().filter(|state| is_state(state));
                Err(AuthorizationRefusal::Redirected { redirect_uri, state, error })
            }
        }
    }

    fn wanted(
        &self,
        request: &AuthorizationRequest,
        client: &Client,
        snapshot: &Snapshot,
    ) -> Result<Wanted, OAuthError> {
        match request.response_type.as_deref() {
            Some("code") => {}
            Some(_) => return Err(OAuthError::UnsupportedResponseType),
            None => return Err(OAuthError::InvalidRequest("response_type is missing")),
        }
        if request.response_mode.as_deref().is_some_and(|mode| mode != "query") {
            return Err(OAuthError::InvalidRequest("only response_mode=query is supported"));
        }
        if request.request_object || request.request_uri {
            let code = if request.request_object { "request_not_supported" } else { "request_uri_not_supported" };
            return Err(OAuthError::NotSupported(code));
        }
        if !client.may(Grant::AuthorizationCode) {
            return Err(OAuthError::UnauthorizedClient("this client may not use authorization codes"));
        }
        if request.state.as_deref().is_some_and(|state| !is_state(state)) {
            return Err(OAuthError::InvalidRequest("state is too long or has invalid characters"));
        }
        let challenge = request.code_challenge.as_deref();
        let challenge = challenge.ok_or(OAuthError::InvalidRequest("code_challenge is missing: PKCE is required"))?;
        if request.code_challenge_method.as_deref() != Some("S256") {
            return Err(OAuthError::InvalidRequest("code_challenge_method must be S256"));
        }
        if !pkce::is_challenge(challenge) {
            return Err(OAuthError::InvalidRequest("code_challenge is not the base64url of a SHA-256"));
        }
        let settings = self.settings.load();
        let scopes = parse_scopes(request.scope.as_deref().unwrap_or_default())?;
        let scopes = scope::known(scopes, &settings.rules, snapshot)?;
        let scopes = scope::honoured(scopes, &settings.rules, snapshot)?;
        let audience = settings.resource(&request.resources)?;
        Ok(Wanted { scopes, challenge: challenge.to_owned(), audience })
    }

    /// Gives the code for a consent. `owned` is what the account was before its password was checked.
    ///
    /// # Errors
    /// When the account may not have tokens, or the store fails.
    pub async fn approve(&self, consent: &Consent, owned: &Owned) -> Result<String, OAuthError> {
        self.check_access(owned)?;
        let id = secret::new_id(&*self.random)?;
        let mut family = Family {
            grant: Some(Grant::AuthorizationCode),
            client: Some(consent.client.id.clone()),
            owner: owned.owner(),
            scopes: consent.scopes.clone(),
            audience: consent.audience.clone(),
            created: self.now(),
            code: None,
            access: None,
            refresh: None,
        };
        let code = family.begin(&id, &consent.redirect_uri, &consent.challenge, &*self.random)?;
        self.put(&id, &family, Expect::Absent).await?;
        Ok(code)
    }
}
