//! What a rule says before the arguments of a call are known.

/// Whether a condition holds. The order makes «all of these» the least and «one of these» the greatest answer.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Answer {
    /// It does not.
    No,
    /// It does for some arguments.
    Depends,
    /// It does.
    Yes,
}

impl Answer {
    /// The answer in a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::Depends => "depends",
            Self::Yes => "yes",
        }
    }

    /// Whether all hold; nothing to hold is yes.
    pub(super) fn all(answers: impl IntoIterator<Item = Self>) -> Self {
        answers.into_iter().min().unwrap_or(Self::Yes)
    }

    /// Whether one holds; none is no.
    pub(super) fn any(answers: impl IntoIterator<Item = Self>) -> Self {
        answers.into_iter().max().unwrap_or(Self::No)
    }
}

impl From<bool> for Answer {
    fn from(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }
}
