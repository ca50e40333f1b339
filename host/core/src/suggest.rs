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
