//! Making a text that somebody else wrote fit to be shown: bounded, on one line, and without a secret in it.

use std::borrow::Cow;
use std::cmp::Reverse;

use super::exchange::escape;

/// What stands in a secret's place.
const STRUCK_OUT: &str = "[redacted]";

/// The longest text shown, in characters.
const MAX_CHARS: usize = 300;

/// The longest text that is looked through, in characters.
const MAX_LOOKED_AT: usize = 16 * 1024;

/// Knows the secrets of one call, and strikes them out of whatever the server sends back.
pub(super) struct Redactor {
    secrets: Vec<String>,
}

impl Redactor {
    pub(super) fn new<'s>(secrets: impl IntoIterator<Item = &'s str>) -> Self {
        let mut known = Vec::new();
        for secret in secrets {
            // As a text shows it, where it has characters that are never shown.
            let shown: String = secret.chars().map(visible).collect();
            known.extend([shown.trim().to_owned(), escape(secret)]);
        }
        known.retain(|secret| !secret.is_empty());
        // The longest first, so that no rest of one that holds another stays behind.
        known.sort_by_key(|secret| Reverse(secret.len()));
        known.dedup();
        Redactor { secrets: known }
    }

    /// The text, fit to be shown; empty where nothing of it is. Cut last: half a secret at the cut would not be
    /// recognised. For the same reason, nothing is shown of a text that is too long to be looked through.
    pub(super) fn clean(&self, text: &str) -> String {
        if text.chars().nth(MAX_LOOKED_AT).is_some() {
            return String::new();
        }
        let mut clean: String = text.chars().map(visible).collect();
        for secret in &self.secrets {
            clean = strike_out(&clean, secret);
        }
        clean = strike_out_tokens(&clean);
        clean = strike_out_userinfo(&clean);
        shorten(clean.trim())
    }

    /// True when nothing in the text has to be struck out.
    pub(super) fn is_clean(&self, text: &str) -> bool {
        self.clean(text) == text
    }
}

/// Control characters, and those that turn the direction of writing or are not seen, become spaces.
fn visible(c: char) -> char {
    let hidden = matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    if c.is_control() || hidden { ' ' } else { c }
}

/// Every occurrence, whatever its case.
fn strike_out(text: &str, secret: &str) -> String {
    // ASCII folding keeps every byte's place, so that what is found in one text lies there in the other.
    let (folded, wanted) = (text.to_ascii_lowercase(), secret.to_ascii_lowercase());
    let mut out = String::with_capacity(text.len());
    let mut end = 0;
    for (start, found) in folded.match_indices(&wanted) {
        out.push_str(&text[end..start]);
        out.push_str(STRUCK_OUT);
        end = start + found.len();
    }
    out.push_str(&text[end..]);
    out
}

/// What follows `Bearer `, whosever it is.
fn strike_out_tokens(text: &str) -> String {
    const SCHEME: &str = "bearer ";
    const SHORTEST_TOKEN: usize = 8;
    let folded = text.to_ascii_lowercase();
    let mut out = String::with_capacity(text.len());
    let mut end = 0;
    for (start, scheme) in folded.match_indices(SCHEME) {
        let token = start + scheme.len();
        let length = text[token..]
            .find(is_token_end)
            .unwrap_or(text.len() - token);
        // A short word is prose ("a bearer token is required"); a token is longer.
        if length < SHORTEST_TOKEN {
            continue;
        }
        out.push_str(&text[end..token]);
        out.push_str(STRUCK_OUT);
        end = token + length;
    }
    out.push_str(&text[end..]);
    out
}

fn is_token_end(c: char) -> bool {
    !(c.is_ascii_alphanumeric() || "-._~+/=".contains(c))
}

/// User name and password in a URL: `postgres://user:password@host`.
fn strike_out_userinfo(text: &str) -> String {
    text.split_inclusive(char::is_whitespace)
        .map(without_userinfo)
        .collect()
}

/// A password may hold an unescaped `/` or `@`: the last `@` of the word ends it. Every character is looked at a fixed
/// number of times, however many URLs the word seems to hold.
fn without_userinfo(word: &str) -> Cow<'_, str> {
    let start = word.find("://").map(|scheme| scheme + 3);
    let (Some(start), Some(end)) = (start, word.rfind('@')) else {
        return Cow::Borrowed(word);
    };
    let is_userinfo = |text: &str| !text.contains(['/', '?', '#']) || text.contains(':');
    if word.get(start..end).is_some_and(is_userinfo) {
        Cow::Owned(format!("{}{STRUCK_OUT}{}", &word[..start], &word[end..]))
    } else {
        Cow::Borrowed(word)
    }
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clean(text: &str) -> String {
        Redactor::new(["k3y/S3cret"]).clean(text)
    }

    #[test]
    fn the_key_is_struck_out_wherever_and_however_it_occurs() {
        assert_eq!(
            clean("key k3y/S3cretk3y/S3cret!"),
            "key [redacted][redacted]!"
        );
        assert_eq!(clean("?k=k3y%2FS3cret"), "?k=[redacted]");
        assert_eq!(clean("K3Y/s3CRET"), "[redacted]");
        assert_eq!(clean("é k3y/S3cret é"), "é [redacted] é");
    }

    #[test]
    fn a_bearer_token_is_struck_out_even_when_it_is_not_ours() {
        assert_eq!(
            clean("Authorization: Bearer abc.DEF-12345, x"),
            "Authorization: Bearer [redacted], x"
        );
        assert_eq!(
            clean("bearer abcd1234bearer efgh5678"),
            "bearer [redacted] [redacted]"
        );
        for prose in ["a bearer token is required", "the bearer abc1234 left"] {
            assert_eq!(clean(prose), prose);
        }
    }

    #[test]
    fn a_long_text_is_looked_through_and_cut() {
        let text = format!("{} k3y/S3cret", "x".repeat(10_000));
        assert_eq!(clean(&text).chars().count(), MAX_CHARS + 1);
    }

    #[test]
    fn a_password_in_a_url_is_struck_out() {
        assert_eq!(
            clean("no route to postgres://u:p@h:5432/d"),
            "no route to postgres://[redacted]@h:5432/d"
        );
        assert_eq!(clean("mysql://u:p/a@ss@h/d x"), "mysql://[redacted]@h/d x");
        assert_eq!(
            clean("see https://synapsor.ai/docs"),
            "see https://synapsor.ai/docs"
        );
    }

    #[test]
    fn a_user_name_alone_is_struck_out_and_a_path_with_an_at_sign_is_not() {
        assert_eq!(clean("postgres://u@h/d"), "postgres://[redacted]@h/d");
        for address in ["https://h/a@b", "https://h?q=a@b", "https://h#a@b"] {
            assert_eq!(clean(address), address);
        }
    }

    #[test]
    fn a_text_of_many_urls_takes_no_time_to_speak_of() {
        let urls = "://".repeat(200_000);
        assert_eq!(strike_out_userinfo(&urls), urls);
        assert_eq!(
            clean("a://b:c@d://e:f@g a@b://c"),
            "a://[redacted]@g a@b://c"
        );
    }

    #[test]
    fn the_text_stays_on_one_line_and_is_bounded() {
        assert_eq!(clean("a\r\nb\u{1b}[31mc\u{202e}d"), "a  b [31mc d");
        assert_eq!(clean(&"é".repeat(1000)).chars().count(), MAX_CHARS + 1);
    }

    #[test]
    fn a_secret_is_recognised_whatever_characters_it_has() {
        let redactor = Redactor::new(["pass\tword\u{200b}x\n"]);
        for text in [
            "pass\tword\u{200b}x",
            "pass word x",
            "pass%09word%E2%80%8Bx%0A",
        ] {
            assert_eq!(redactor.clean(text), "[redacted]", "{text:?}");
        }
        assert_eq!(Redactor::new(["", "\n"]).clean("a b"), "a b");
    }

    #[test]
    fn nothing_is_shown_of_a_text_too_long_to_be_looked_through() {
        let token = "x".repeat(MAX_LOOKED_AT - 20);
        let text = format!("Bearer {token} k3y/S3cret, and more");
        assert_eq!(clean(&text), "");
    }

    #[test]
    fn a_key_at_the_cut_leaves_no_half_behind() {
        let text = format!("{}k3y/S3cret", "x".repeat(MAX_CHARS - 4));
        assert!(!clean(&text).contains("k3y"));
    }
}
