//! `binary`, `varbinary` and the blobs. A string is its UTF-8, or with `0x` in front the bytes in hexadecimal; what
//! Node makes of bytes, `{"type":"Buffer","data":[…]}`, is those bytes.

use mysql::Value;
use synapsor_core::json::{Columns, Json, Kind};

use super::column::Column;
use super::{Exact, Family, Fault, Typed};

/// A type of bytes.
#[derive(Debug)]
pub(super) struct BytesType {
    most: u64,
    /// `binary`, which fills up with zeros what is shorter.
    is_fixed: bool,
}

impl BytesType {
    pub(super) fn of(column: &Column) -> Option<Self> {
        Some(BytesType {
            most: column.character_octet_length?,
            is_fixed: column.data_type == "binary",
        })
    }
}

impl Family for BytesType {
    fn written(&self, value: &Json) -> Result<Typed, Fault> {
        let bytes = bytes(value).ok_or(Fault::Mismatch)?;
        let length = bytes.len() as u64;
        if length > self.most || (self.is_fixed && length < self.most) {
            return Err(Fault::NotExact);
        }
        Ok(Typed {
            parameter: Value::Bytes(bytes.clone()),
            exact: Exact::Bytes(bytes),
        })
    }

    fn read(&self, cell: &Value) -> Option<Exact> {
        match cell {
            Value::Bytes(bytes) => Some(Exact::Bytes(bytes.clone())),
            _ => None,
        }
    }
}

fn bytes(value: &Json) -> Option<Vec<u8>> {
    if value.kind() == Kind::Object {
        return buffer(value);
    }
    let text = value.as_str()?;
    match text.strip_prefix("0x") {
        Some(digits) => hexadecimal(digits),
        None => Some(text.into_owned().into_bytes()),
    }
}

fn hexadecimal(digits: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let pairs = digits.as_bytes().chunks(2);
    pairs
        .map(|pair| match *pair {
            [high, low] => Some(digit(high)? << 4 | digit(low)?),
            _ => None,
        })
        .collect()
}

fn buffer(value: &Json) -> Option<Vec<u8>> {
    let members = Columns::parse(value.text())?;
    let is_buffer = members.iter().count() == 2 && members.get("type")?.as_str()? == "Buffer";
    let data = members.get("data").filter(|_| is_buffer)?;
    serde_json::from_str(data.text()).ok()
}

#[cfg(test)]
mod tests {
    use super::super::Fault::{Mismatch, NotExact};
    use super::super::sample::{cell, fault, held, sent};
    use super::*;

    #[test]
    fn bytes_have_three_forms() {
        for (text, bytes) in [
            ("\"0x00ffAb\"", vec![0, 255, 0xab]),
            ("\"0x\"", vec![]),
            ("\"\"", vec![]),
            ("\"ä\"", vec![0xc3, 0xa4]),
            ("\"0X00\"", b"0X00".to_vec()),
            ("{\"type\":\"Buffer\",\"data\":[0, 255]}", vec![0, 255]),
            ("{\"data\":[],\"type\":\"\\u0042uffer\"}", vec![]),
        ] {
            assert_eq!(
                sent("varbinary(9)", text),
                Value::Bytes(bytes.clone()),
                "{text}"
            );
            assert_eq!(
                cell("varbinary(9)", &Value::Bytes(bytes)),
                Some(held("varbinary(9)", text))
            );
        }
    }

    #[test]
    fn what_only_looks_like_bytes_is_a_mismatch() {
        for text in [
            "\"0x0\"",
            "\"0xzz\"",
            "\"0x+1\"",
            "\"0x 1\"",
            "\"0xää\"",
            "\"\\ud800\"",
            "7",
            "true",
            "[1,2]",
            "{}",
            "{\"type\":\"Buffer\"}",
            "{\"type\":\"Other\",\"data\":[1]}",
            "{\"type\":\"Buffer\",\"data\":[256]}",
            "{\"type\":\"Buffer\",\"data\":[-1]}",
            "{\"type\":\"Buffer\",\"data\":[1.5]}",
            "{\"type\":\"Buffer\",\"data\":[1.0]}",
            "{\"type\":\"Buffer\",\"data\":\"ab\"}",
            "{\"type\":\"Buffer\",\"data\":[\"1\"]}",
            "{\"type\":\"Buffer\",\"data\":[1],\"more\":1}",
            "{\"type\":\"Buffer\",\"data\":[1],\"data\":[2]}",
        ] {
            assert_eq!(fault("blob", text), Mismatch, "{text}");
        }
    }

    #[test]
    fn what_would_be_cut_or_filled_up_is_not_exact() {
        assert_eq!(fault("varbinary(2)", "\"0x010203\""), NotExact);
        assert_eq!(fault("binary(3)", "\"0x0102\""), NotExact);
        assert_eq!(fault("binary(3)", "\"0x01020304\""), NotExact);
        assert_eq!(
            sent("binary(3)", "\"0x010200\""),
            Value::Bytes(vec![1, 2, 0])
        );
        assert_eq!(
            fault("tinyblob", &format!("\"{}\"", "a".repeat(256))),
            NotExact
        );
    }
}
