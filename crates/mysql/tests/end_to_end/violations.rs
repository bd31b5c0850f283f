//! What the table itself forbids: the report names the constraint or the column, and never a value.

use synapsor_mysql_testbed::Flavor;

use crate::stage::Stage;

on_both! {
    a_violation_is_reported_with_the_constraint_s_name_and_no_value
    a_value_that_looks_like_a_name_is_not_taken_for_one
    names_that_need_quotes_are_reported_as_they_are
}

const GOODS: &str = "
    CREATE TABLE goods (id int PRIMARY KEY, mail varchar(99) COLLATE utf8mb4_general_ci, price decimal(10,2), said text NOT NULL,
        code varchar(99), CONSTRAINT uq_mail UNIQUE (mail), UNIQUE KEY uq_code_price (code, price),
        CONSTRAINT positive CHECK (price > 0), CHECK (code <> 'hunter2'));
    INSERT INTO goods VALUES (1, 'hunter2@example.org', 1, 'x', 'c'), (2, 'b', 2, 'x', 'c')";

fn a_violation_is_reported_with_the_constraint_s_name_and_no_value(flavor: Flavor) {
    let stage = Stage::new(flavor);
    stage.furnish(GOODS);
    let update = |id: &str| stage.update("goods").id(id).key("id", 2);
    stage.approve(update("mail").change("mail", "HUNTER2@example.org"));
    stage.approve(update("code").change("price", 1));
    stage.approve(update("price").change("price", -77));
    stage.approve(update("unnamed").change("code", "hunter2"));
    stage.approve(update("null").change("said", serde_json::Value::Null));
    let insert = stage.insert("goods").id("primary").change("id", 1);
    stage.approve(insert.change("said", "hunter2"));
    stage.approve(
        stage
            .insert("goods")
            .id("default")
            .change("id", 3)
            .change("mail", "hunter2"),
    );
    let polled = stage.poll();
    let check = if flavor == Flavor::MySql {
        "SQLSTATE HY000: ER_CHECK_CONSTRAINT_VIOLATED"
    } else {
        "SQLSTATE 23000: ER_CONSTRAINT_FAILED"
    };
    let unnamed = if flavor == Flavor::MySql {
        "goods_chk_1"
    } else {
        "CONSTRAINT_1"
    };
    for (id, error) in [
        ("mail", "SQLSTATE 23000: ER_DUP_ENTRY, constraint uq_mail"),
        (
            "code",
            "SQLSTATE 23000: ER_DUP_ENTRY, constraint uq_code_price",
        ),
        ("price", &format!("{check}, constraint positive")),
        ("unnamed", &format!("{check}, constraint {unnamed}")),
        ("null", "SQLSTATE 23000: ER_BAD_NULL_ERROR, column said"),
        (
            "primary",
            "SQLSTATE 23000: ER_DUP_ENTRY, constraint PRIMARY",
        ),
        ("default", "SQLSTATE HY000: ER_NO_DEFAULT_FOR_FIELD"),
    ] {
        assert!(
            polled.outcome(id).starts_with(error),
            "{id}: {}",
            polled.outcome(id)
        );
        assert_eq!(stage.report(id)["error"], *polled.outcome(id));
        assert_eq!(polled.result(id)["status"], "failed");
    }
    let told = format!("{polled:?}").to_lowercase();
    assert!(!told.contains("hunter2") && !told.contains("77"), "{told}");
    let detail = stage.ledger_column("mail", "error_detail").unwrap();
    assert!(
        detail.to_lowercase().contains("hunter2@example.org"),
        "for the operator: {detail}"
    );
    let rows = "SELECT group_concat(concat_ws(':', id, mail, price, code) ORDER BY id) FROM goods";
    assert_eq!(
        stage.value(rows).as_deref(),
        Some("1:hunter2@example.org:1.00:c,2:b:2.00:c")
    );
}

fn a_value_that_looks_like_a_name_is_not_taken_for_one(flavor: Flavor) {
    let stage = Stage::new(flavor);
    stage.furnish(GOODS);
    let values = [
        "x' for key 'hunter2",
        "column 'hunter2'",
        "CONSTRAINT `hunter2`",
        "' for key 'goods.hunter2'",
    ];
    for (n, value) in values.into_iter().enumerate() {
        for id in [10 + n, 20 + n] {
            let insert = stage
                .insert("goods")
                .id(&format!("insert_{id}"))
                .change("id", id);
            stage.approve(insert.change("mail", value).change("said", "x"));
        }
    }
    let polled = stage.poll();
    for n in 0..values.len() {
        assert_eq!(polled.outcome(&format!("insert_1{n}")), "applied");
        assert_eq!(
            polled.outcome(&format!("insert_2{n}")),
            "SQLSTATE 23000: ER_DUP_ENTRY, constraint uq_mail"
        );
    }
    assert!(!format!("{polled:?}").contains("hunter2"));
}

fn names_that_need_quotes_are_reported_as_they_are(flavor: Flavor) {
    let stage = Stage::new(flavor);
    stage.furnish(
        "CREATE TABLE odd (id int PRIMARY KEY, a int, b int, CONSTRAINT `a, not \"b\"` UNIQUE (a), CONSTRAINT `größer als 0` CHECK (b > 0));
         INSERT INTO odd VALUES (1, 1, 1)",
    );
    stage.approve(
        stage
            .insert("odd")
            .id("unique")
            .change("id", 2)
            .change("a", 1),
    );
    stage.approve(stage.update("odd").id("check").key("id", 1).change("b", -1));
    let polled = stage.poll();
    assert!(
        polled
            .outcome("unique")
            .ends_with(": ER_DUP_ENTRY, constraint a, not \"b\""),
        "{polled:?}"
    );
    assert!(
        polled
            .outcome("check")
            .ends_with(", constraint größer als 0"),
        "{polled:?}"
    );
}
