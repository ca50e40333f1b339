//! From a body to a call: the method, the credential that may stand in the first parameter, and the arguments. Everything
//! here is outside text: nothing panics, all is bounded.

use std::borrow::Cow;

use muster_core::authn::Credential;
use muster_core::schema::{DEPTH_MAX, Schema};
use serde_json::{Map, Value};

use super::fault::Fault;
use super::value::{self, members, only_element};
use crate::xml::{Bounds, Element, read_document};

/// Most elements of a call: each costs some hundred bytes, before the caller is known.
pub(super) const ELEMENTS_MAX: usize = 65_536;
/// Longest name of an element, in bytes.
const TOKEN_BYTES_MAX: usize = 1024;
/// Elements around one value, for each level of nesting: `struct`, `member`, `value`, or `array`, `data`, `value`.
const ELEMENTS_PER_LEVEL: usize = 3;
/// Elements around the first value: `methodCall`, `params`, `param`, `value`, and one for its type.
const ELEMENTS_AROUND: usize = 5;
/// Longest XML declaration, in bytes.
const DECLARATION_BYTES_MAX: usize = 200;

/// A call, as it was sent.
#[derive(Debug)]
pub(super) struct MethodCall {
    /// What is called.
    pub(super) method: String,
    document: Element,
}

impl MethodCall {
    /// Reads a body.
    ///
    /// # Errors
    /// When it is no XML, or XML that is no call.
    pub(super) fn read(body: &[u8]) -> Result<Self, Fault> {
        let body = in_utf8(body)?;
        let bounds = Bounds {
            bytes_max: body.len(),
            elements_max: ELEMENTS_MAX,
            depth_max: ELEMENTS_AROUND + ELEMENTS_PER_LEVEL * DEPTH_MAX,
            token_bytes_max: TOKEN_BYTES_MAX,
        };
        let document = read_document(&body, bounds).map_err(|error| Fault::not_xml(error.to_string()))?;
        let method = document.find("", "methodName").filter(|_| document.name() == "methodCall");
        let method = method.ok_or_else(|| Fault::invalid("a call must be a `methodCall` with a `methodName`"))?;
        Ok(Self { method: method.own_text().trim().to_owned(), document })
    }

    /// The parameters, each a `value`.
    fn values<'a>(&'a self) -> Result<Vec<&'a Element>, Fault> {
        let value = |param: &'a Element| {
            let value = only_element(param, "param")?.filter(|one| param.name() == "param" && one.name() == "value");
            value.ok_or_else(|| Fault::shape("`params` must contain `param`s with one `value` each"))
        };
        self.document.find("", "params").into_iter().flat_map(Element::elements).map(value).collect()
    }

    /// Who says to be calling: by the first parameter, or by what was `presented` with the request itself.
    ///
    /// # Errors
    /// When the parameters are no values.
    pub(super) fn login(&self, presented: Credential) -> Result<Login, Fault> {
        let values = self.values()?;
        let own = values.first().map(|first| login(first)).transpose()?.flatten();
        Ok(match (own, presented) {
            // What stands alone beside a header could be arguments of the same names.
            (Some(_), presented @ (Credential::Basic { .. } | Credential::Bearer(_) | Credential::Unusable)) => {
                if values.len() == 1 {
                    Login { credential: presented, is_parameter: false }
                } else {
                    Login { credential: Credential::Unusable, is_parameter: true }
                }
            }
            (Some(credential), _) => Login { credential, is_parameter: true },
            (None, credential) => Login { credential, is_parameter: false },
        })
    }

    /// The one parameter, beside that of a login; nothing when there is none.
    fn only_value(&self, login: &Login) -> Result<Option<&Element>, Fault> {
        let mut values = self.values()?.into_iter().skip(usize::from(login.is_parameter));
        match (values.next(), values.next()) {
            (Some(_), Some(_)) => {
                Err(Fault::shape("expected one parameter, after the optional one with user, server and password"))
            }
            (first, _) => Ok(first),
        }
    }

    /// The arguments for a command with this schema.
    ///
    /// # Errors
    /// When they are not one struct.
    pub(super) fn arguments(&self, login: &Login, schema: &Schema) -> Result<Map<String, Value>, Fault> {
        let Some(value) = self.only_value(login)? else { return Ok(Map::new()) };
        let Value::Object(arguments) = value::read(value, schema, schema.json())? else {
            return Err(Fault::shape("the arguments must be one struct"));
        };
        Ok(arguments)
    }

    /// The one text a method of the system takes.
    ///
    /// # Errors
    /// When it is not one text.
    pub(super) fn text(&self, login: &Login) -> Result<String, Fault> {
        let text = self.only_value(login)?.map(string).transpose()?.flatten();
        text.ok_or_else(|| Fault::shape("this method has one parameter, a string"))
    }
}

/// Who says to be calling.
#[derive(Debug)]
pub(super) struct Login {
    /// By what.
    pub(super) credential: Credential,
    /// Whether that is the first parameter.
    pub(super) is_parameter: bool,
}

/// The text of a value that is a string.
fn string(value: &Element) -> Result<Option<String>, Fault> {
    let typed = only_element(value, "value")?;
    let text = typed.filter(|typed| typed.name() == "string").or(typed.is_none().then_some(value));
    Ok(text.map(|text| text.own_text().into_owned()))
}

/// The credential in a struct of `user`, `server`, and `password` or `token`; nothing when it is another one. `admin` is
/// taken and ignored, as in ejabberd.
fn login(value: &Element) -> Result<Option<Credential>, Fault> {
    let Some(typed) = only_element(value, "value")?.filter(|typed| typed.name() == "struct") else { return Ok(None) };
    let (mut user, mut server, mut password, mut token) = (None, None, None, None);
    for (name, value) in members(typed)? {
        let place = match name.as_str() {
            "user" => &mut user,
            "server" => &mut server,
            "password" => &mut password,
            "token" => &mut token,
            "admin" => continue,
            _ => return Ok(None),
        };
        let Some(text) = string(value)? else { return Ok(None) };
        if place.replace(text).is_some() {
            return Err(Fault::twice(&name));
        }
    }
    let (Some(user), Some(server)) = (user, server) else { return Ok(None) };
    let account = format!("{user}@{server}");
    Ok(match (password, token) {
        (Some(password), None) => Some(Credential::Basic { account, password }),
        (None, Some(token)) => Some(Credential::BearerOf { account, token }),
        (Some(_), Some(_)) => Some(Credential::Unusable),
        (None, None) => None,
    })
}

/// The document without its XML declaration, in UTF-8. Old clients send ISO 8859-1.
fn in_utf8(body: &[u8]) -> Result<Cow<'_, [u8]>, Fault> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    if !body.starts_with(b"<?xml") {
        return Ok(Cow::Borrowed(body.trim_ascii_start()));
    }
    let head = body.get(..body.len().min(DECLARATION_BYTES_MAX)).unwrap_or(body);
    let end = head.windows(2).position(|pair| pair == b"?>");
    let (declaration, rest) = end
        .and_then(|end| Some((std::str::from_utf8(head.get(..end)?).ok()?, body.get(end + 2..)?.trim_ascii_start())))
        .ok_or_else(|| Fault::not_xml("the XML declaration is incomplete"))?;
    let encoding = declaration.split_once("encoding").map(|(_, rest)| {
        let quoted = rest.trim_start_matches([' ', '\t', '\r', '\n', '=']);
        quoted.trim_start_matches(['"', '\'']).split(['"', '\'']).next().unwrap_or_default().to_ascii_lowercase()
    });
    match encoding.as_deref() {
        None | Some("utf-8" | "us-ascii") => Ok(Cow::Borrowed(rest)),
        Some("iso-8859-1" | "latin1") => {
            Ok(Cow::Owned(rest.iter().map(|byte| char::from(*byte)).collect::<String>().into_bytes()))
        }
        Some(_) => Err(Fault::not_xml("its encoding must be utf-8, us-ascii or iso-8859-1")),
    }
}
