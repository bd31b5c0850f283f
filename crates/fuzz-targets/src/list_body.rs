//! A whole answer of the list call: every element is read, and a bad one harms only itself.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use synapsor_core::control_plane::{Answer, HeaderMap, Item, Page};
use synapsor_core::json::Json;
use synapsor_core::listed::{Listed, Ours};

use crate::element;
use crate::grammar::{self, Choices};
use crate::shown;

/// The longest cursor that is sent back, in bytes.
const LONGEST_CURSOR: usize = 2048;

/// Any bytes as the body of a list, and as one element of a list that is good otherwise.
///
/// # Panics
/// When a promise is broken.
pub fn list_body(data: &[u8]) {
    if let Some((0, choices)) = data.split_first() {
        composed(&mut Choices::new(choices));
    } else {
        page(data.to_vec());
        among_good_ones(data);
    }
}

/// The page that a body holds, each of its elements checked.
fn page(body: Vec<u8>) -> Option<Page> {
    let answer = shown::judge(200, HeaderMap::new(), body).ok()?;
    let page = Page::read(&answer);
    let expected = elements(&answer);
    let Ok(page) = page else {
        assert_eq!(page.unwrap_err().code(), "CONTROL_PLANE_UNEXPECTED_ANSWER");
        assert!(expected.is_none(), "a list was not read");
        return None;
    };
    let texts: Vec<_> = page.items.iter().map(|item| item.raw.get()).collect();
    assert_eq!(
        Some(texts),
        expected,
        "every element comes, once and in its place"
    );
    for item in &page.items {
        assert!(item.intact || (!answer.intact && item.raw.get().contains('\u{fffd}')));
        element::check_sorted(&item.read(&ours()));
    }
    if let Some(cursor) = &page.next_cursor {
        assert!((1..=LONGEST_CURSOR).contains(&cursor.len()));
    }
    Some(page)
}

/// The elements of the list as serde's own derived code finds them.
fn elements(answer: &Answer) -> Option<Vec<&str>> {
    #[derive(Deserialize)]
    struct List<'a> {
        #[serde(borrow)]
        proposals: Vec<&'a RawValue>,
    }
    // It would take an array of fields for the object as well.
    let list: Option<List<'_>> = answer
        .text
        .starts_with('{')
        .then(|| serde_json::from_str(&answer.text).ok())
        .flatten();
    Some(list?.proposals.into_iter().map(RawValue::get).collect())
}

/// One element of any kind between two good ones: all three come, and the good ones are good.
fn among_good_ones(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let Ok(raw) = serde_json::from_str::<&RawValue>(&text) else {
        return;
    };
    let (first, last) = (good(1), good(2));
    let mut body = format!("{{\"proposals\":[{first},").into_bytes();
    body.extend_from_slice(data);
    body.extend_from_slice(format!(",{last}]}}").as_bytes());
    let page = page(body).expect("a list is a list, whatever its elements are");
    assert_eq!(page.items.len(), 3);
    assert_eq!(page.items[1].raw.get(), raw.get());
    assert_eq!(page.items[1].intact, matches!(text, Cow::Borrowed(_)));
    check_good(&page.items[0], 1);
    check_good(&page.items[2], 2);
}

/// A list of good and absurd elements, where it is known which ones are good.
fn composed(choices: &mut Choices<'_>) {
    let count = choices.below(6);
    let elements: Vec<_> = (0..count)
        .map(|n| match choices.below(4) {
            0 => grammar::value(choices),
            1 => good(n),
            _ => grammar::proposal(choices),
        })
        .collect();
    let mut members = vec![("proposals".to_owned(), format!("[{}]", elements.join(" ,")))];
    if choices.once_in(2) {
        members.push(("next_cursor".to_owned(), grammar::value(choices)));
    }
    if choices.once_in(8) {
        members.push((format!("x-{}", choices.text()), grammar::value(choices)));
    }
    let body = grammar::object(choices, &members);
    let page = page(body.into_bytes()).expect("a list is a list, whatever its elements are");
    assert_eq!(page.items.len(), count);
    for (n, (item, text)) in page.items.iter().zip(&elements).enumerate() {
        assert_eq!(item.raw.get(), text);
        if *text == good(n) {
            check_good(item, n);
        }
    }
}

fn ours() -> Ours {
    Ours {
        kind: "postgres",
        source_id: Some("src_1".to_owned()),
    }
}

fn id(n: usize) -> String {
    format!("wrp://external/xwp_{n}")
}

fn good(n: usize) -> String {
    let id = id(n);
    format!(
        r#"{{"proposal_id":"{id}","external_schema":"public","external_table":"tickets","changes":{{"status":{n}}},"primary_key":{{"id":{n}}},"allowed_columns":["status","id"]}}"#
    )
}

fn check_good(item: &Item, n: usize) {
    let Listed::Proposal(proposal) = item.read(&ours()) else {
        panic!("a good proposal was harmed by its neighbour");
    };
    assert_eq!(proposal.proposal_id, Some(id(n)), "ids come back exact");
    assert_eq!(
        proposal.changes.get("status").map(Json::text),
        Some(n.to_string().as_str())
    );
}
