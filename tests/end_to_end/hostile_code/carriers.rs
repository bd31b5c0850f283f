//! Where code of others hangs on a table, so that writing a row runs it.

use super::case::Operation::{self, Delete, Insert, Update};

/// Something on a table that runs code.
pub struct Carrier {
    pub name: &'static str,
    /// Which kind of proposal comes by it.
    pub operation: Operation,
    /// What hangs it on `t#`, a plain table of the attacker's. `#` is the number of the case: `attack#()` is the hostile
    /// code, `quiet#(text)` the same in the guise of an immutable function that returns what it is given, `row#()` the
    /// same as a trigger function.
    pub sql: &'static str,
    /// The proposal names the view `v#` and not the table.
    pub is_view: bool,
    /// Such a target is never written to, whatever hangs on it.
    pub is_refused: bool,
    /// A value for the column `extra`, which the proposal then writes, too.
    pub extra: Option<&'static str>,
    /// Attacks that are denied are made once more, by somebody who hides that.
    pub hides: bool,
}

const fn on(operation: Operation, name: &'static str, sql: &'static str) -> Carrier {
    Carrier {
        name,
        operation,
        sql,
        is_view: false,
        is_refused: false,
        extra: None,
        hides: false,
    }
}

impl Carrier {
    const fn view(self) -> Self {
        Carrier {
            is_view: true,
            ..self
        }
    }

    const fn refused(self) -> Self {
        Carrier {
            is_refused: true,
            ..self
        }
    }

    const fn writing(self, extra: &'static str) -> Self {
        Carrier {
            extra: Some(extra),
            ..self
        }
    }

    const fn hiding(self) -> Self {
        Carrier {
            hides: true,
            ..self
        }
    }
}

/// (A virtual generated column carries none: Postgres takes no user's function there.)
#[rustfmt::skip]
pub const CARRIERS: &[Carrier] = &[
    on(Update, "a BEFORE row trigger",
        "CREATE TRIGGER t BEFORE UPDATE ON t# FOR EACH ROW EXECUTE FUNCTION row#()").hiding(),
    on(Update, "an AFTER row trigger",
        "CREATE TRIGGER t AFTER UPDATE ON t# FOR EACH ROW EXECUTE FUNCTION row#()"),
    on(Update, "a BEFORE statement trigger",
        "CREATE TRIGGER t BEFORE UPDATE ON t# EXECUTE FUNCTION row#()"),
    on(Update, "an AFTER statement trigger",
        "CREATE TRIGGER t AFTER UPDATE ON t# EXECUTE FUNCTION row#()"),
    on(Update, "a deferred constraint trigger",
        "CREATE CONSTRAINT TRIGGER t AFTER UPDATE ON t# DEFERRABLE INITIALLY DEFERRED
             FOR EACH ROW EXECUTE FUNCTION row#()").hiding(),
    on(Update, "a trigger's WHEN",
        "CREATE TRIGGER t BEFORE UPDATE ON t# FOR EACH ROW WHEN (quiet#(NEW.note) IS NOT NULL)
             EXECUTE FUNCTION suppress_redundant_updates_trigger()"),
    on(Delete, "a BEFORE DELETE trigger",
        "CREATE TRIGGER t BEFORE DELETE ON t# FOR EACH ROW EXECUTE FUNCTION row#()"),
    on(Delete, "an AFTER DELETE trigger",
        "CREATE TRIGGER t AFTER DELETE ON t# FOR EACH ROW EXECUTE FUNCTION row#()"),
    on(Update, "a trigger on a partition",
        "ALTER TABLE t# RENAME TO acme#;
         CREATE TABLE t# (LIKE acme#) PARTITION BY LIST (tenant);
         ALTER TABLE t# ATTACH PARTITION acme# FOR VALUES IN ('acme');
         CREATE TABLE globex# PARTITION OF t# FOR VALUES IN ('globex');
         CREATE TRIGGER t AFTER UPDATE ON acme# FOR EACH ROW EXECUTE FUNCTION row#()"),
    on(Insert, "a column's default",
        "ALTER TABLE t# ADD extra text DEFAULT attack#()::text"),
    on(Insert, "a default that planning works out",
        "ALTER TABLE t# ADD extra text DEFAULT quiet#('constant')"),
    on(Insert, "a cast",
        "CREATE TYPE parcel# AS (line text);
         CREATE FUNCTION parcel#(line text) RETURNS parcel# LANGUAGE sql AS 'SELECT ROW(hostile.quiet#(line))::hostile.parcel#';
         CREATE CAST (text AS parcel#) WITH FUNCTION parcel#(text);
         ALTER TABLE t# ADD extra parcel# DEFAULT CAST(now()::text AS parcel#)"),
    on(Update, "a stored generated column",
        "ALTER TABLE t# ADD extra text GENERATED ALWAYS AS (quiet#(note)) STORED"),
    on(Update, "an expression index",
        "CREATE INDEX ON t# (quiet#(note))"),
    on(Update, "a partial index's predicate",
        "CREATE INDEX ON t# (id) WHERE quiet#(note) IS NOT NULL"),
    on(Update, "a CHECK constraint",
        "ALTER TABLE t# ADD CHECK (quiet#(note) IS NOT NULL)"),
    on(Update, "an operator in a CHECK constraint",
        "CREATE TYPE parcel# AS (line text);
         CREATE FUNCTION equal#(parcel#, parcel#) RETURNS boolean LANGUAGE sql AS 'SELECT hostile.quiet#(''x'') = ''x''';
         CREATE OPERATOR === (LEFTARG = parcel#, RIGHTARG = parcel#, FUNCTION = equal#);
         ALTER TABLE t# ADD CHECK (ROW(note)::parcel# === ROW(note)::parcel#)"),
    on(Update, "a domain's CHECK",
        "CREATE DOMAIN line# AS text CHECK (quiet#(VALUE) IS NOT NULL);
         ALTER TABLE t# ALTER note TYPE line#").hiding(),
    on(Update, "a domain in a composite type",
        "CREATE DOMAIN line# AS text CHECK (quiet#(VALUE) IS NOT NULL);
         CREATE TYPE parcel# AS (line line#);
         ALTER TABLE t# ADD extra parcel#").writing("(approved)"),
    on(Update, "row security's USING",
        "ALTER TABLE t# ENABLE ROW LEVEL SECURITY;
         CREATE POLICY p ON t# USING (quiet#(note) IS NOT NULL)"),
    on(Update, "row security's WITH CHECK",
        "ALTER TABLE t# ENABLE ROW LEVEL SECURITY;
         CREATE POLICY p ON t# USING (true) WITH CHECK (quiet#(note) IS NOT NULL)"),
    on(Update, "a view's WHERE",
        "CREATE VIEW v# AS SELECT * FROM t# WHERE quiet#(note) IS NOT NULL").view(),
    on(Update, "an INSTEAD OF trigger",
        "CREATE VIEW v# AS SELECT * FROM t#;
         CREATE TRIGGER t INSTEAD OF UPDATE ON v# FOR EACH ROW EXECUTE FUNCTION row#()").view().refused(),
    on(Update, "a rule",
        "CREATE RULE r AS ON UPDATE TO t# DO ALSO SELECT attack#()").refused(),
];
