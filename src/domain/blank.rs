//! A text that shows nothing says nothing: what consists of white space, of control and format characters, of all that
//! Unicode calls ignorable by default, and of letters that are drawn as nothing, is blank.
//!
//! The API server asks the same with a regular expression; a test compares the two.

/// Finds a character that shows something, in RE2 and in Rust's regular expressions.
pub const VISIBLE: &str = r"[^\p{Z}\p{Cc}\p{Cf}\x{34F}\x{115F}\x{1160}\x{17B4}\x{17B5}\x{180B}-\x{180F}\x{2065}\x{2800}\x{3164}\x{FE00}-\x{FE0F}\x{FFA0}\x{FFF0}-\x{FFF8}\x{1D159}\x{E0000}-\x{E0FFF}]";

/// The characters that show nothing, from the first of each range to its last.
pub const INVISIBLE: [(char, char); 31] = [
    ('\0', ' '),
    ('\u{7F}', '\u{A0}'),
    ('\u{AD}', '\u{AD}'),
    ('\u{34F}', '\u{34F}'),
    ('\u{600}', '\u{605}'),
    ('\u{61C}', '\u{61C}'),
    ('\u{6DD}', '\u{6DD}'),
    ('\u{70F}', '\u{70F}'),
    ('\u{890}', '\u{891}'),
    ('\u{8E2}', '\u{8E2}'),
    ('\u{115F}', '\u{1160}'),
    ('\u{1680}', '\u{1680}'),
    ('\u{17B4}', '\u{17B5}'),
    ('\u{180B}', '\u{180F}'),
    ('\u{2000}', '\u{200F}'),
    ('\u{2028}', '\u{202F}'),
    ('\u{205F}', '\u{206F}'),
    ('\u{2800}', '\u{2800}'),
    ('\u{3000}', '\u{3000}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{FE00}', '\u{FE0F}'),
    ('\u{FEFF}', '\u{FEFF}'),
    ('\u{FFA0}', '\u{FFA0}'),
    ('\u{FFF0}', '\u{FFFB}'),
    ('\u{110BD}', '\u{110BD}'),
    ('\u{110CD}', '\u{110CD}'),
    ('\u{13430}', '\u{1343F}'),
    ('\u{1BCA0}', '\u{1BCA3}'),
    ('\u{1D159}', '\u{1D159}'),
    ('\u{1D173}', '\u{1D17A}'),
    ('\u{E0000}', '\u{E0FFF}'),
];

/// Whether nobody could see anything of it.
pub fn is_blank(text: &str) -> bool {
    text.chars().all(|one| INVISIBLE.iter().any(|(first, last)| (*first..=*last).contains(&one)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_shows_nothing_is_blank() {
        for blank in [
            "",
            " \t\r\n",
            "\u{200B}",
            "\u{A0}\u{3000}\u{2003}",
            "\u{FEFF}\u{2060}",
            "\u{3164}",
            "\u{2800} \u{AD}",
            "\u{180B}",
            "\u{2065}",
            "\u{FFF0}",
            "\u{1D159}",
            "\u{E0080}",
        ] {
            assert!(is_blank(blank), "{blank:?}");
        }
        for told in ["a", " a ", "\u{200B}-\u{200B}", "回滚", "é", "👍", "\u{2801}"] {
            assert!(!is_blank(told), "{told:?}");
        }
    }

    #[test]
    fn all_white_space_is_blank_and_nothing_that_can_be_read_is() {
        let whole = '\0'..=char::MAX;
        for one in whole {
            let blank = is_blank(one.encode_utf8(&mut [0; 4]));
            assert!(blank || !(one.is_whitespace() || one.is_control()), "{one:?}");
            let filler = matches!(one, '\u{115F}' | '\u{1160}' | '\u{3164}' | '\u{FFA0}');
            assert!(!blank || filler || !one.is_alphanumeric(), "{one:?}");
        }
    }
}
