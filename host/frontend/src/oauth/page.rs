//! The pages people see: plain HTML that works without scripts, in any browser, for any reader.
//!
//! Every text that is not from this file goes through [`escape`]: names of clients, summaries of commands (a plugin's
//! author wrote them) and everything a request brought.

use std::fmt::Write as _;

use axum::http::StatusCode;
use muster_core::oauth::{Consent, ScopeInWords, redirect_host, scope_in_words};
use muster_core::registry::Snapshot;

use super::decode::Authorization;

/// How pages look; served as a file of its own, so that no page needs a style in place.
pub(super) const STYLE: &str = include_str!("style.css");

/// Why the page is shown once more.
pub(super) struct FormError<'a> {
    /// The account, as it was typed.
    pub(super) account: &'a str,
    /// What went wrong.
    pub(super) text: &'a str,
    pub(super) status: StatusCode,
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // Such characters turn the direction of what follows, and make a host look like another.
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

fn document(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{}</title>\n<link rel=\"stylesheet\" href=\"/oauth/style.css\">\n</head>\n\
         <body>\n<main>\n{body}</main>\n</body>\n</html>\n",
        escape(title)
    )
}

/// Tells a person why nothing can be asked of them.
pub(super) fn refusal(text: &str) -> String {
    let body = format!("<h1>Error</h1>\n<p role=\"alert\">{}.</p>\n", escape(text));
    document("Error", &body)
}

/// Asks a person to log in and consent.
pub(super) fn consent(
    consent: &Consent,
    authorization: &Authorization,
    snapshot: &Snapshot,
    key: &str,
    mishap: Option<&FormError<'_>>,
) -> String {
    let name = escape(&consent.client.name);
    let host = escape(&redirect_host(&consent.redirect_uri));
    let scopes: String = consent
        .scopes
        .iter()
        .map(|scope| item(&scope_in_words(scope, snapshot.iter().map(|registered| &registered.command))))
        .collect();
    let mut hidden = String::new();
    for (name, value) in authorization.fields().into_iter().chain([("key", key)]) {
        // Writing to a string does not fail.
        let _ = writeln!(hidden, "<input type=\"hidden\" name=\"{name}\" value=\"{}\">", escape(value));
    }
    let (alert, account, described) = match mishap {
        Some(FormError { account, text, .. }) => (
            format!("<p id=\"mishap\" class=\"mishap\" role=\"alert\">{}</p>\n", escape(text)),
            escape(account),
            " aria-describedby=\"mishap\" aria-invalid=\"true\"",
        ),
        None => (String::new(), String::new(), ""),
    };
    let body = format!(
        "<h1>{name} requests access to this server as you</h1>\n\
         <p>If you allow it, your browser returns to <strong>{host}</strong>, and {name} may:</p>\n\
         <ul class=\"scopes\">\n{scopes}</ul>\n\
         <form method=\"post\" action=\"/oauth/authorize\" autocomplete=\"on\">\n{hidden}{alert}\
         <p><label for=\"account\">Account</label>\n\
         <input id=\"account\" name=\"account\" type=\"text\" value=\"{account}\" placeholder=\"name@host\" \
         autocomplete=\"username\" autocapitalize=\"none\" spellcheck=\"false\" maxlength=\"2047\" autofocus{described}></p>\n\
         <p><label for=\"password\">Password</label>\n\
         <input id=\"password\" name=\"password\" type=\"password\" autocomplete=\"current-password\" \
         maxlength=\"1024\"{described}></p>\n\
         <p class=\"buttons\"><button name=\"decision\" value=\"allow\">Log in and allow</button>\n\
         <button name=\"decision\" value=\"deny\">Deny</button></p>\n\
         </form>\n\
         <p class=\"note\">Enter your password only if you trust the address of this page. {name} does not see it. \
         The access ends when you change your password.</p>\n"
    );
    document(&format!("{} requests access to this server", consent.client.name), &body)
}

fn item(scope: &ScopeInWords) -> String {
    let mut item = format!("<li>{} <code>{}</code>", escape(&scope.words), escape(&scope.scope));
    if !scope.commands.is_empty() {
        item.push_str("\n<ul>\n");
        for (name, summary) in &scope.commands {
            // Writing to a string does not fail.
            let _ = writeln!(item, "<li>{} <code>{}</code></li>", escape(summary), escape(name));
        }
        item.push_str("</ul>");
    }
    item.push_str("</li>\n");
    item
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_others_is_markup() {
        assert_eq!(escape("<b a=\"'&\">"), "&lt;b a=&quot;&#39;&amp;&quot;&gt;");
        assert_eq!(escape("gro.elpmaxe\u{202e}"), "gro.elpmaxe\u{fffd}");
    }
}
