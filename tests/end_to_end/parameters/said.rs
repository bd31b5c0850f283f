//! A JSON value that is known twice: as the text that is listed, and as what it says, so that the oracle need not
//! trust anybody's JSON reader.

use fastrand::Rng;

/// What a JSON value says.
#[derive(Clone, Debug)]
pub enum Said {
    Null,
    Truth(bool),
    /// A number, digit for digit.
    Number(String),
    /// A string's content.
    Text(String),
    /// A string with half a surrogate pair: no Unicode text.
    Broken,
    Array(Vec<Value>),
    /// A string that is an array in Postgres's notation, of these elements.
    Notation(Vec<Value>),
    Object,
}

/// A JSON value.
#[derive(Clone, Debug)]
pub struct Value {
    pub json: String,
    pub said: Said,
}

impl Value {
    pub fn null() -> Self {
        Value {
            json: "null".to_owned(),
            said: Said::Null,
        }
    }

    pub fn truth(truth: bool) -> Self {
        Value {
            json: truth.to_string(),
            said: Said::Truth(truth),
        }
    }

    /// A number from a JSON number's text.
    pub fn number(digits: impl Into<String>) -> Self {
        let json = digits.into();
        Value {
            said: Said::Number(json.clone()),
            json,
        }
    }

    /// A string, each character of it written in one of the ways that JSON has.
    pub fn text(content: impl Into<String>, rng: &mut Rng) -> Self {
        let content = content.into();
        Value {
            json: string(rng, &content),
            said: Said::Text(content),
        }
    }

    /// A string from its JSON text, which has half a surrogate pair in it.
    pub fn broken(json: &str) -> Self {
        Value {
            json: json.to_owned(),
            said: Said::Broken,
        }
    }

    /// An object from its JSON text.
    pub fn object(json: impl Into<String>) -> Self {
        Value {
            json: json.into(),
            said: Said::Object,
        }
    }

    pub fn array(elements: Vec<Value>, rng: &mut Rng) -> Self {
        let space = space(rng);
        let texts: Vec<_> = elements.iter().map(|value| value.json.as_str()).collect();
        let json = format!(
            "[{space}{}{space}]",
            texts.join(&format!("{space},{space}"))
        );
        Value {
            json,
            said: Said::Array(elements),
        }
    }

    /// A string that is a flat array as Postgres writes one; what has no text there is null.
    pub fn notation(mut elements: Vec<Value>, rng: &mut Rng) -> Self {
        for element in elements
            .iter_mut()
            .filter(|element| element.spelled().is_none())
        {
            *element = Value::null();
        }
        let quoted = |value: &Value| match &value.said {
            Said::Null => "NULL".to_owned(),
            _ => {
                let text = value.spelled().unwrap_or_default();
                format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
            }
        };
        let texts: Vec<_> = elements.iter().map(quoted).collect();
        let json = string(rng, &format!("{{{}}}", texts.join(",")));
        Value {
            json,
            said: Said::Notation(elements),
        }
    }

    /// The text that a column of a plain type is asked to read; `None` for what has none.
    pub fn spelled(&self) -> Option<String> {
        match &self.said {
            Said::Truth(truth) => Some(truth.to_string()),
            Said::Number(text) | Said::Text(text) => Some(text.clone()),
            _ => None,
        }
    }

    /// How deep arrays and objects are nested in it.
    pub fn depth(&self) -> usize {
        let (mut deepest, mut level, mut in_string, mut escaped) = (0, 0_usize, false, false);
        for c in self.json.chars() {
            match c {
                _ if escaped => escaped = false,
                '\\' if in_string => escaped = true,
                '"' => in_string = !in_string,
                '[' | '{' if !in_string => level += 1,
                ']' | '}' if !in_string => level -= 1,
                _ => {}
            }
            deepest = deepest.max(level);
        }
        deepest
    }
}

/// White space that JSON allows between its parts; mostly none.
pub fn space(rng: &mut Rng) -> &'static str {
    const SPACES: [&str; 7] = ["", "", "", " ", "  ", "\t", "\r\n"];
    SPACES[rng.usize(0..SPACES.len())]
}

fn string(rng: &mut Rng, content: &str) -> String {
    let escapes_much = rng.u8(0..10) == 0;
    let mut json = String::from("\"");
    for c in content.chars() {
        let must = c < ' ' || c == '"' || c == '\\';
        if !must && !escapes_much {
            json.push(c);
        } else if let (Some(short), true) = (short_escape(c), rng.bool()) {
            json.push_str(short);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                json.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    json + "\""
}

fn short_escape(c: char) -> Option<&'static str> {
    Some(match c {
        '"' => "\\\"",
        '\\' => "\\\\",
        '/' => "\\/",
        '\u{8}' => "\\b",
        '\u{c}' => "\\f",
        '\n' => "\\n",
        '\r' => "\\r",
        '\t' => "\\t",
        _ => return None,
    })
}
