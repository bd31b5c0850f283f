//! What one examination finds.

use crate::error::ExtensionError;

/// One thing that was found.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Whether it is as it should be; unknown where something else kept us from looking.
    pub ok: Option<bool>,
    /// What was found, in words.
    pub detail: String,
    /// The command that repairs it, or makes it better where it is well.
    pub hint: String,
}

/// What an examination finds: more than one thing where more than one is wrong.
pub type Findings = Result<Vec<Finding>, ExtensionError>;

/// All is well.
pub fn well(detail: impl Into<String>) -> Finding {
    advice(detail, "")
}

/// All is well, and could be better.
pub fn advice(detail: impl Into<String>, hint: impl Into<String>) -> Finding {
    Finding {
        ok: Some(true),
        detail: detail.into(),
        hint: hint.into(),
    }
}

/// Something is wrong.
pub fn trouble(detail: impl Into<String>, hint: impl Into<String>) -> Finding {
    Finding {
        ok: Some(false),
        detail: detail.into(),
        hint: hint.into(),
    }
}

/// Something else kept us from looking.
pub fn unknown(detail: impl Into<String>) -> Finding {
    Finding {
        ok: None,
        ..advice(detail, "")
    }
}

/// An error, and what can be done about it.
pub fn of_error(error: &ExtensionError) -> Finding {
    trouble(error.to_string(), error.hint().unwrap_or_default())
}
