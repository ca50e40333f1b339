//! From bytes, as they come, to trees. What is too large is read past without being kept, so that one element too many
//! does not end a stream others use as well.

use std::borrow::Cow;

use rxml::error::EndOrError;
use rxml::parser::CommentMode;
use rxml::{Event, Options, Parse, Parser, WithOptions};
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

/// Why bytes cannot be read on.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub(crate) enum XmlError {
    /// They are no XML, or have what the restricted form leaves out.
    #[error("not XML as it is taken here (UTF-8, without document types and processing instructions): {0}")]
    Malformed(String),
    /// The document is larger than its bounds.
    #[error("more, or more deeply nested, than is taken")]
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
    parser: Parser,
    bounds: Bounds,
    /// Whether elements are read one by one inside of one that stays open.
    is_stream: bool,
    is_open: bool,
    /// The elements that are open and kept, outermost first.
    stack: Vec<Element>,
    /// The outermost element, where it is no longer kept.
    oversized: Option<Element>,
    depth: usize,
    elements: usize,
    bytes: usize,
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
            parser: Parser::with_options(options),
            bounds,
            is_stream,
            is_open: false,
            stack: Vec::new(),
            oversized: None,
            depth: 0,
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
                    if let Some(piece) = self.take(event) {
                        return Ok(Some(piece));
                    }
                }
                Ok(None) | Err(EndOrError::NeedMoreData) => return Ok(None),
                Err(EndOrError::Error(error)) => return Err(XmlError::Malformed(error.to_string())),
            }
        }
    }

    fn take(&mut self, event: Event) -> Option<Piece> {
        self.bytes = self.bytes.saturating_add(event.metrics().len());
        match event {
            Event::XmlDeclaration(..) => None,
            Event::StartElement(metrics, (namespace, name), attributes) => {
                let mut element = Element::new(owned(&namespace), owned(&name));
                for ((namespace, name), value) in attributes {
                    if namespace.is_empty() {
                        element = element.with(owned(&name), value);
                    } else if *namespace == *XML_NAMESPACE && *name == *"lang" {
                        element = element.with("xml:lang", value);
                    }
                }
                if self.is_stream && !self.is_open {
                    self.is_open = true;
                    return Some(Piece::Opened(element));
                }
                if self.depth == 0 {
                    (self.bytes, self.elements) = (metrics.len(), 0);
                }
                self.depth += 1;
                self.elements += 1;
                if self.oversized.is_none() {
                    self.stack.push(element);
                }
                self.bound();
                None
            }
            Event::Text(_, text) => {
                self.bound();
                if let Some(element) = self.stack.last_mut() {
                    element.push(Node::Text(text));
                }
                None
            }
            Event::EndElement(_) => self.end(),
        }
    }

    fn end(&mut self) -> Option<Piece> {
        if self.depth == 0 {
            return Some(Piece::Closed);
        }
        self.depth -= 1;
        if self.depth == 0
            && let Some(element) = self.oversized.take()
        {
            return Some(Piece::Oversized(element));
        }
        let element = self.stack.pop()?;
        match self.stack.last_mut() {
            Some(parent) => {
                parent.push(Node::Element(element));
                None
            }
            None => Some(Piece::Whole(element)),
        }
    }

    /// Lets go of the outermost element once it is larger than its bounds.
    fn bound(&mut self) {
        let Bounds { bytes_max, elements_max, depth_max, token_bytes_max: _ } = self.bounds;
        if self.bytes > bytes_max || self.elements > elements_max || self.depth > depth_max {
            let outermost = std::mem::take(&mut self.stack).into_iter().next();
            if let Some(outermost) = outermost {
                self.oversized = Some(outermost.emptied());
            }
        }
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
    document.ok_or_else(|| XmlError::Malformed("it ends before its first element does".to_owned()))
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
        let text = format!("<s a='1'> <x/><y id='7'>{}</y>\n<z>{}</z></s>", "<a/>".repeat(20), "t".repeat(50));
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
        assert_eq!(shown, ["opened <s a=\"1\"/>", "<x/>", "oversized <y id=\"7\"/>", &long, "closed"]);
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
