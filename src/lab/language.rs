//! The language of an answer: English, or French for a class that asks for it.
//!
//! **Why.** The course is French, its readers are not all; `Accept-Language` chooses (spec: errors, 1.5). Neighbours:
//! [`crate::lab::error`], whose titles and details come in both. Not here: any other language.

use axum::http::HeaderMap;
use axum::http::header::ACCEPT_LANGUAGE;

/// A language that the façade speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    /// `en`, the default.
    #[default]
    English,
    /// `fr`.
    French,
}

impl Language {
    /// The one that the request prefers; English if it names neither.
    pub fn of(headers: &HeaderMap) -> Self {
        let header = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or("");
        let (french, english) = (weight(header, "fr"), weight(header, "en"));
        if french > english { Self::French } else { Self::English }
    }

    /// The text in this language.
    pub const fn pick<'a>(self, english: &'a str, french: &'a str) -> &'a str {
        match self {
            Self::English => english,
            Self::French => french,
        }
    }

    /// Its tag, for `Content-Language`.
    pub const fn tag(self) -> &'static str {
        self.pick("en", "fr")
    }
}

/// The `q` of a language in the header, in thousandths; 0 if it is not named.
fn weight(header: &str, language: &str) -> u32 {
    header.split(',').filter_map(|part| weight_of_part(part.trim(), language)).max().unwrap_or(0)
}

fn weight_of_part(part: &str, language: &str) -> Option<u32> {
    let mut pieces = part.split(';');
    let primary = pieces.next()?.trim().split('-').next()?;
    if !primary.eq_ignore_ascii_case(language) {
        return None;
    }
    let quality = pieces.find_map(|piece| piece.trim().strip_prefix("q=")).unwrap_or("1");
    let (whole, fraction) = quality.split_once('.').unwrap_or((quality, ""));
    let thousandths: String = fraction.chars().chain("000".chars()).take(3).collect();
    Some(whole.parse::<u32>().ok()?.min(1) * 1000 + thousandths.parse::<u32>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &'static str) -> Language {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_LANGUAGE, axum::http::HeaderValue::from_static(text));
        Language::of(&headers)
    }

    // A browser sends a list with weights; taking the first match of any order would answer in the wrong language.
    #[test]
    fn the_weights_decide_and_english_is_the_default() {
        assert_eq!(of("fr"), Language::French);
        assert_eq!(of("fr-CA,fr;q=0.8,en;q=0.5"), Language::French);
        assert_eq!(of("en,fr;q=0.9"), Language::English);
        assert_eq!(of("de, fr;q=0.25, en;q=0.3"), Language::English);
        assert_eq!(of("*"), Language::English);
        assert_eq!(of("fr;q=nonsense"), Language::English);
    }
}
