//! `char`, `varchar` and the text types. A JSON number is its own text: ids are often numbers in JSON and text in
//! the table.

use mysql::Value;
use synapsor_core::json::Json;

use super::column::Column;
use super::integer::numeral;
use super::{Exact, Family, Fault, Typed};

/// The character sets with characters beyond U+FFFF. The servers' others refuse them, all but `tis620`, which keeps
/// some other character instead.
const SETS_OF_ALL_CHARACTERS: [&str; 5] = ["utf8mb4", "utf16", "utf16le", "utf32", "gb18030"];

/// What the servers' `latin1`, which is Windows-1252, has between U+007F and U+00A0, and beyond U+00FF.
const LATIN1_EXTRAS: &str = "\u{81}\u{8d}\u{8f}\u{90}\u{9d}€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ";

/// The one character that a set takes and gives another one back for, in MySQL 9.7 and MariaDB 10.11 alike.
const MISREAD: (&str, char) = ("cp932", '\u{6661}');

/// A type of text.
#[derive(Debug)]
pub(super) struct TextType {
    limit: Limit,
    /// `char`, which forgets spaces at the end.
    is_fixed: bool,
    characters: Characters,
    misread: Option<char>,
}

/// The characters that a set may have. Those that the servers' many other sets lack, only the server knows, and refuses.
#[derive(Debug)]
enum Characters {
    All,
    /// Up to U+FFFF.
    Basic,
    Latin1,
    Ascii,
}

impl Characters {
    fn of(character_set: &str) -> Self {
        match character_set {
            "ascii" => Characters::Ascii,
            "latin1" => Characters::Latin1,
            set if SETS_OF_ALL_CHARACTERS.contains(&set) => Characters::All,
            _ => Characters::Basic,
        }
    }

    fn contains(&self, c: char) -> bool {
        match self {
            Characters::All => true,
            Characters::Basic => c <= '\u{ffff}',
            Characters::Latin1 => {
                c.is_ascii() || ('\u{a0}'..='\u{ff}').contains(&c) || LATIN1_EXTRAS.contains(c)
            }
            Characters::Ascii => c.is_ascii(),
        }
    }
}

/// How long a text may be.
#[derive(Debug)]
enum Limit {
    Characters(u64),
    /// Of its UTF-8.
    Octets(u64),
}

impl TextType {
    pub(super) fn of(column: &Column) -> Option<Self> {
        let character_set = column.character_set.as_deref().unwrap_or("utf8mb4");
        let is_utf8 = character_set.starts_with("utf8");
        let limit = match column.data_type.as_str() {
            "char" | "varchar" => Limit::Characters(column.character_maximum_length?),
            _ if is_utf8 => Limit::Octets(column.character_octet_length?),
            // How many bytes the server will make of it, only the server knows, and refuses what is too long.
            _ => Limit::Characters(column.character_maximum_length?),
        };
        Some(TextType {
            limit,
            is_fixed: column.data_type == "char",
            characters: Characters::of(character_set),
            misread: (character_set == MISREAD.0).then_some(MISREAD.1),
        })
    }

    fn fits(&self, text: &str) -> bool {
        let is_short_enough = match self.limit {
            Limit::Characters(most) => text.chars().count() as u64 <= most,
            Limit::Octets(most) => text.len() as u64 <= most,
        };
        let has_its_characters = text
            .chars()
            .all(|c| self.characters.contains(c) && self.misread != Some(c));
        is_short_enough && has_its_characters
    }
}

impl Family for TextType {
    fn written(&self, value: &Json) -> Result<Typed, Fault> {
        let text = numeral(value)?;
        if !self.fits(&text) || (self.is_fixed && text.ends_with(' ')) {
            return Err(Fault::NotExact);
        }
        Ok(Typed::of_text(text.into_owned()))
    }

    /// A text with a space at its end is no error here: it equals nothing that a `char` column holds.
    fn guard(&self, value: &Json) -> Result<Typed, Fault> {
        let text = numeral(value)?;
        if !self.fits(&text) {
            return Err(Fault::NotExact);
        }
        Ok(Typed::of_text(text.into_owned()))
    }

    fn read(&self, cell: &Value) -> Option<Exact> {
        cell_of(cell).map(|text| Exact::Text(text.to_owned()))
    }
}

/// The text of a cell; `None` where it is not UTF-8.
pub(super) fn cell_of(cell: &Value) -> Option<&str> {
    match cell {
        Value::Bytes(bytes) => std::str::from_utf8(bytes).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Fault::{Mismatch, NotExact};
    use super::super::sample::{
        cell, column, fault, fault_of, held, in_character_set, json, sent, try_written,
    };
    use super::super::{Column, ColumnType, guard};
    use super::*;

    fn text(text: &str) -> Value {
        Value::Bytes(text.as_bytes().to_vec())
    }

    fn quoted(text: &str) -> String {
        serde_json::to_string(text).unwrap()
    }

    fn fault_in(column: &Column, text: &str) -> Fault {
        fault_of(&try_written(column, &quoted(text)).unwrap_err())
    }

    #[test]
    fn lengths_are_counted_in_characters_and_of_texts_in_bytes() {
        assert_eq!(sent("varchar(3)", &quoted("😀😀😀")), text("😀😀😀"));
        assert_eq!(fault("varchar(3)", "\"abcd\""), NotExact);
        assert_eq!(fault("varchar(0)", "\"a\""), NotExact);
        sent("tinytext", &quoted(&"ä".repeat(127)));
        assert_eq!(fault("tinytext", &quoted(&"ä".repeat(128))), NotExact);
        let latin1 = in_character_set("tinytext", "latin1");
        assert!(try_written(&latin1, &quoted(&"ä".repeat(255))).is_ok());
        assert_eq!(fault_in(&latin1, &"ä".repeat(256)), NotExact);
    }

    #[test]
    fn a_space_at_the_end_is_kept_by_all_but_char_and_counts() {
        assert_eq!(sent("varchar(3)", "\"a \""), text("a "));
        assert_eq!(fault("varchar(3)", "\"abc \""), NotExact);
        assert_eq!(sent("text", "\"a \""), text("a "));
        assert_eq!(sent("char(3)", "\" a\""), text(" a"));
        let refused = try_written(&column("char(3)"), "\"a \"").unwrap_err();
        assert_eq!(fault_of(&refused), NotExact);
    }

    #[test]
    fn a_guard_with_a_space_at_its_end_equals_nothing_that_a_char_column_holds() {
        let column = column("char(3)");
        let ty = ColumnType::of(&column).unwrap();
        let typed = guard(&json("\"a \""), &column, &ty).unwrap();
        assert_eq!(typed.exact, Exact::Text("a ".to_owned()));
        assert_ne!(typed.exact, cell("char(3)", &text("a")).unwrap());
    }

    #[test]
    fn case_and_accents_and_spaces_make_a_difference() {
        for other in ["ACME", "acme ", "ácme", "acme\0"] {
            assert_ne!(
                held("varchar(9)", "\"acme\""),
                held("varchar(9)", &quoted(other)),
                "{other}"
            );
        }
    }

    #[test]
    fn a_number_is_its_own_text() {
        for number in ["42", "1.0", "1e3", "-0", "123456789012345678901234567890"] {
            assert_eq!(sent("varchar(40)", number), text(number));
        }
    }

    #[test]
    fn what_is_not_a_text_is_a_mismatch() {
        for value in ["true", "[]", "{}", "\"\\ud800\"", "[\"a\"]"] {
            assert_eq!(fault("varchar(40)", value), Mismatch, "{value}");
            assert_eq!(fault("text", value), Mismatch, "{value}");
        }
    }

    #[test]
    fn a_character_that_the_set_does_not_have_is_not_exact() {
        for character_set in ["utf8mb3", "utf8", "ucs2", "tis620", "latin1", "ascii"] {
            let column = in_character_set("varchar(3)", character_set);
            assert_eq!(fault_in(&column, "😀"), NotExact, "{character_set}");
        }
        for character_set in ["utf16", "utf32", "gb18030"] {
            let column = in_character_set("varchar(3)", character_set);
            assert!(
                try_written(&column, &quoted("😀")).is_ok(),
                "{character_set}"
            );
        }
        for (character_set, others) in [("latin1", "日Ā\u{80}\u{9f}я"), ("ascii", "é\u{80}日")]
        {
            let column = in_character_set("varchar(3)", character_set);
            for c in others.chars() {
                assert_eq!(fault_in(&column, &c.to_string()), NotExact, "{c:?}");
            }
        }
        for c in "az\u{7f}\u{a0}éÿ€Ÿ\u{81}".chars() {
            let column = in_character_set("varchar(3)", "latin1");
            assert!(
                try_written(&column, &quoted(&c.to_string())).is_ok(),
                "{c:?}"
            );
        }
        let cp932 = in_character_set("varchar(3)", "cp932");
        assert_eq!(fault_in(&cp932, "\u{6661}"), NotExact);
        assert!(try_written(&cp932, &quoted("\u{6659}")).is_ok());
    }

    #[test]
    fn a_cell_that_is_not_utf_8_is_not_understood() {
        assert_eq!(cell("varchar(3)", &Value::Bytes(vec![0xff])), None);
    }
}
