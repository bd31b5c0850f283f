//! Bytes as choices of a grammar: proposals in every state between good and absurd.

/// Names within the rule, among them words that SQL knows.
const NAMES: &[&str] = &[
    "id",
    "tenant_id",
    "version",
    "status",
    "note",
    "select",
    "Order",
    "a",
    "_",
];

/// Names outside the rule, or at its edges.
const HOSTILE_NAMES: &[&str] = &[
    "",
    "a b",
    "a\"b",
    "a`b",
    "a\\",
    "a;--",
    "1a",
    "a$1",
    "é",
    "\u{ff41}",
    "a\0",
    "\u{202e}a",
    "\"; DROP TABLE t; --",
    "$serde_json::private::Number",
    "$serde_json::private::RawValue",
];

/// JSON texts of values without a structure.
const SCALARS: &[&str] = &[
    "7",
    "null",
    "true",
    "-0",
    "1.50",
    "1e400",
    "123456789012345678901234567890.000000000000000000001",
    "\"open\"",
    "\"$1 ? \\\" ` '; --\"",
    "\"\\u00e9\"",
    "\"\\ud800\"",
    "\"\"",
    "[]",
    "{}",
    "{\"$serde_json::private::Number\":\"1\"}",
];

/// What stands where something else belongs.
const MISPLACED: &[&str] = &[
    "null",
    "7",
    "true",
    "[]",
    "{}",
    "[\"x\"]",
    "\"\"",
    "\"\\ud800\"",
];

const KINDS: &[&str] = &["postgres", "mysql", "", "oracle"];

const OPERATIONS: &[&str] = &[
    "update", "insert", "delete", "UPDATE", "Insert", "merge", "",
];

/// Bytes, each of them one choice; when they are used up, always the first one.
pub struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Choices(bytes)
    }

    /// A number from 0 up to, and without, `n`.
    pub fn below(&mut self, n: usize) -> usize {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        usize::from(*first) % n
    }

    /// True once in `n` times.
    pub fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == n - 1
    }

    pub fn of<T: Copy>(&mut self, options: &[T]) -> T {
        options[self.below(options.len())]
    }

    /// Some characters, whichever come.
    pub fn text(&mut self) -> String {
        let length = self.below(16).min(self.0.len());
        let (text, rest) = self.0.split_at(length);
        self.0 = rest;
        String::from_utf8_lossy(text).into_owned()
    }
}

/// A JSON string that says `text`, plain or with every character escaped.
pub fn string(choices: &mut Choices<'_>, text: &str) -> String {
    if !choices.once_in(8) {
        return quoted(text);
    }
    let escaped: String = text
        .encode_utf16()
        .map(|unit| format!("\\u{unit:04x}"))
        .collect();
    format!("\"{escaped}\"")
}

/// A JSON string that says `text`.
pub fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a text can always be written")
}

/// The JSON text of any value.
pub fn value(choices: &mut Choices<'_>) -> String {
    value_within(choices, 4)
}

fn value_within(choices: &mut Choices<'_>, levels: usize) -> String {
    match choices.below(16) {
        10 => {
            let text = choices.text();
            string(choices, &text)
        }
        11 | 12 if levels > 0 => {
            let count = choices.below(4);
            let elements: Vec<_> = (0..count)
                .map(|_| value_within(choices, levels - 1))
                .collect();
            format!("[{}]", elements.join(","))
        }
        13 | 14 if levels > 0 => {
            let count = choices.below(4);
            let members: Vec<_> = (0..count)
                .map(|_| (name(choices), value_within(choices, levels - 1)))
                .collect();
            object(choices, &members)
        }
        // About as deep as a value may be.
        15 => {
            let levels = 120 + choices.below(16);
            format!("{}{}", "[".repeat(levels), "]".repeat(levels))
        }
        _ => choices.of(SCALARS).to_owned(),
    }
}

/// A proposal, mostly with what it needs to be built.
pub fn proposal(choices: &mut Choices<'_>) -> String {
    let operation = choices.of(OPERATIONS);
    let (changes, key) = (columns(choices), columns(choices));
    let tenant = choices.once_in(2).then(|| name(choices));
    let conflict = choices.once_in(2).then(|| name(choices));
    let conflict_values: Vec<_> = conflict
        .iter()
        .map(|column| (column.clone(), value(choices)))
        .collect();
    let used = changes
        .iter()
        .chain(&key)
        .map(|(name, _)| name)
        .chain(&tenant)
        .chain(&conflict);
    let used: Vec<_> = used.cloned().collect();
    let allowed: Vec<_> = used
        .iter()
        .filter(|_| !choices.once_in(32))
        .map(|name| quoted(name))
        .collect();
    let schema = if choices.once_in(4) {
        "external_catalog"
    } else {
        "external_schema"
    };

    let mut fields = Fields {
        choices,
        members: Vec::new(),
    };
    fields.text("proposal_id", "wrp://external/xwp_7");
    fields.text("operation", operation);
    let (schema_name, table_name) = (name(fields.choices), name(fields.choices));
    fields.text(schema, &schema_name);
    fields.text("external_table", &table_name);
    fields.object("changes", &changes);
    fields.object("primary_key", &key);
    fields.text_if_any("tenant_column", tenant.as_deref());
    let tenant_id = value(fields.choices);
    fields.add("tenant_id", tenant_id);
    fields.text_if_any("conflict_column", conflict.as_deref());
    fields.object("conflict", &conflict_values);
    fields.add("allowed_columns", format!("[{}]", allowed.join(",")));
    fields.strangers();
    let Fields { choices, members } = fields;
    object(choices, &members)
}

/// The fields of a proposal, each of which may be missing, misplaced or there twice.
struct Fields<'c, 'a> {
    choices: &'c mut Choices<'a>,
    members: Vec<(String, String)>,
}

impl Fields<'_, '_> {
    fn add(&mut self, name: &str, json: String) {
        match self.choices.below(64) {
            61 => {}
            62 => self
                .members
                .push((name.to_owned(), self.choices.of(MISPLACED).to_owned())),
            63 => self
                .members
                .extend([(name.to_owned(), json.clone()), (name.to_owned(), json)]),
            _ => self.members.push((name.to_owned(), json)),
        }
    }

    fn text(&mut self, name: &str, text: &str) {
        let json = string(self.choices, text);
        self.add(name, json);
    }

    fn text_if_any(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.text(name, text);
        }
    }

    fn object(&mut self, name: &str, members: &[(String, String)]) {
        let json = object(self.choices, members);
        self.add(name, json);
    }

    /// Fields that say whose the proposal is, and unknown ones.
    fn strangers(&mut self) {
        if self.choices.once_in(2) {
            let kind = self.choices.of(KINDS);
            self.text("source_kind", kind);
        }
        if self.choices.once_in(4) {
            let status = self.choices.of(&["approved", "pending_review", ""]);
            self.text("status", status);
        }
        if self.choices.once_in(4) {
            let source = self.choices.of(&["src_1", "src_2", ""]);
            self.text("source_id", source);
        }
        if self.choices.once_in(4) {
            let key = self.choices.text();
            self.text("idempotency_key", &key);
        }
        if self.choices.once_in(8) {
            let (name, json) = (self.choices.text(), value(self.choices));
            self.add(&name, json);
        }
    }
}

fn columns(choices: &mut Choices<'_>) -> Vec<(String, String)> {
    let count = choices.below(4);
    (0..count)
        .map(|_| (name(choices), value(choices)))
        .collect()
}

fn name(choices: &mut Choices<'_>) -> String {
    match choices.below(64) {
        61 => choices.text(),
        62 => choices.of(HOSTILE_NAMES).to_owned(),
        63 => "a".repeat(62 + choices.below(4)),
        n => NAMES[n % NAMES.len()].to_owned(),
    }
}

/// A JSON object with these members, with and without white space.
pub fn object(choices: &mut Choices<'_>, members: &[(String, String)]) -> String {
    let space = choices.of(&["", "", " ", "\n\t"]);
    let members: Vec<_> = members
        .iter()
        .map(|(name, json)| format!("{}:{space}{json}", quoted(name)))
        .collect();
    format!("{{{space}{}{space}}}", members.join(&format!("{space},")))
}
