//! XML, in the restricted form that is enough for every wire here (RFC 6120 §11.1): UTF-8, no document types, no entities
//! beyond the five, no processing instructions. What is read is bounded in every direction.
//!
//! [`element`] is the tree, [`reader`] makes trees of bytes as they come.

mod element;
mod reader;

pub(crate) use element::{Element, Node, push_escaped};
pub(crate) use reader::{Bounds, Piece, Reader, XmlError, read_document};

/// The namespace of `xml:lang` (Namespaces in XML 1.0 §3).
pub(crate) const XML_NAMESPACE: &str = rxml::XMLNS_XML;

/// Whether XML 1.0 has the character (§2.2).
pub(crate) fn is_xml_char(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}
