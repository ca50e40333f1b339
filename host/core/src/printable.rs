//! Texts that come from outside, made safe to show: on a terminal, in a log, in a list. What would do more than be read is
//! written as an escape, and what is longer than its bound is cut.

use std::collections::HashSet;

/// Whether a character moves the cursor, changes what a terminal shows elsewhere, is invisible, or turns the direction of
/// the text.
pub fn is_active(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{00ad}' | '\u{061c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// The text with active characters as escapes, such as `\u{1b}`. Lines and tabs stay.
pub fn lines(text: &str) -> String {
    escape(text, |character| is_active(character) && !['\n', '\t'].contains(&character))
}

/// The text with active characters as escapes, line ends and tabs too.
pub fn one_line(text: &str) -> String {
    escape(text, is_active)
}

/// As [`one_line`] for at most `chars_max` characters of the text, with each run of white space as one blank. A text that
/// was cut ends in `…`.
pub fn title(text: &str, chars_max: usize) -> String {
    let words = text.split_whitespace().take(chars_max).collect::<Vec<_>>().join(" ");
    one_line(&cut(&words, chars_max))
}

/// At most `chars_max` characters of the text. A text that was cut ends in `…`.
pub fn cut(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
    }
}

/// At most `most` different texts, each as [`title`]; a last one says how many there are more.
pub fn titles<'a>(texts: impl IntoIterator<Item = &'a str>, most: usize, chars_max: usize) -> Vec<String> {
    let (mut shown, mut seen, mut more) = (Vec::new(), HashSet::new(), 0_usize);
    for text in texts {
        if shown.len() < most {
            let text = title(text, chars_max);
            if seen.insert(text.clone()) {
                shown.push(text);
            }
        } else {
            more += 1;
        }
    }
    if more > 0 {
        shown.push(format!("… and {more} more"));
    }
    shown
}

fn escape(text: &str, is_escaped: impl Fn(char) -> bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if is_escaped(character) {
            escaped.extend(character.escape_default());
        } else {
            escaped.push(character);
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_more_than_be_read_is_escaped() {
        for (text, in_lines, in_one) in [
            ("plain é 😀", "plain é 😀", "plain é 😀"),
            ("a\n\tb", "a\n\tb", "a\\n\\tb"),
            ("\u{1b}[2J\r", "\\u{1b}[2J\\r", "\\u{1b}[2J\\r"),
            ("ab\u{202e}cd\u{200b}\u{feff}\u{e0041}", "ab\\u{202e}cd\\u{200b}\\u{feff}\\u{e0041}", ""),
        ] {
            assert_eq!(lines(text), in_lines);
            assert_eq!(one_line(text), if in_one.is_empty() { in_lines } else { in_one });
        }
    }

    #[test]
    fn titles_are_one_line_and_bounded() {
        assert_eq!(title("1.0\nmuster: all is well", 64), "1.0 muster: all is well");
        assert_eq!(title("\u{1b}]0;x\u{7}", 64), "\\u{1b}]0;x\\u{7}");
        for (length, expected) in [(9, 9), (10, 10), (11, 11)] {
            // One character more for the ellipsis of what was cut.
            assert_eq!(title(&"x".repeat(length), 10).chars().count(), expected);
        }
        assert_eq!(title(&"x".repeat(3 << 20), 10), "xxxxxxxxxx…");
        assert_eq!(titles(["a", "a", "b", "c", "d"], 2, 5), ["a", "b", "… and 2 more"]);
    }
}
