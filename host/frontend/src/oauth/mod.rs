//! OAuth 2.0 over HTTP: `/oauth/authorize` with its login and consent page, `/oauth/token`, `/oauth/introspect`,
//! `/oauth/revoke`, and the documents under `/.well-known/` that lead there.
//!
//! This wire translates; [`AuthorizationServer`] decides. Login and consent are one form, sent once: there is no session
//! that could be stolen, planted or left open.

mod decode;
mod encode;
mod form_key;
mod page;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Method, Request, StatusCode};
use axum::response::Response;
use axum::routing::any;
use bytes::Bytes;
use muster_core::authn::{Credential, Source};
use muster_core::dispatch::{Dispatcher, Head};
use muster_core::error::CallError;
use muster_core::name::{AccountId, FrontendName};
use muster_core::oauth::{
    AuthorizationRefusal, AuthorizationServer, Client, Consent, Grant, OAuthError, Owned, Settings,
};
use muster_core::random::Random;
use muster_core::rate::Bucket;
use muster_core::registry::Snapshot;
use muster_core::schema::Unread;
use serde_json::{Map, Value, json};

use crate::http::authorization;
use crate::http::entrance::{self, Arrival};
use crate::http::problem::Resource;
use decode::{Authorization, Form, Presented};
use form_key::FormKey;

/// The interface's name in logs; no rule is about it, since no command is called over it but `oauth_introspect`, which
/// comes as ReST.
const OAUTH: FrontendName = FrontendName("oauth");
const REST: FrontendName = FrontendName("rest");
/// The command that answers introspection by callers that are not OAuth clients.
const INTROSPECT: &str = "oauth_introspect";

/// The OAuth endpoints.
#[derive(Clone, Debug)]
pub struct OAuth {
    dispatcher: Arc<Dispatcher>,
    server: Arc<AuthorizationServer>,
    form_key: Arc<FormKey>,
    /// Lines of the log about forms that are refused.
    lines: Arc<Bucket>,
}

impl OAuth {
    /// Endpoints of `server`; passwords and commands go through `dispatcher`.
    ///
    /// # Errors
    /// When there is no randomness to be had.
    pub fn new(
        dispatcher: Arc<Dispatcher>,
        server: Arc<AuthorizationServer>,
        random: Arc<dyn Random>,
    ) -> Result<Self, CallError> {
        let form_key = Arc::new(FormKey::new(random)?);
        let lines = Arc::new(Bucket::full(Instant::now()));
        Ok(Self { dispatcher, server, form_key, lines })
    }

    /// The routes.
    pub fn router(self) -> Router {
        Router::new()
            .route("/oauth/authorize", any(authorize))
            .route("/oauth/style.css", any(style))
            .route("/oauth/token", any(token))
            .route("/oauth/introspect", any(introspect))
            .route("/oauth/revoke", any(revoke))
            .route("/.well-known/oauth-authorization-server", any(server_metadata))
            .route("/.well-known/oauth-protected-resource", any(resource_metadata))
            .route("/.well-known/oauth-protected-resource/mcp", any(mcp_metadata))
            .with_state(self)
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.dispatcher.registry().snapshot())
    }

    /// Records what came of a request, with where it came from.
    fn note(&self, event: &'static str, source: &Source, detail: Value) {
        let mut members = Map::from_iter([("request_id".to_owned(), source.request_id.as_str().into())]);
        members.extend(source.address.map(|address| ("address".to_owned(), address.to_string().into())));
        if let Value::Object(detail) = detail {
            members.extend(detail);
        }
        self.dispatcher.record_event(event, Value::Object(members));
    }

    /// Whose account this is, by its password. The password is checked where every password is.
    async fn log_in(&self, account: &str, password: String, source: Source) -> Result<Option<Owned>, CallError> {
        let address: Option<IpAddr> = source.address;
        let owned = match AccountId::parse(account) {
            Ok(account) => self.server.owned(&account, address).await?,
            Err(_) => None,
        };
        // Also where there is no such account, so that it takes as long.
        let credential = Credential::Basic { account: account.to_owned(), password };
        match self.dispatcher.authenticator().authenticate(credential, source).await {
            Ok(_) => Ok(owned),
            Err(CallError::Unauthenticated { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn client(&self, presented: Presented, address: Option<IpAddr>) -> Result<Client, OAuthError> {
        let Presented { id, secret } = presented;
        self.server.clients().authenticate(&id, secret, address).await?.ok_or(OAuthError::InvalidClient)
    }
}

/// From where a request comes, for the record and for rules.
fn source(request: &Request<Body>, via: FrontendName) -> Source {
    let arrival = Arrival::of(request);
    let address = decode::address(request, &arrival);
    Source { via, tag: None, address, request_id: arrival.request_id.clone(), trace: None }
}

/// This host's address as the client sees it, with what it is called inside.
struct Address {
    shown: String,
    issuer: String,
}

impl Address {
    fn of(oauth: &OAuth, request: &Request<Body>) -> Self {
        let issuer = oauth.server.settings().issuer.clone();
        Self { shown: entrance::address_for(&issuer, &Arrival::of(request)).unwrap_or_else(|| issuer.clone()), issuer }
    }

    /// The settings, for documents a client reads.
    fn settings(&self, oauth: &OAuth) -> Settings {
        Settings { issuer: self.shown.clone(), ..(*oauth.server.settings()).clone() }
    }

    /// A resource of this host as it is called inside; another one as it is.
    fn inside(&self, resource: String) -> String {
        match resource.strip_prefix(&self.shown) {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("{}{rest}", self.issuer),
            _ => resource,
        }
    }
}

async fn style(request: Request<Body>) -> Response {
    match *request.method() {
        Method::GET | Method::HEAD => encode::style(page::STYLE),
        _ => encode::method_not_allowed("GET, HEAD"),
    }
}

async fn authorize(State(oauth): State<OAuth>, request: Request<Body>) -> Response {
    let address = Address::of(&oauth, &request);
    let result = match *request.method() {
        Method::GET | Method::HEAD => ask(&oauth, request.uri().query().unwrap_or_default().to_owned(), &address).await,
        Method::POST => answered(&oauth, request, &address).await,
        _ => return encode::method_not_allowed("GET, HEAD, POST"),
    };
    match result {
        Ok(response) => response,
        Err(AuthorizationRefusal::Shown(text)) => encode::page(StatusCode::BAD_REQUEST, page::refusal(text), ""),
        Err(AuthorizationRefusal::Redirected { redirect_uri, state, error }) => {
            let description = error.description();
            let parts = [("error", error.code()), ("error_description", &description)];
            encode::redirect(&redirect_uri, &parts, state.as_deref(), &address.shown)
        }
        Err(AuthorizationRefusal::Below(error)) => {
            tracing::error!(code = error.code(), internal = error.internal(), "an authorization request failed");
            encode::page(StatusCode::INTERNAL_SERVER_ERROR, page::refusal("this server failed; try again later"), "")
        }
    }
}

/// Shows the login and consent page.
async fn ask(oauth: &OAuth, query: String, address: &Address) -> Result<Response, AuthorizationRefusal> {
    let form = Form::parse(query.as_bytes()).map_err(AuthorizationRefusal::Shown)?;
    let authorization =
        Authorization::of(&form, |resource| address.inside(resource)).map_err(AuthorizationRefusal::Shown)?;
    let snapshot = oauth.snapshot();
    let consent = oauth.server.examine(&authorization.request, &snapshot).await?;
    show(oauth, &authorization, &consent, &snapshot, None)
}

fn show(
    oauth: &OAuth,
    authorization: &Authorization,
    consent: &Consent,
    snapshot: &Snapshot,
    mishap: Option<&page::FormError<'_>>,
) -> Result<Response, AuthorizationRefusal> {
    let secure = oauth.server.settings().issuer.starts_with("https:");
    let (cookie, key) = oauth.form_key.make(&authorization.fields())?;
    let status = mishap.map_or(StatusCode::OK, |mishap| mishap.status);
    let html = page::consent(consent, authorization, snapshot, &key, mishap);
    let mut response = encode::page(status, html, &muster_core::oauth::redirect_source(&consent.redirect_uri));
    encode::set_cookie(&mut response, &cookie, secure);
    Ok(response)
}

/// Takes the page's form.
async fn answered(oauth: &OAuth, request: Request<Body>, address: &Address) -> Result<Response, AuthorizationRefusal> {
    const STALE: &str = "this page is no longer valid; go back to the application and begin again";
    if let Err(said) = entrance::is_own(&request, &address.issuer) {
        if entrance::may_be_told(&oauth.lines) {
            tracing::info!("rejected a login form of another site: {said}");
        }
        return Err(AuthorizationRefusal::Shown("the form was sent by another site"));
    }
    let secure = address.issuer.starts_with("https:");
    let cookie = decode::cookie(&request, encode::cookie_name(secure));
    let source = source(&request, OAUTH);
    let form = decode::form(request).await.map_err(|refusal| AuthorizationRefusal::Shown(refusal.text()))?;
    let authorization = Authorization::of(&form, |resource| address.inside(resource));
    let authorization = authorization.map_err(AuthorizationRefusal::Shown)?;
    let field = |name| form.one(name).map_err(AuthorizationRefusal::Shown);
    let (Some(cookie), Some(key)) = (cookie, field("key")?) else { return Err(AuthorizationRefusal::Shown(STALE)) };
    if !oauth.form_key.fits(&cookie, &key, &authorization.fields()) {
        return Err(AuthorizationRefusal::Shown(STALE));
    }
    let snapshot = oauth.snapshot();
    let consent = oauth.server.examine(&authorization.request, &snapshot).await?;
    let refused = |error| AuthorizationRefusal::Redirected {
        redirect_uri: consent.redirect_uri.clone(),
        state: consent.state.clone(),
        error,
    };
    let client = consent.client.id.as_str();
    if field("decision")?.as_deref() != Some("allow") {
        oauth.note("authorization-denied", &source, json!({ "client": client }));
        return Err(refused(OAuthError::AccessDenied("the user denied the request")));
    }
    let account = field("account")?.unwrap_or_default();
    let password = field("password")?.unwrap_or_default();
    let owned = match oauth.log_in(account.trim(), password, source.clone()).await {
        Ok(owned) => owned,
        Err(error @ CallError::Internal { .. }) => return Err(AuthorizationRefusal::Below(error)),
        Err(error) => {
            let text = error.detail();
            let mishap = page::FormError { account: &account, text: &text, status: StatusCode::TOO_MANY_REQUESTS };
            return show(oauth, &authorization, &consent, &snapshot, Some(&mishap));
        }
    };
    let Some(owned) = owned else {
        oauth.note("login-failed", &source, json!({ "client": client }));
        let text = "The account or the password is wrong.";
        let mishap = page::FormError { account: &account, text, status: StatusCode::FORBIDDEN };
        return show(oauth, &authorization, &consent, &snapshot, Some(&mishap));
    };
    let code = oauth.server.approve(&consent, &owned).await.map_err(refused)?;
    let detail = json!({ "client": client, "account": owned.account().as_str(), "scopes": consent.scopes });
    oauth.note("authorization-approved", &source, detail);
    Ok(encode::redirect(&consent.redirect_uri, &[("code", &code)], consent.state.as_deref(), &address.shown))
}

/// A POST with a form: the only thing three of the endpoints take.
async fn posted(request: Request<Body>) -> Result<Form, Response> {
    if request.method() != Method::POST {
        return Err(encode::method_not_allowed("POST"));
    }
    decode::form(request).await.map_err(|refusal| encode::unreadable(&refusal))
}

async fn token(State(oauth): State<OAuth>, request: Request<Body>) -> Response {
    let presented = authorization::credential(request.headers());
    let source = source(&request, OAUTH);
    let address = Address::of(&oauth, &request);
    let form = match posted(request).await {
        Ok(form) => form,
        Err(response) => return response,
    };
    let presented = decode::client(&form, presented);
    let id = presented.as_ref().ok().map(|presented| presented.id.clone());
    let grant = form.one("grant_type").ok().flatten().and_then(|grant| Grant::parse(&grant)).map(Grant::as_str);
    let issued = async {
        given(&oauth, &oauth.client(presented?, source.address).await?, &form, &address, source.clone()).await
    };
    match issued.await {
        Ok(issued) => {
            let detail = json!({ "client": id, "grant": grant, "token": issued.id, "scopes": issued.scopes });
            oauth.note("token-issued", &source, detail);
            encode::issued(&issued)
        }
        Err(error) => {
            if let OAuthError::Below(below @ CallError::Internal { internal }) = &error {
                tracing::error!(code = below.code(), internal, "issuing a token failed");
            }
            // Who is no client may have sent a secret in the place of an id.
            let id = id.filter(|_| !matches!(error, OAuthError::InvalidClient));
            oauth.note("token-refused", &source, json!({ "client": id, "grant": grant, "error": error.code() }));
            encode::error(&error)
        }
    }
}

/// The tokens the form asks for.
async fn given(
    oauth: &OAuth,
    client: &Client,
    form: &Form,
    address: &Address,
    source: Source,
) -> Result<muster_core::oauth::Issued, OAuthError> {
    let field = |name| form.one(name).map_err(OAuthError::InvalidRequest);
    let needed = |name, text| field(name)?.ok_or(OAuthError::InvalidRequest(text));
    let grant = needed("grant_type", "grant_type is missing")?;
    let resources = form.many("resource").into_iter().map(|resource| address.inside(resource)).collect::<Vec<_>>();
    let scope = field("scope")?;
    let server = &oauth.server;
    match Grant::parse(&grant).ok_or(OAuthError::UnsupportedGrantType)? {
        Grant::AuthorizationCode => {
            let code = needed("code", "code is missing")?;
            let (redirect_uri, verifier) = (field("redirect_uri")?, field("code_verifier")?);
            server.redeem(client, &code, redirect_uri.as_deref(), verifier.as_deref(), &resources).await
        }
        Grant::RefreshToken => {
            let token = needed("refresh_token", "refresh_token is missing")?;
            server.refresh(client, &token, scope.as_deref(), &resources).await
        }
        Grant::ClientCredentials => server.for_client(client, scope.as_deref(), &resources, &oauth.snapshot()).await,
        Grant::Password => {
            server.check_password_grant(client)?;
            let account = needed("username", "username is missing")?;
            let password = needed("password", "password is missing")?;
            let owned = oauth.log_in(&account, password, source).await?;
            let owned = owned.ok_or(OAuthError::InvalidGrant("the account or the password is wrong"))?;
            server.for_password(client, &owned, scope.as_deref(), &resources, &oauth.snapshot()).await
        }
    }
}

async fn introspect(State(oauth): State<OAuth>, request: Request<Body>) -> Response {
    let presented = authorization::credential(request.headers());
    let source = source(&request, REST);
    let address = Address::of(&oauth, &request);
    let form = match posted(request).await {
        Ok(form) => form,
        Err(response) => return response,
    };
    let token = match form.one("token") {
        Ok(Some(token)) => token,
        Ok(None) => return encode::error(&OAuthError::InvalidRequest("token is missing")),
        Err(text) => return encode::error(&OAuthError::InvalidRequest(text)),
    };
    if let Some(credential) = decode::caller(&presented) {
        return introspect_for_caller(&oauth, credential, source, &token).await;
    }
    let known = async {
        let client = oauth.client(decode::client(&form, presented)?, source.address).await?;
        if !client.confidential {
            return Err(OAuthError::InvalidClient);
        }
        // Others' tokens are no business of a client's: for it, they are not valid.
        let known = oauth.server.introspect(&token).await?;
        Ok(known.filter(|known| known.client_id.as_deref() == Some(client.id.as_str())))
    };
    match known.await {
        Ok(known) => encode::introspection(known.as_ref(), &address.shown),
        Err(error) => encode::error(&error),
    }
}

/// Introspection by an account: a caller who may call the command may use it here.
async fn introspect_for_caller(oauth: &OAuth, credential: Credential, source: Source, token: &str) -> Response {
    let head = Head { source, credential, name: INTROSPECT.to_owned(), version: None, safe: false };
    let outcome = match oauth.dispatcher.admit(head).await {
        Ok(admitted) => admitted.call(Unread::Json(Bytes::from(json!({ "token": token }).to_string()))).await,
        Err(error) => Err(error),
    };
    match outcome {
        Ok(outcome) => encode::json(StatusCode::OK, outcome.text),
        Err(error) => encode::call_error(&error),
    }
}

async fn revoke(State(oauth): State<OAuth>, request: Request<Body>) -> Response {
    let (presented, source) = (authorization::credential(request.headers()), source(&request, OAUTH));
    let form = match posted(request).await {
        Ok(form) => form,
        Err(response) => return response,
    };
    let revoked = async {
        let client = oauth.client(decode::client(&form, presented)?, source.address).await?;
        let token = form.one("token").map_err(OAuthError::InvalidRequest)?;
        let token = token.ok_or(OAuthError::InvalidRequest("token is missing"))?;
        let was_valid = oauth.server.revoke_of(&client, &token).await?;
        oauth.note("token-revoked", &source, json!({ "client": client.id }));
        Ok(was_valid)
    };
    match revoked.await {
        // A token that is not valid is revoked already (RFC 7009 §2.2).
        Ok(_) => encode::json(StatusCode::OK, String::new()),
        Err(error) => encode::error(&error),
    }
}

async fn server_metadata(State(oauth): State<OAuth>, request: Request<Body>) -> Response {
    match *request.method() {
        Method::GET | Method::HEAD => encode::server_metadata(&Address::of(&oauth, &request).settings(&oauth)),
        _ => encode::method_not_allowed("GET, HEAD"),
    }
}

async fn resource_metadata(State(oauth): State<OAuth>, request: Request<Body>) -> Response {
    match *request.method() {
        Method::GET | Method::HEAD => {
            encode::resource_metadata(&Address::of(&oauth, &request).settings(&oauth), Resource::Host)
        }
        _ => encode::method_not_allowed("GET, HEAD"),
    }
}

/// Clients of MCP look for the document of that very address (RFC 9728 §3.1).
async fn mcp_metadata(State(oauth): State<OAuth>, request: Request<Body>) -> Response {
    match *request.method() {
        Method::GET | Method::HEAD => encode::resource_metadata(
            &Address::of(&oauth, &request).settings(&oauth),
            Resource::Mcp { user_scope: true },
        ),
        _ => encode::method_not_allowed("GET, HEAD"),
    }
}
