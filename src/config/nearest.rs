//! The nearest valid name for a misspelt one.
//!
//! **Why it exists.** An unknown setting is an error here, where Java only logs a line that nobody reads; so the error
//! must at least tell what was probably meant. Neighbours: [`super::builder`] and [`super::setting`] ask. Not here:
//! names that other clients use on purpose, which are in [`super::names_of_others`].

/// The candidate with the smallest edit distance, if it is near enough to be a slip of the finger: at most a third of
/// the text. The first of several equally near ones.
pub(super) fn nearest<'a>(text: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A bound on the work: no name is longer than this, and texts may come from anywhere.
    const LONGEST: usize = 80;
    if text.len() > LONGEST {
        return None;
    }
    let text = text.to_ascii_lowercase();
    let allowed = (text.chars().count() / 3).clamp(1, 5);
    candidates
        .into_iter()
        .map(|candidate| (distance(&text, &candidate.to_ascii_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's distance: insertions, deletions and replacements.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        let mut next = vec![left];
        for (to, above) in b.iter().zip(row.iter().skip(1)) {
            let replaced = diagonal + usize::from(from != *to);
            left = replaced.min(above + 1).min(left + 1);
            next.push(left);
            diagonal = *above;
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_levenshteins() {
        // Known values; a wrong row update would show in the middle one.
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("linger.ms", "linger.ms"), 0);
    }

    #[test]
    fn a_name_far_from_all_has_no_neighbour() {
        // A suggestion that makes no sense is worse than none.
        assert_eq!(nearest("zzzzzz", ["acks", "retries"]), None);
        assert_eq!(nearest("lingr.ms", ["acks", "linger.ms"]), Some("linger.ms"));
    }
}
