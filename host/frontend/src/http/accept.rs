//! What a client takes as an answer (RFC 9110 §12.5.1), read in one way by every wire over HTTP.

use axum::http::HeaderMap;
use axum::http::header::ACCEPT;

/// Most ranges that are looked at.
const RANGES_MAX: usize = 64;

/// The ranges of media types a client names, each with its weight in thousandths.
#[derive(Debug)]
pub(crate) struct Accept(Vec<(String, u16)>);

impl Accept {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let lines = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let ranges = lines.flat_map(|line| line.split(',')).filter(|range| !range.trim().is_empty()).take(RANGES_MAX);
        Self(
            ranges
                .map(|range| {
                    let mut parts = range.split(';').map(str::trim);
                    let name = parts.next().unwrap_or_default().to_ascii_lowercase();
                    let weight = parts.find_map(|part| {
                        let (name, value) = part.split_once('=')?;
                        name.trim().eq_ignore_ascii_case("q").then(|| weight(value.trim()))
                    });
                    (name, weight.unwrap_or(1000))
                })
                .collect(),
        )
    }

    /// The weight of this very type, where the client names it.
    pub(crate) fn named(&self, kind: &str) -> Option<u16> {
        self.0.iter().filter(|(range, _)| range.eq_ignore_ascii_case(kind)).map(|(_, weight)| *weight).max()
    }

    /// How much the client wants this type: by the range that says the most about it, nothing where it takes none. Who names
    /// no range takes everything.
    pub(crate) fn quality(&self, kind: &str) -> u16 {
        if self.0.is_empty() {
            return 1000;
        }
        let group = kind.split_once('/').map_or_else(String::new, |(group, _)| format!("{group}/*"));
        self.named(kind).or_else(|| self.named(&group)).or_else(|| self.named("*/*")).unwrap_or(0)
    }
}

/// A weight in thousandths; one that is none counts as nothing said.
fn weight(text: &str) -> u16 {
    let number: Option<f32> = text.parse().ok().filter(|number| (0.0..=1.0).contains(number));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is from 0 to 1000")]
    number.map_or(1000, |number| (number * 1000.0).ceil() as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_that_says_the_most_counts() {
        for (accept, kind, expected) in [
            (&[][..], "application/json", 1000),
            (&[""], "application/json", 1000),
            (&["application/json"], "application/json", 1000),
            (&["Application/JSON; charset=utf-8"], "application/json", 1000),
            (&["application/json;q=0"], "application/json", 0),
            (&["application/json;Q=0.000"], "application/json", 0),
            (&["application/json ; q=0 , */*"], "application/json", 0),
            (&["*/*", "application/json;q=0"], "application/json", 0),
            (&["application/*;q=0, */*"], "application/json", 0),
            (&["application/*;q=0, application/json;q=0.5"], "application/json", 500),
            (&["text/html, */*;q=0.8"], "application/json", 800),
            (&["*/*;q=0"], "application/json", 0),
            (&["text/html"], "application/json", 0),
            (&["application/json;q=0.001"], "application/json", 1),
            (&["application/json;q=many"], "application/json", 1000),
        ] {
            let mut headers = HeaderMap::new();
            for line in accept {
                headers.append(ACCEPT, line.parse().unwrap());
            }
            assert_eq!(Accept::of(&headers).quality(kind), expected, "{accept:?}");
        }
    }
}
