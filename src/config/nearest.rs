//! The nearest valid name for a misspelt one.
//!
//! **Why it exists.** An unknown setting is an error here, where Java only logs a line that nobody reads; so the error
//! must at least tell what was probably meant. Neighbours: [`super::builder`] and [`super::setting`] ask. Not here:
//! names that other clients use on purpose, which are in [`super::names_of_others`].

/// The candidate with the smallest edit distance, if it is near enough to be a slip of the finger: at most a third of
/// the text, the first of several equally near ones. Else the shortest one that contains the text: `linger` is
/// `linger.ms`.
pub(super) fn nearest<'a>(text: &str, candidates: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
    // A bound on the work: no name is longer than this, and texts may come from anywhere.
    const LONGEST: usize = 80;
    // Shorter texts are contained in half of all names.
    const SHORTEST_PART: usize = 4;
    if text.len() > LONGEST {
        return None;
    }
    let text = text.to_ascii_lowercase();
    let allowed = (text.chars().count() / 3).clamp(1, 5);
    let slip = candidates
        .clone()
        .map(|candidate| (distance(&text, &candidate.to_ascii_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance);
    if let Some((_, candidate)) = slip {
        return Some(candidate);
    }
    let is_part = |candidate: &&str| text.len() >= SHORTEST_PART && candidate.contains(&text);
    candidates.filter(is_part).min_by_key(|candidate| candidate.len())
}

/// How many slips lie between two texts: a letter too many, too few, or another one, or two letters swapped.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    // What a swap leads on from: the row before the last one, and the letter that it ended with.
    let mut row_before: Option<(char, Vec<usize>)> = None;
    for (i, from) in a.chars().enumerate() {
        let mut left = i + 1;
        let mut next = vec![left];
        for (j, (to, above)) in b.iter().zip(row.windows(2)).enumerate() {
            let [diagonal, above] = above else { continue };
            let mut least = (diagonal + usize::from(from != *to)).min(above + 1).min(left + 1);
            if let (Some((earlier, swapped_from)), Some(j)) = (&row_before, j.checked_sub(1))
                && *earlier == *to
                && b.get(j) == Some(&from)
            {
                least = least.min(swapped_from.get(j).map_or(least, |swaps| swaps + 1));
            }
            left = least;
            next.push(left);
        }
        row_before = Some((from, std::mem::replace(&mut row, next)));
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_slips() {
        // Known values; a wrong row update would show in the second one, a forgotten swap in the last ones.
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("linger.ms", "linger.ms"), 0);
        assert_eq!(distance("ztsd", "zstd"), 1);
        assert_eq!(distance("ab", "ba"), 1);
        assert_eq!(distance("abc", "cab"), 2);
    }

    #[test]
    fn a_name_far_from_all_has_no_neighbour() {
        // A suggestion that makes no sense is worse than none.
        assert_eq!(nearest("zzzzzz", ["acks", "retries"].into_iter()), None);
        assert_eq!(nearest("lingr.ms", ["acks", "linger.ms"].into_iter()), Some("linger.ms"));
    }
}
