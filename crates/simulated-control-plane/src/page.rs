//! Lists in pages: `limit`, `cursor` and `next_cursor`.

use hyper::StatusCode;

use crate::answer::{Answer, Refusal, json_answer};

/// The parameters of a call; an empty one counts as absent.
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn parse(query: &str) -> Self {
        Self(
            form_urlencoded::parse(query.as_bytes())
                .into_owned()
                .collect(),
        )
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(key, _)| key == name);
        found
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }
}

/// Which part of a list a call wants.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) from: usize,
    pub(crate) limit: usize,
    /// Given as `next_cursor` whatever comes next: the looping cursor.
    pub(crate) forced_cursor: Option<&'static str>,
}

impl Window {
    pub(crate) const EVERYTHING: Self = Self {
        from: 0,
        limit: usize::MAX,
        forced_cursor: None,
    };

    pub(crate) fn asked_by(query: &Query, max_page: usize) -> Result<Self, Refusal> {
        Ok(Self {
            from: query.get("cursor").map_or(Ok(0), parse_cursor)?,
            limit: asked_limit(query, max_page)?,
            forced_cursor: None,
        })
    }

    /// The first page, whatever the cursor, which is promised to lead on.
    pub(crate) fn looping(query: &Query, max_page: usize) -> Result<Self, Refusal> {
        Ok(Self {
            from: 0,
            limit: asked_limit(query, max_page)?,
            forced_cursor: Some("again"),
        })
    }
}

fn asked_limit(query: &Query, max_page: usize) -> Result<usize, Refusal> {
    let Some(text) = query.get("limit") else {
        return Ok(max_page);
    };
    match text.parse::<usize>() {
        Ok(limit) if limit > 0 => Ok(limit.min(max_page)),
        _ => Err(Refusal::bad_request(
            "INVALID_LIMIT",
            "limit is a number from 1 on",
        )),
    }
}

/// A cursor names the index of the next element, so that pages stay right while elements leave.
fn parse_cursor(text: &str) -> Result<usize, Refusal> {
    let index = text
        .strip_prefix("from_")
        .and_then(|index| index.parse().ok());
    index.ok_or_else(|| Refusal::bad_request("INVALID_CURSOR", "this cursor is none of ours"))
}

/// Writes `{"ok":true,"NAME":[…],"next_cursor":…}`, with the bytes of every item as they are.
/// `items` start at the window and come with their index.
pub(crate) fn list_answer<'a>(
    name: &str,
    mut items: impl Iterator<Item = (usize, &'a [u8])>,
    window: &Window,
) -> Answer {
    let mut body = format!("{{\"ok\":true,\"{name}\":[").into_bytes();
    for (position, (_, item)) in items.by_ref().take(window.limit).enumerate() {
        if position > 0 {
            body.push(b',');
        }
        body.extend_from_slice(item);
    }
    body.push(b']');
    let next = items.next().map(|(index, _)| format!("from_{index}"));
    if let Some(cursor) = window.forced_cursor.map(str::to_owned).or(next) {
        body.extend_from_slice(format!(",\"next_cursor\":\"{cursor}\"").as_bytes());
    }
    body.push(b'}');
    json_answer(StatusCode::OK, body)
}
