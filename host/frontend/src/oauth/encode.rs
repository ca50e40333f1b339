//! From the authorization server's answers to HTTP responses.

use axum::body::Body;
use axum::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, PRAGMA, REFERRER_POLICY, RETRY_AFTER,
    SET_COOKIE, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use muster_core::error::CallError;
use muster_core::oauth::{ADMIN_SCOPE, Grant, Holder, Introspection, Issued, OAuthError, Settings};
use muster_core::permission::same_scope;
use serde_json::{Value, json};

use super::decode::FormRefusal;
use super::form_key::PAGE_TIME_MAX;
use crate::http::authorization::BASIC_CHALLENGE;
use crate::http::problem::Resource;

fn response(status: StatusCode, kind: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    for (name, value) in [
        (CONTENT_TYPE, kind),
        (CACHE_CONTROL, "no-store"),
        (PRAGMA, "no-cache"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Not `no-referrer`: with that, a browser does not say either where a form comes from.
        (REFERRER_POLICY, "same-origin"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

fn set(response: &mut Response, name: HeaderName, value: &str) {
    // Every part of these values was checked to be visible ASCII.
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().append(name, value);
    }
}

/// JSON, or nothing.
pub(super) fn json(status: StatusCode, text: String) -> Response {
    response(status, "application/json", text)
}

/// Tokens (RFC 6749 §5.1).
pub(super) fn issued(issued: &Issued) -> Response {
    let mut body = json!({
        "access_token": issued.access, "token_type": "Bearer", "expires_in": issued.expires_in_seconds,
        "scope": issued.scopes.join(" "),
    });
    if let (Some(body), Some(refresh)) = (body.as_object_mut(), &issued.refresh) {
        body.insert("refresh_token".to_owned(), json!(refresh));
    }
    json(StatusCode::OK, body.to_string())
}

fn error_body(code: &str, description: &str) -> String {
    json!({ "error": code, "error_description": description }).to_string()
}

/// A failure (RFC 6749 §5.2).
pub(super) fn error(error: &OAuthError) -> Response {
    let status = match error {
        OAuthError::InvalidClient => StatusCode::UNAUTHORIZED,
        OAuthError::Below(CallError::Throttled { .. } | CallError::RateLimited { .. }) => StatusCode::TOO_MANY_REQUESTS,
        OAuthError::Below(CallError::Unavailable(_) | CallError::TooManyCalls) => StatusCode::SERVICE_UNAVAILABLE,
        OAuthError::Below(_) => StatusCode::INTERNAL_SERVER_ERROR,
        OAuthError::InvalidRequest(_)
        | OAuthError::InvalidGrant(_)
        | OAuthError::UnauthorizedClient(_)
        | OAuthError::UnsupportedGrantType
        | OAuthError::UnsupportedResponseType
        | OAuthError::NotSupported(_)
        | OAuthError::InvalidScope(_)
        | OAuthError::InvalidTarget(_)
        | OAuthError::AccessDenied(_) => StatusCode::BAD_REQUEST,
    };
    let mut response = json(status, error_body(error.code(), &error.description()));
    if status == StatusCode::UNAUTHORIZED {
        set(&mut response, WWW_AUTHENTICATE, BASIC_CHALLENGE);
    }
    if let OAuthError::Below(below) = error {
        retry_after(&mut response, below);
    }
    response
}

/// Says when it makes sense to try again, where it does.
fn retry_after(response: &mut Response, error: &CallError) {
    if let Some(seconds) = error.retry_after_s() {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
}

/// A request that is no form.
pub(super) fn unreadable(refusal: &FormRefusal) -> Response {
    let status = match refusal {
        FormRefusal::Type => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        FormRefusal::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        FormRefusal::Slow => StatusCode::REQUEST_TIMEOUT,
        FormRefusal::Unreadable(_) => StatusCode::BAD_REQUEST,
    };
    json(status, error_body("invalid_request", refusal.text()))
}

/// The error of a command for a caller that is not an OAuth client (RFC 6750 §3.1).
#[expect(clippy::wildcard_enum_match_arm, reason = "two failures have words of their own here")]
pub(super) fn call_error(error: &CallError) -> Response {
    let (status, code) = match error {
        CallError::Unauthenticated { .. } => (StatusCode::UNAUTHORIZED, "invalid_token"),
        CallError::Throttled { .. } | CallError::RateLimited { .. } => {
            (StatusCode::TOO_MANY_REQUESTS, "temporarily_unavailable")
        }
        CallError::Forbidden { .. } | CallError::UnknownCommand(_) => (StatusCode::FORBIDDEN, "insufficient_scope"),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable"),
    };
    let mut response = json(status, error_body(code, &error.detail()));
    if status == StatusCode::UNAUTHORIZED {
        set(&mut response, WWW_AUTHENTICATE, "Bearer realm=\"muster\", error=\"invalid_token\"");
        set(&mut response, WWW_AUTHENTICATE, BASIC_CHALLENGE);
    }
    retry_after(&mut response, error);
    response
}

/// What is known about a token (RFC 7662 §2.2).
pub(super) fn introspection(known: Option<&Introspection>, issuer: &str) -> Response {
    let Some(known) = known else { return json(StatusCode::OK, json!({ "active": false }).to_string()) };
    let mut body = json!({
        "active": true, "scope": known.scopes.join(" "), "client_id": known.client_id, "aud": known.audience,
        "iss": issuer, "iat": known.issued_seconds, "exp": known.expires_seconds,
    });
    let more = match &known.holder {
        Holder::Account(account) => vec![("sub", json!(account.as_str())), ("username", json!(account.as_str()))],
        Holder::Client(client) => vec![("sub", json!(client))],
    };
    let kind = (!known.is_refresh).then(|| ("token_type", json!("Bearer")));
    if let Some(body) = body.as_object_mut() {
        body.extend(more.into_iter().chain(kind).map(|(name, value)| (name.to_owned(), value)));
    }
    json(StatusCode::OK, body.to_string())
}

/// The wrong method.
pub(super) fn method_not_allowed(allow: &'static str) -> Response {
    let text = format!("use one of {allow}");
    let mut response = json(StatusCode::METHOD_NOT_ALLOWED, error_body("invalid_request", &text));
    set(&mut response, ALLOW, allow);
    response
}

/// A page for a person. `form_target`: where its form may lead beside this server.
pub(super) fn page(status: StatusCode, html: String, form_target: &str) -> Response {
    let mut response = response(status, "text/html; charset=utf-8", html);
    let policy = format!(
        "default-src 'none'; style-src 'self'; form-action 'self' {form_target}; frame-ancestors 'none'; base-uri 'none'"
    );
    set(&mut response, CONTENT_SECURITY_POLICY, policy.replace(" ;", ";").as_str());
    set(&mut response, X_FRAME_OPTIONS, "DENY");
    response
}

/// How pages look.
pub(super) fn style(css: &'static str) -> Response {
    let mut response = response(StatusCode::OK, "text/css; charset=utf-8", css);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("max-age=3600"));
    response.headers_mut().remove(PRAGMA);
    response
}

/// Name of the cookie that goes with a page. Over TLS, one no other host can plant (RFC 6265bis §4.1.3).
pub(super) fn cookie_name(secure: bool) -> &'static str {
    if secure { "__Host-muster-form" } else { "muster-form" }
}

/// Gives the browser the cookie that goes with a page.
pub(super) fn set_cookie(response: &mut Response, value: &str, secure: bool) {
    let (name, seconds) = (cookie_name(secure), PAGE_TIME_MAX.as_secs());
    let secure = if secure { "; Secure" } else { "" };
    let cookie = format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    set(response, SET_COOKIE, &cookie);
}

/// Sends the browser back to the client (RFC 6749 §4.1.2, RFC 9207), by 303, so that a password is not sent along
/// (RFC 9700 §4.12).
pub(super) fn redirect(uri: &str, parts: &[(&str, &str)], state: Option<&str>, issuer: &str) -> Response {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(parts);
    query.extend_pairs(state.map(|state| ("state", state)));
    query.append_pair("iss", issuer);
    let between = if uri.contains('?') { '&' } else { '?' };
    let mut response = response(StatusCode::SEE_OTHER, "text/plain; charset=utf-8", Body::empty());
    set(&mut response, LOCATION, &format!("{uri}{between}{}", query.finish()));
    response
}

fn metadata(value: &Value) -> Response {
    let mut response = json(StatusCode::OK, value.to_string());
    // Every program may read it, also a page of another site.
    set(&mut response, HeaderName::from_static("access-control-allow-origin"), "*");
    response
}

/// The document of RFC 8414 §2.
pub(super) fn server_metadata(settings: &Settings) -> Response {
    let issuer = &settings.issuer;
    let grants = Grant::ALL.into_iter().filter(|grant| *grant != Grant::Password || settings.password_grant);
    let methods = json!(["client_secret_basic", "client_secret_post", "none"]);
    metadata(&json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/oauth/authorize"),
        "token_endpoint": format!("{issuer}/oauth/token"),
        "introspection_endpoint": format!("{issuer}/oauth/introspect"),
        "revocation_endpoint": format!("{issuer}/oauth/revoke"),
        "scopes_supported": settings.scopes(),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": grants.map(Grant::as_str).collect::<Vec<_>>(),
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_methods_supported": methods,
        "introspection_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "authorization_response_iss_parameter_supported": true,
    }))
}

/// The document of RFC 9728 §2 about this host, or about what is at `/mcp`.
pub(super) fn resource_metadata(settings: &Settings, resource: Resource) -> Response {
    let (path, scopes) = match resource {
        Resource::Host => ("", settings.scopes()),
        // Clients may ask for whatever stands here, and no assistant should ask for everything without being told to.
        Resource::Mcp { .. } => {
            ("/mcp", settings.scopes().into_iter().filter(|scope| !same_scope(ADMIN_SCOPE, scope)).collect())
        }
    };
    metadata(&json!({
        "resource": format!("{}{path}", settings.issuer),
        "authorization_servers": [settings.issuer],
        "bearer_methods_supported": ["header"],
        "scopes_supported": scopes,
        "resource_name": "Muster",
    }))
}
