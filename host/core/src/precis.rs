//! Names and passwords as RFC 8265 compares them: two ways to type the same text are one name, and one password.

use std::borrow::Cow;

use precis_profiles::precis_core::profile::PrecisFastInvocation;
use precis_profiles::{OpaqueString, UsernameCaseMapped};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Most times the rules are applied until nothing changes any more (RFC 8265 §3.3.4 speaks of idempotence).
const ROUNDS_MAX: usize = 4;

/// The text as `UsernameCaseMapped` makes it (RFC 8265 §3.3): narrow, lower case, NFC. Nothing where it is no name by
/// these rules: characters that cannot be seen, that turn the direction of writing or that were no characters when the
/// rules were written, and a mark with no letter before it.
pub(crate) fn name(text: &str) -> Option<String> {
    let mut name = text.to_owned();
    for _ in 0..ROUNDS_MAX {
        let next = UsernameCaseMapped::enforce(name.as_str()).ok()?.into_owned();
        if next == name {
            return Some(next).filter(|name| !name.starts_with(is_combining_mark));
        }
        name = next;
    }
    None
}

/// The text as `OpaqueString` makes it (RFC 8265 §4.2): NFC, every kind of blank a blank. Characters that are newer than
/// the profile's tables are taken as they are: their age locks no account out.
pub(crate) fn password(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    OpaqueString::enforce(text).unwrap_or_else(|_| Cow::Owned(text.nfc().collect()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_that_look_the_same_are_the_same() {
        for (text, expected) in [
            ("Ann", Some("ann")),
            ("jose\u{301}", Some("jos\u{e9}")),
            ("JOS\u{c9}", Some("jos\u{e9}")),
            ("\u{ff21}\u{ff4e}\u{ff4e}", Some("ann")),
            ("stra\u{df}e", Some("stra\u{df}e")),
            ("\u{212b}", None),
            ("\u{5d0}\u{5d1}", Some("\u{5d0}\u{5d1}")),
            ("ann\u{200b}", None),
            ("a\u{202e}nn", None),
            ("ann\u{e0061}", None),
            ("\u{301}ann", None),
            ("ann\u{ad}", None),
            ("\u{fb01}nn", None),
            ("ann\u{2160}", None),
            ("a\u{5d0}", None),
            ("a b", None),
            ("", None),
        ] {
            assert_eq!(name(text).as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn a_password_is_the_same_however_it_was_typed() {
        for (typed, same) in
            [("ma\u{f1}ana", "man\u{303}ana"), ("a b", "a\u{a0}b"), ("\u{1f973}e\u{301}", "\u{1f973}\u{e9}")]
        {
            assert_eq!(password(typed), password(same));
        }
        assert_ne!(password("A"), password("a"));
        assert_ne!(password("\u{ff21}"), password("A"));
        assert_eq!(password("tab\there"), "tab\there");
    }

    proptest! {
        #[test]
        fn a_name_stays_what_it_became(text in "\\PC{0,12}") {
            if let Some(once) = name(&text) {
                prop_assert_eq!(name(&once), Some(once));
            }
        }

        #[test]
        fn a_password_stays_what_it_became(text in any::<String>()) {
            let once = password(&text).into_owned();
            prop_assert_eq!(password(&once).into_owned(), once.clone());
        }
    }
}
