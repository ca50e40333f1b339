//! Markdown to HTML that is safe to show beside other people's.
//!
//! `CommonMark` lets raw HTML through, and links to anything. Here raw HTML is text or nothing, and links and images lead
//! to the web, to mail or telephone, to XMPP, or within the page.

use std::borrow::Cow;

use muster_sdk::command;
use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, html};

/// Where a link may lead. `javascript:` and `data:` run code in the browser of the reader.
const SCHEMES: [&str; 5] = ["http", "https", "mailto", "tel", "xmpp"];

/// What becomes of HTML tags in the Markdown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[muster_sdk::data]
#[serde(rename_all = "lowercase")]
pub(crate) enum RawHtml {
    /// They are shown as they are written.
    #[default]
    Escape,
    /// They disappear; the text between them stays.
    Drop,
}

/// HTML text.
#[derive(Debug)]
#[muster_sdk::data]
#[serde(transparent)]
#[schemars(extend("contentMediaType" = "text/html"))]
pub(crate) struct Html(String);

/// Turns Markdown into HTML
///
/// Understands `CommonMark` with tables, task lists, footnotes and ~~strikethrough~~. The result is a fragment without
/// `<html>` and `<body>`. It holds no tag or script of the author's: raw HTML is escaped or dropped, and links with a
/// scheme other than `http`, `https`, `mailto`, `tel` and `xmpp` lead nowhere.
#[command(
    tags("text"), effects(read_only, idempotent), audience = "user",
    example("A list", input = {"markdown": "- *one*\n- two"},
            output = "<ul>\n<li><em>one</em></li>\n<li>two</li>\n</ul>\n"),
    example("Raw HTML is shown, not run", input = {"markdown": "<b>hi</b>"}, output = "<p>&lt;b&gt;hi&lt;/b&gt;</p>\n"),
    example("Raw HTML is dropped", input = {"markdown": "<b>hi</b>", "raw_html": "drop"}, output = "<p>hi</p>\n"),
)]
pub(crate) fn render_markdown(
    /// The Markdown.
    #[schemars(length(max = 262_144))]
    markdown: String,
    /// What becomes of HTML tags in it.
    #[serde(default)]
    raw_html: RawHtml,
) -> Html {
    let extensions =
        Options::ENABLE_TABLES | Options::ENABLE_TASKLISTS | Options::ENABLE_FOOTNOTES | Options::ENABLE_STRIKETHROUGH;
    let events = Parser::new_ext(&markdown, extensions).filter_map(|event| tame(event, raw_html));
    // HTML is somewhat longer than its Markdown.
    let mut text = String::with_capacity(markdown.len() + markdown.len() / 2);
    html::push_html(&mut text, events);
    Html(text)
}

/// The event without what could act in a browser.
fn tame(event: Event<'_>, raw_html: RawHtml) -> Option<Event<'_>> {
    match event {
        Event::Html(text) | Event::InlineHtml(text) => match raw_html {
            RawHtml::Escape => Some(Event::Text(text)),
            RawHtml::Drop => None,
        },
        Event::Start(Tag::Link { link_type, dest_url, title, id }) => {
            Some(Event::Start(Tag::Link { link_type, dest_url: harmless(dest_url), title, id }))
        }
        Event::Start(Tag::Image { link_type, dest_url, title, id }) => {
            Some(Event::Start(Tag::Image { link_type, dest_url: harmless(dest_url), title, id }))
        }
        Event::Start(_)
        | Event::End(_)
        | Event::Text(_)
        | Event::Code(_)
        | Event::InlineMath(_)
        | Event::DisplayMath(_)
        | Event::FootnoteReference(_)
        | Event::SoftBreak
        | Event::HardBreak
        | Event::Rule
        | Event::TaskListMarker(_) => Some(event),
    }
}

/// The address, or nothing when its scheme is not one of [`SCHEMES`].
fn harmless(address: CowStr<'_>) -> CowStr<'_> {
    // Browsers skip control characters and spaces when they look for the scheme, so the test does too.
    let skipped = |c: char| c.is_ascii_control() || c.is_whitespace();
    let seen: Cow<'_, str> =
        if address.contains(skipped) { address.replace(skipped, "").into() } else { Cow::Borrowed(&address) };
    let before_path = seen.split(['/', '?', '#']).next().unwrap_or_default();
    match before_path.split_once(':') {
        Some((scheme, _)) if !SCHEMES.iter().any(|known| scheme.eq_ignore_ascii_case(known)) => CowStr::Borrowed(""),
        Some(_) | None => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(markdown: &str, html: &str) {
        assert_eq!(render_markdown(markdown.into(), RawHtml::Escape).0, html);
    }

    #[test]
    fn raw_html_never_acts() {
        check("<script>x</script>", "&lt;script&gt;x&lt;/script&gt;");
        check("a <img src=x onerror=y> b", "<p>a &lt;img src=x onerror=y&gt; b</p>\n");
        let dropped = render_markdown("a <img src=x onerror=y> b".into(), RawHtml::Drop).0;
        assert_eq!(dropped, "<p>a  b</p>\n");
    }

    #[test]
    fn links_lead_to_known_schemes_only() {
        check("[a](https://example.org/)", "<p><a href=\"https://example.org/\">a</a></p>\n");
        check("[a](xmpp:ann@example.org)", "<p><a href=\"xmpp:ann@example.org\">a</a></p>\n");
        check("[a](page?q=a:b)", "<p><a href=\"page?q=a:b\">a</a></p>\n");
        check("[a](#top)", "<p><a href=\"#top\">a</a></p>\n");
        check("[a](javascript:x)", "<p><a href=\"\">a</a></p>\n");
        check("[a](JavaScript&colon;x)", "<p><a href=\"\">a</a></p>\n");
        check("[a](java&#10;script:x)", "<p><a href=\"\">a</a></p>\n");
        check("[a](&#1;javascript:x)", "<p><a href=\"\">a</a></p>\n");
        check("![a](data:text/html,x)", "<p><img src=\"\" alt=\"a\" /></p>\n");
        check("<javascript:x>", "<p><a href=\"\">javascript:x</a></p>\n");
    }

    #[test]
    fn extensions_are_on() {
        check("~~a~~", "<p><del>a</del></p>\n");
        check("|a|\n|-|\n", "<table><thead><tr><th>a</th></tr></thead><tbody>\n</tbody></table>\n");
    }
}
