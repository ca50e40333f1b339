//! From bytes, as they come, to trees. What is too large is read past without being kept, so that one element too many
//! does not end a stream others use as well.
//!
//! Names are resolved here, for elements that are kept: the parser's own resolver takes time with the square of the depth,
//! which strangers choose.

use std::borrow::Cow;

use rxml::error::EndOrError;
use rxml::parser::CommentMode;
use rxml::{NcName, Options, Parse, RawEvent, RawParser, RawQName, WithOptions};
use thiserror::Error;

use super::{Element, Node, XML_NAMESPACE};

/// How large an element may be that is kept.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_field_names, reason = "limits are named with their unit, biggest word first")]
pub(crate) struct Bounds {
    /// Its length, in bytes as it comes.
    pub(crate) bytes_max: usize,
    /// Elements in it, itself included.
    pub(crate) elements_max: usize,
    /// Elements around one another, itself included.
    pub(crate) depth_max: usize,
    /// The length of a name or an attribute's value, in bytes. What is longer ends the reading.
    pub(crate) token_bytes_max: usize,
}

/// Most attributes of an element that is kept.
const ATTRIBUTES_MAX: usize = 64;

/// Why bytes cannot be read on.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub(crate) enum XmlError {
    /// They are no XML, or have what the restricted form leaves out.
    #[error("not XML, or not supported (expected UTF-8 without document types and processing instructions): {0}")]
    Malformed(String),
    /// The document is larger than its bounds.
    #[error("too large or too deeply nested")]
    TooLarge,
}

/// Something that was read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Piece {
    /// The element around a stream has opened; it has only its name and attributes.
    Opened(Element),
    /// A whole element.
    Whole(Element),
    /// An element that was larger than its bounds; it has only its name and attributes.
    Oversized(Element),
    /// The element around a stream has closed.
    Closed,
}

/// Reads one document or stream.
#[derive(Debug)]
pub(crate) struct Reader {
    parser: RawParser,
    bounds: Bounds,
    /// Whether elements are read one by one inside of one that stays open.
    is_stream: bool,
    /// The tag that is being read.
    tag: Option<Tag>,
    /// What each open element that is kept declares, outermost first.
    scopes: Vec<Scope>,
    /// The open elements that are kept, outermost first, without the one around a stream.
    stack: Vec<Element>,
    /// The outermost of them, where it is no longer kept.
    oversized: Option<Element>,
    /// Elements that have opened since then and are still open.
    ignored: usize,
    elements: usize,
    bytes: usize,
}

/// A tag that opens an element, as far as it was read.
#[derive(Debug)]
struct Tag {
    name: RawQName,
    scope: Scope,
    /// Attributes that are kept.
    attributes: Vec<(Cow<'static, str>, String)>,
}

/// Namespaces an element declares.
#[derive(Debug, Default)]
struct Scope {
    default: Option<String>,
    prefixed: Vec<(String, String)>,
}

impl Reader {
    /// Reads the elements inside one that stays open.
    pub(crate) fn of_stream(bounds: Bounds) -> Self {
        Self::new(bounds, true)
    }

    fn new(bounds: Bounds, is_stream: bool) -> Self {
        let comments = if is_stream { CommentMode::Reject } else { CommentMode::Discard };
        let options = Options { max_token_length: bounds.token_bytes_max, comments, ..Options::default() };
        Self {
            parser: RawParser::with_options(options),
            bounds,
            is_stream,
            tag: None,
            scopes: Vec::new(),
            stack: Vec::new(),
            oversized: None,
            ignored: 0,
            elements: 0,
            bytes: 0,
        }
    }

    /// Reads on from `bytes`, which become fewer; nothing when more are needed.
    ///
    /// # Errors
    /// When they cannot be read; it makes no sense to go on then.
    pub(crate) fn read(&mut self, bytes: &mut &[u8], at_end: bool) -> Result<Option<Piece>, XmlError> {
        loop {
            match self.parser.parse(bytes, at_end) {
                Ok(Some(event)) => {
                    if let Some(piece) = self.take(event)? {
                        return Ok(Some(piece));
                    }
                }
                Ok(None) | Err(EndOrError::NeedMoreData) => return Ok(None),
                Err(EndOrError::Error(error)) => return Err(XmlError::Malformed(error.to_string())),
            }
        }
    }

    fn take(&mut self, event: RawEvent) -> Result<Option<Piece>, XmlError> {
        if self.stack.is_empty() && self.tag.is_none() && self.oversized.is_none() {
            (self.bytes, self.elements) = (0, 0);
        }
        self.bytes = self.bytes.saturating_add(event.metrics().len());
        if self.oversized.is_some() {
            return Ok(self.ignore(&event));
        }
        match event {
            RawEvent::XmlDeclaration(..) => {}
            RawEvent::ElementHeadOpen(_, name) => {
                self.tag = Some(Tag { name, scope: Scope::default(), attributes: Vec::new() });
            }
            RawEvent::Attribute(_, (prefix, name), value) => {
                if let Some(tag) = &mut self.tag {
                    tag.add(prefix.as_ref().map(NcName::as_str), &name, value)?;
                }
            }
            RawEvent::ElementHeadClose(_) => {
                let Some(tag) = self.tag.take() else { return Ok(None) };
                let is_around = self.is_stream && self.scopes.is_empty();
                let element = self.open(tag)?;
                if is_around {
                    return Ok(Some(Piece::Opened(element)));
                }
                self.elements += 1;
                self.stack.push(element);
            }
            RawEvent::Text(_, text) => {
                if let Some(element) = self.stack.last_mut() {
                    element.push(Node::Text(text));
                }
            }
            RawEvent::ElementFoot(_) => return Ok(self.close()),
        }
        Ok(self.bound())
    }

    /// Reads past an event in an element that is not kept.
    fn ignore(&mut self, event: &RawEvent) -> Option<Piece> {
        match event {
            RawEvent::ElementHeadOpen(..) => self.ignored += 1,
            RawEvent::ElementFoot(_) if self.ignored > 0 => self.ignored -= 1,
            RawEvent::ElementFoot(_) => {
                self.scopes.pop();
                if self.scopes.len() == usize::from(self.is_stream) {
                    return self.oversized.take().map(Piece::Oversized);
                }
            }
            RawEvent::XmlDeclaration(..)
            | RawEvent::Attribute(..)
            | RawEvent::ElementHeadClose(_)
            | RawEvent::Text(..) => {}
        }
        None
    }

    /// Makes an element of its tag.
    fn open(&mut self, tag: Tag) -> Result<Element, XmlError> {
        let Tag { name: (prefix, name), scope, attributes } = tag;
        self.scopes.push(scope);
        let namespace = match prefix.as_ref().map(NcName::as_str) {
            None => self.default_namespace(),
            Some("xml") => XML_NAMESPACE,
            Some(prefix) => {
                let mut declared = self.scopes.iter().rev().flat_map(|scope| &scope.prefixed);
                let found = declared.find(|(own, _)| own == prefix).map(|(_, namespace)| namespace.as_str());
                found.ok_or_else(|| XmlError::Malformed("undeclared namespace prefix".to_owned()))?
            }
        };
        let element = Element::new(owned(namespace), owned(&name));
        Ok(attributes.into_iter().fold(element, |element, (name, value)| element.with(name, value)))
    }

    fn default_namespace(&self) -> &str {
        self.scopes.iter().rev().find_map(|scope| scope.default.as_deref()).unwrap_or_default()
    }

    /// Ends the innermost element.
    fn close(&mut self) -> Option<Piece> {
        self.scopes.pop();
        let Some(element) = self.stack.pop() else { return Some(Piece::Closed) };
        match self.stack.last_mut() {
            Some(parent) => {
                parent.push(Node::Element(element));
                None
            }
            None => Some(Piece::Whole(element)),
        }
    }

    /// Lets go of the outermost element once it is larger than its bounds. A document is not even read to its end then.
    fn bound(&mut self) -> Option<Piece> {
        let Bounds { bytes_max, elements_max, depth_max, token_bytes_max: _ } = self.bounds;
        let attributes = self.tag.as_ref().map_or(0, |tag| tag.attributes.len() + tag.scope.prefixed.len());
        if self.bytes <= bytes_max
            && self.elements <= elements_max
            && self.stack.len() <= depth_max
            && attributes <= ATTRIBUTES_MAX
        {
            return None;
        }
        // Of an element whose tag alone is too large, that much is known.
        if let Some(Tag { name: (prefix, name), scope, attributes }) = self.tag.take() {
            self.scopes.push(scope);
            if self.stack.is_empty() {
                let namespace = if prefix.is_none() { self.default_namespace() } else { "" };
                let element = Element::new(owned(namespace), owned(&name));
                self.stack
                    .push(attributes.into_iter().fold(element, |element, (name, value)| element.with(name, value)));
            }
        }
        let outermost = std::mem::take(&mut self.stack).into_iter().next()?.emptied();
        if !self.is_stream {
            return Some(Piece::Oversized(outermost));
        }
        self.oversized = Some(outermost);
        None
    }
}

impl Tag {
    fn add(&mut self, prefix: Option<&str>, name: &str, value: String) -> Result<(), XmlError> {
        let twice = || XmlError::Malformed("duplicate attribute".to_owned());
        match (prefix, name) {
            (None, "xmlns") => {
                if self.scope.default.replace(value).is_some() {
                    return Err(twice());
                }
            }
            (Some("xmlns"), prefix) => {
                if self.scope.prefixed.iter().any(|(own, _)| own == prefix) {
                    return Err(twice());
                }
                self.scope.prefixed.push((prefix.to_owned(), value));
            }
            (None, name) => {
                if self.attributes.iter().any(|(own, _)| own == name) {
                    return Err(twice());
                }
                self.attributes.push((owned(name), value));
            }
            (Some("xml"), "lang") => self.attributes.push((Cow::Borrowed("xml:lang"), value)),
            // No other attribute with a prefix means anything here.
            (Some(_), _) => {}
        }
        Ok(())
    }
}

/// Reads a whole document.
///
/// # Errors
/// When it is no XML, not whole, or larger than its bounds.
pub(crate) fn read_document(mut bytes: &[u8], bounds: Bounds) -> Result<Element, XmlError> {
    let mut reader = Reader::new(bounds, false);
    let mut document = None;
    while let Some(piece) = reader.read(&mut bytes, true)? {
        match piece {
            Piece::Whole(element) => document = Some(element),
            Piece::Oversized(_) => return Err(XmlError::TooLarge),
            Piece::Opened(_) | Piece::Closed => {}
        }
        // The parser says so when something stands behind the document.
    }
    document.ok_or_else(|| XmlError::Malformed("the document is incomplete".to_owned()))
}

fn owned(text: &str) -> Cow<'static, str> {
    if text.is_empty() { Cow::Borrowed("") } else { Cow::Owned(text.to_owned()) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOUNDS: Bounds = Bounds { bytes_max: 400, elements_max: 10, depth_max: 4, token_bytes_max: 100 };

    #[track_caller]
    fn check(text: &str, expected: Result<&str, &str>) {
        let read = read_document(text.as_bytes(), BOUNDS).map(|element| element.write(""));
        match (read, expected) {
            (Ok(read), Ok(expected)) => assert_eq!(read, expected),
            (Err(error), Err(expected)) => assert!(error.to_string().contains(expected), "{text}: {error}"),
            (read, expected) => panic!("{text}: {read:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn documents_are_read_whole_or_not_at_all() {
        check("<a/>", Ok("<a/>"));
        check("<?xml version='1.0'?>\n<a b='1'>x<!-- y -->z</a>\n", Ok("<a b=\"1\">xz</a>"));
        check("<a xmlns='n'><b/><c xmlns=''/></a>", Ok("<a xmlns=\"n\"><b/><c xmlns=\"\"/></a>"));
        check("<p:a xmlns:p='n' p:q='1' r='2'/>", Ok("<a xmlns=\"n\" r=\"2\"/>"));
        check("<a>&lt;&#65;<![CDATA[<&]]>&#13;&#x1F600;</a>", Ok("<a>&lt;A&lt;&amp;&#13;\u{1f600}</a>"));
        for text in
            ["", " ", "<a>", "<a></b>", "<a/><b/>", "<a/>x", "x<a/>", "<p:a/>", "<a b='1' b='2'/>", "<a>\u{0}</a>"]
        {
            check(text, Err("not XML"));
        }
        for text in ["<!DOCTYPE a><a/>", "<?php x?><a/>", "<a>&b;</a>", "<a>&#0;</a>", "<a>&#xD800;</a>"] {
            check(text, Err("not XML"));
        }
        check("<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>", Err("not XML"));
    }

    #[test]
    fn bounds_hold_at_their_edges() {
        let nested = |depth: usize| format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
        let broad = |count: usize| format!("<r>{}</r>", "<a/>".repeat(count - 1));
        let long = |bytes: usize| format!("<r>{}</r>", "x".repeat(bytes - 7));
        for (text, fits) in [
            (nested(4), true),
            (nested(5), false),
            (nested(100_000), false),
            (broad(10), true),
            (broad(11), false),
            (long(400), true),
            (long(410), false),
        ] {
            let read = read_document(text.as_bytes(), BOUNDS);
            assert_eq!(read.is_ok(), fits, "{} bytes: {read:?}", text.len());
            assert!(fits || read == Err(XmlError::TooLarge));
        }
    }

    #[test]
    fn a_stream_goes_on_behind_what_is_too_large() {
        let deep = format!("{}{}", "<a>".repeat(100_000), "</a>".repeat(100_000));
        let (broad, long) = ("<a/>".repeat(20), "t".repeat(50));
        let many = (0..=ATTRIBUTES_MAX).map(|number| format!(" a{number}='1'")).collect::<Vec<_>>().concat();
        let text = format!(
            "<s a='1'> <x/><y id='7'>{broad}</y>\n<y id='8' xmlns='n'>{deep}</y><i id='9' xmlns='n'{many}><a/></i><z>{long}</z></s>"
        );
        let mut reader = Reader::of_stream(BOUNDS);
        let mut pieces = Vec::new();
        // Byte by byte, as a network may give it.
        for byte in text.as_bytes() {
            let mut bytes = std::slice::from_ref(byte);
            while let Some(piece) = reader.read(&mut bytes, false).unwrap() {
                pieces.push(piece);
            }
        }
        let shown: Vec<String> = pieces
            .iter()
            .map(|piece| match piece {
                Piece::Opened(element) => format!("opened {}", element.write("")),
                Piece::Whole(element) => element.write(""),
                Piece::Oversized(element) => format!("oversized {}", element.write("")),
                Piece::Closed => "closed".to_owned(),
            })
            .collect();
        let long = format!("<z>{}</z>", "t".repeat(50));
        let nine = "oversized <i xmlns=\"n\" id=\"9\"";
        assert!(shown.iter().any(|shown| shown.starts_with(nine)), "{shown:?}");
        let shown: Vec<&str> = shown.iter().map(String::as_str).filter(|shown| !shown.starts_with(nine)).collect();
        let (seven, eight) = ("oversized <y id=\"7\"/>", "oversized <y xmlns=\"n\" id=\"8\"/>");
        assert_eq!(shown, ["opened <s a=\"1\"/>", "<x/>", seven, eight, &long, "closed"]);
    }

    fn elements() -> impl Strategy<Value = Element> {
        let names = prop::sample::select(vec!["a", "b", "c-d"]);
        let leaf = (names.clone(), ".*").prop_map(|(name, text)| {
            let element = Element::new(if name == "a" { "" } else { "n" }, name).with("k", text.clone());
            if text.is_empty() { element } else { element.text(text) }
        });
        leaf.prop_recursive(4, 16, 4, move |inner| {
            (names.clone(), prop::collection::vec(inner, 0..4))
                .prop_map(|(name, children)| Element::new("m", name).children(children))
        })
    }

    fn clean(text: &str) -> String {
        text.chars().map(|c| if super::super::is_xml_char(c) { c } else { '\u{fffd}' }).collect()
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(element in elements()) {
            let bounds = Bounds { bytes_max: 1 << 20, elements_max: 1000, depth_max: 32, token_bytes_max: 1 << 16 };
            let text = element.write("");
            let read = read_document(text.as_bytes(), bounds).unwrap();
            prop_assert_eq!(read.write(""), clean(&text));
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(prop::sample::select(b"<>/?!&;='\"[]ab x\n\xc3\x00".to_vec()), 0..200)) {
            let _ = read_document(&bytes, BOUNDS);
        }
    }
}
