//! The parts of SQL text as the servers write it: enough to find names in the definitions of tables and views.

/// A part of SQL text.
#[derive(Clone, Debug, PartialEq)]
pub enum Token {
    /// A bare word, in lower case.
    Word(String),
    /// A name in backticks.
    Name(String),
    /// A text in quotes.
    Text,
    /// Any other character.
    Sign(char),
}

impl Token {
    /// True for this word.
    pub fn is_word(&self, word: &str) -> bool {
        matches!(self, Token::Word(own) if own == word)
    }

    /// True for this character.
    pub fn is_sign(&self, sign: char) -> bool {
        *self == Token::Sign(sign)
    }

    /// The name, where it is one.
    pub fn name(&self) -> Option<String> {
        match self {
            Token::Name(name) => Some(name.clone()),
            _ => None,
        }
    }
}

/// The parts of a text, without the white space between them.
pub fn tokens(sql: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut chars = sql.chars().peekable();
    while let Some(c) = chars.next() {
        let token = match c {
            '`' => Token::Name(quoted(&mut chars, '`', false)),
            '\'' | '"' => {
                quoted(&mut chars, c, true);
                Token::Text
            }
            c if c.is_alphanumeric() || c == '_' => {
                let mut word = c.to_lowercase().to_string();
                while let Some(c) = chars.next_if(|c| c.is_alphanumeric() || *c == '_') {
                    word.extend(c.to_lowercase());
                }
                Token::Word(word)
            }
            c if c.is_whitespace() => continue,
            c => Token::Sign(c),
        };
        tokens.push(token);
    }
    tokens
}

/// What stands up to the closing quote, which is doubled where it belongs to the text.
fn quoted(
    chars: &mut std::iter::Peekable<std::str::Chars<'_>>,
    quote: char,
    has_escapes: bool,
) -> String {
    let mut text = String::new();
    while let Some(c) = chars.next() {
        if c == '\\' && has_escapes {
            text.extend(chars.next());
        } else if c != quote {
            text.push(c);
        } else if chars.next_if_eq(&quote).is_some() {
            text.push(quote);
        } else {
            break;
        }
    }
    text
}
