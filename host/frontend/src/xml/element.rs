//! A tree of elements, and its text.

use std::borrow::Cow;

use super::is_xml_char;

/// What stands in an element.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Node {
    /// Another element.
    Element(Element),
    /// Characters.
    Text(String),
}

/// An element. Prefixes are gone: each name stands in a namespace, which may be empty.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Element {
    namespace: Cow<'static, str>,
    name: Cow<'static, str>,
    /// Attributes without a namespace, and `xml:lang`, in the order given.
    attributes: Vec<(Cow<'static, str>, String)>,
    nodes: Vec<Node>,
}

impl Element {
    /// An empty element.
    pub(crate) fn new(namespace: impl Into<Cow<'static, str>>, name: impl Into<Cow<'static, str>>) -> Self {
        Self { namespace: namespace.into(), name: name.into(), attributes: Vec::new(), nodes: Vec::new() }
    }

    /// The same with an attribute, which it did not have.
    #[must_use]
    pub(crate) fn with(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<String>) -> Self {
        self.attributes.push((name.into(), value.into()));
        self
    }

    /// The same with another element at its end.
    #[must_use]
    pub(crate) fn child(mut self, element: Self) -> Self {
        self.nodes.push(Node::Element(element));
        self
    }

    /// The same with more elements at its end.
    #[must_use]
    pub(crate) fn children(mut self, elements: impl IntoIterator<Item = Self>) -> Self {
        self.nodes.extend(elements.into_iter().map(Node::Element));
        self
    }

    /// The same with characters at its end.
    #[must_use]
    pub(crate) fn text(mut self, text: impl Into<String>) -> Self {
        self.push(Node::Text(text.into()));
        self
    }

    /// Puts something at its end; characters join those before them.
    pub(crate) fn push(&mut self, node: Node) {
        match (self.nodes.last_mut(), node) {
            (Some(Node::Text(before)), Node::Text(text)) => before.push_str(&text),
            (_, node) => self.nodes.push(node),
        }
    }

    /// Its name and attributes alone.
    pub(crate) fn emptied(self) -> Self {
        Self { nodes: Vec::new(), ..self }
    }

    /// Whether it has this name.
    pub(crate) fn is(&self, namespace: &str, name: &str) -> bool {
        self.namespace == namespace && self.name == name
    }

    /// Its name, whatever the namespace.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Its namespace.
    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// An attribute.
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// The elements in it.
    pub(crate) fn elements(&self) -> impl Iterator<Item = &Self> {
        self.nodes.iter().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            Node::Text(_) => None,
        })
    }

    /// The first element of this name in it.
    pub(crate) fn find(&self, namespace: &str, name: &str) -> Option<&Self> {
        self.elements().find(|element| element.is(namespace, name))
    }

    /// The characters directly in it.
    pub(crate) fn own_text(&self) -> Cow<'_, str> {
        let mut texts = self.nodes.iter().filter_map(|node| match node {
            Node::Text(text) => Some(text.as_str()),
            Node::Element(_) => None,
        });
        match (texts.next(), texts.next()) {
            (None, _) => Cow::Borrowed(""),
            (Some(text), None) => Cow::Borrowed(text),
            (Some(first), Some(second)) => Cow::Owned([first, second].into_iter().chain(texts).collect()),
        }
    }

    /// Its text, inside an element of namespace `around`.
    pub(crate) fn write(&self, around: &str) -> String {
        let mut text = String::new();
        self.write_to(around, &mut text);
        text
    }

    // Trees are as deep as what made them allows, so this may call itself.
    fn write_to(&self, around: &str, text: &mut String) {
        self.write_open(around, text);
        if self.nodes.is_empty() {
            // `>` stands there already.
            text.pop();
            text.push_str("/>");
            return;
        }
        for node in &self.nodes {
            match node {
                Node::Element(element) => element.write_to(&self.namespace, text),
                Node::Text(characters) => push_escaped(text, characters),
            }
        }
        text.push_str("</");
        text.push_str(&self.name);
        text.push('>');
    }

    /// The tag that opens it.
    pub(crate) fn write_open(&self, around: &str, text: &mut String) {
        text.push('<');
        text.push_str(&self.name);
        let namespace = (self.namespace != around).then_some(("xmlns", &*self.namespace));
        let attributes = self.attributes.iter().map(|(name, value)| (&**name, value.as_str()));
        for (name, value) in namespace.into_iter().chain(attributes) {
            text.push(' ');
            text.push_str(name);
            text.push_str("=\"");
            push_escaped(text, value);
            text.push('"');
        }
        text.push('>');
    }
}

/// Adds characters so that a reader gets them back, in text and in attributes. Those XML does not have become U+FFFD.
pub(crate) fn push_escaped(text: &mut String, characters: &str) {
    for character in characters.chars() {
        match character {
            '&' => text.push_str("&amp;"),
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            '"' => text.push_str("&quot;"),
            // Readers make a line feed of a carriage return, and a space of both in attributes (XML 1.0 §2.11, §3.3.3).
            '\r' => text.push_str("&#13;"),
            '\n' => text.push_str("&#10;"),
            '\t' => text.push_str("&#9;"),
            character if is_xml_char(character) => text.push(character),
            _ => text.push('\u{fffd}'),
        }
    }
}
