//! A column of one type, for tests of how values arrive in it.

use std::fmt::Display;

use super::change::{delete, insert, update};
use super::shop::Shop;

/// A column `v` in a table `things`, written to and compared with in a session whose own settings would read times
/// and intervals differently.
pub struct Column<'s> {
    shop: &'s Shop,
    guard_error: Option<&'static str>,
}

impl Shop {
    /// A column of this type.
    #[track_caller]
    pub fn column(&self, type_name: &str) -> Column<'_> {
        self.run(&format!(
            "DROP TABLE IF EXISTS things;
             CREATE TABLE things (id int PRIMARY KEY, v {type_name});"
        ));
        Column {
            shop: self,
            guard_error: None,
        }
    }
}

impl Column<'_> {
    /// Says that the type has no equality, or not one of its own: a guard on it fails with this error.
    pub fn without_guard(mut self, error: &'static str) -> Self {
        self.guard_error = Some(error);
        self
    }

    /// The JSON value becomes the value that Postgres shows as `shown`: by an update and by an insert. A conflict guard
    /// with the same JSON value then finds it. A null empties it, and a null guard finds that.
    #[track_caller]
    pub fn keeps(&self, json: impl Display, shown: &str) -> &Self {
        let shop = self.shop;
        self.in_a_foreign_session(|| {
            shop.run("DELETE FROM things; INSERT INTO things VALUES (1, NULL), (3, NULL);");
            shop.applied(&update("things").key("id", 1).set("v", &json));
            shop.applied(&insert("things").set("id", 2).set("v", &json));
        });
        for id in [1, 2] {
            let kept = shop.text(&format!("SELECT v FROM things WHERE id = {id}"));
            assert_eq!(kept, shown, "row {id}, JSON {json}");
        }
        self.in_a_foreign_session(|| self.compares(&json));
        self
    }

    #[track_caller]
    fn compares(&self, json: &impl Display) {
        let shop = self.shop;
        let guarded = delete("things").key("id", 1).conflict("v", json);
        match self.guard_error {
            None => drop(shop.applied(&guarded)),
            Some(error) => assert_eq!(shop.failed(&guarded), error, "JSON {json}"),
        }
        shop.applied(&update("things").key("id", 2).set("v", "null"));
        shop.applied(&delete("things").key("id", 2).conflict("v", "null"));
    }

    /// The JSON value is refused with this error, and changes nothing.
    #[track_caller]
    pub fn refuses(&self, json: impl Display, error: &str) -> &Self {
        self.shop
            .run("DELETE FROM things; INSERT INTO things VALUES (1, NULL);");
        let by_update = update("things").key("id", 1).set("v", &json);
        let by_insert = insert("things").set("id", 2).set("v", &json);
        for change in [by_update, by_insert] {
            assert_eq!(self.shop.failed(&change), error, "JSON {json}");
        }
        self
    }

    #[track_caller]
    fn in_a_foreign_session(&self, work: impl FnOnce()) {
        self.shop.set("TimeZone", "Asia/Kolkata");
        self.shop.set("DateStyle", "SQL, DMY");
        self.shop.set("IntervalStyle", "iso_8601");
        work();
        self.shop.set("TimeZone", "UTC");
        self.shop.set("DateStyle", "ISO, MDY");
        self.shop.set("IntervalStyle", "postgres");
    }
}
