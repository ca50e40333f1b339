//! «Did you mean»: the known word closest to a mistyped one.

/// The candidate closest to `word`, if one is close enough to be what was meant.
pub fn closest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.chars().count() / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// A sentence about a word that is not known here; `kind` says what it should have been.
pub fn unknown<'a>(kind: &str, word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let list = known.join(", ");
    match closest(word, known) {
        Some(close) => format!("unknown {kind} `{word}`; did you mean `{close}`? Known are {list}"),
        None => format!("unknown {kind} `{word}`; known are {list}"),
    }
}

/// A sentence about something of a kind that is not there, where listing all there is would be too much.
pub fn missing<'a>(kind: &str, word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let shown: String = word.chars().take(80).collect();
    match closest(word, known) {
        Some(close) => format!("there is no {kind} `{shown}`; did you mean `{close}`?"),
        None => format!("there is no {kind} `{shown}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::closest;

    #[test]
    fn suggests_typing_slips_only() {
        let known = ["status", "register", "get_roster"];
        assert_eq!(closest("statsu", known), Some("status"));
        assert_eq!(closest("get_rooster", known), Some("get_roster"));
        assert_eq!(closest("zebra", known), None);
    }
}
