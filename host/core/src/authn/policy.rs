//! What new passwords must be (NIST SP 800-63B §5.1.1.2): long enough, and none of those that are tried first. Passwords
//! that exist already stay as they are.

use super::AccountError;
use super::accounts::PASSWORD_BYTES_MAX;
use crate::name::AccountId;
use crate::precis;

/// What new passwords must be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PasswordPolicy {
    /// Least length, in characters.
    pub length_min: usize,
    /// Whether passwords that are tried first are taken.
    pub common: bool,
}

impl Default for PasswordPolicy {
    fn default() -> Self {
        Self { length_min: 1, common: true }
    }
}

/// Beginnings of most passwords that are tried first, in lower case: digits and signs behind them make no other.
const COMMON: [&str; 52] = [
    "123",
    "12345",
    "123456",
    "1234567",
    "12345678",
    "123456789",
    "1234567890",
    "0123456789",
    "987654321",
    "111111",
    "000000",
    "11111111",
    "00000000",
    "1q2w3e4r",
    "1qaz2wsx",
    "q1w2e3r4",
    "password",
    "passw0rd",
    "p@ssw0rd",
    "p@ssword",
    "passwort",
    "qwerty",
    "qwertyuiop",
    "qwertz",
    "qwertzuiop",
    "azerty",
    "asdfghjkl",
    "asdfasdf",
    "zxcvbnm",
    "abcdefgh",
    "abcdefghi",
    "abc",
    "abcd",
    "letmein",
    "welcome",
    "iloveyou",
    "sunshine",
    "princess",
    "football",
    "baseball",
    "superman",
    "batman",
    "dragon",
    "monkey",
    "master",
    "trustno",
    "whatever",
    "starwars",
    "administrator",
    "admin",
    "changeme",
    "secret",
];

impl PasswordPolicy {
    /// Tells whether the account may have this password.
    ///
    /// # Errors
    /// What it should be.
    pub(super) fn check(self, account: &AccountId, password: &str) -> Result<(), AccountError> {
        let text = precis::password(password);
        if text.is_empty() || password.len() > PASSWORD_BYTES_MAX || text.chars().any(char::is_control) {
            return Err(AccountError::UnusablePassword);
        }
        if text.chars().count() < self.length_min {
            return Err(AccountError::ShortPassword(self.length_min));
        }
        if !self.common && is_common(&text.to_lowercase(), account) {
            return Err(AccountError::CommonPassword);
        }
        Ok(())
    }
}

fn is_common(text: &str, account: &AccountId) -> bool {
    let is_word = |word: &str| COMMON.contains(&word) || word == account.user() || word == account.as_str();
    let stem = text.trim_end_matches(|letter: char| letter.is_numeric() || letter.is_ascii_punctuation());
    let mut letters = text.chars();
    let first = letters.next();
    is_word(text) || (!stem.is_empty() && is_word(stem)) || letters.all(|letter| Some(letter) == first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_common_passwords_are_told_from_others() {
        let policy = PasswordPolicy { length_min: 8, common: false };
        let ann = AccountId::parse("annemarie@localhost").unwrap();
        let told = |policy: PasswordPolicy, password: &str| match policy.check(&ann, password) {
            Ok(()) => "",
            Err(AccountError::UnusablePassword) => "unusable",
            Err(AccountError::ShortPassword(8)) => "short",
            Err(AccountError::CommonPassword) => "common",
            Err(other) => panic!("{other}"),
        };
        for (password, expected) in [
            ("correct horse", ""),
            ("pässwörd-frei", ""),
            ("x", "short"),
            ("1234567", "short"),
            ("\u{1f973}\u{1f973}\u{1f973}\u{1f973}", "short"),
            ("e\u{301}e\u{301}e\u{301}e\u{301}", "short"),
            ("", "unusable"),
            ("tab\there and there", "unusable"),
            ("12345678", "common"),
            ("Password", "common"),
            ("Passw0rd2026!", "common"),
            ("qwertyuiop", "common"),
            ("aaaaaaaaaaaa", "common"),
            ("Annemarie", "common"),
            ("annemarie1984", "common"),
            ("annemarie@localhost", "common"),
            ("administrators are people", ""),
        ] {
            assert_eq!(told(policy, password), expected, "{password:?}");
        }
        assert_eq!(told(PasswordPolicy::default(), "x"), "");
        assert_eq!(told(PasswordPolicy { length_min: 8, common: true }, "password"), "");
        let long = "x1".repeat(600);
        assert_eq!(told(policy, &long), "unusable");
    }
}
