//! Times arrive to the microsecond and mean the same whatever the session's zone and style.

#[pgrx::pg_schema]
mod tests {
    use pgrx::prelude::*;

    use crate::tests::change::{text, update};
    use crate::tests::shop::Shop;

    const NOT_EXACT: &str = "WRITEBACK_VALUE_NOT_EXACT: v";

    #[pg_test]
    fn dates_and_times_of_day_arrive() {
        let shop = Shop::open();
        shop.column("date")
            .keeps(text("2026-05-27"), "2026-05-27")
            .keeps(text("05/06/2026"), "2026-05-06")
            .keeps(text("infinity"), "infinity")
            .refuses(
                text("2026-02-30"),
                "SQLSTATE 22008: datetime_field_overflow, column v",
            )
            .refuses(
                text("soon"),
                "SQLSTATE 22007: invalid_datetime_format, column v",
            );
        shop.column("time")
            .keeps(text("10:11:12.123456"), "10:11:12.123456");
        shop.column("timetz")
            .keeps(text("10:11:12.123456+05:30"), "10:11:12.123456+05:30")
            .keeps(text("10:11:12Z"), "10:11:12+00");
    }

    #[pg_test]
    fn timestamps_arrive_to_the_microsecond_in_every_form() {
        let shop = Shop::open();
        let shown = "2026-05-27 10:00:00.123456+00";
        shop.column("timestamptz")
            .keeps(text("2026-05-27T10:00:00.123456Z"), shown)
            .keeps(text("2026-05-27T12:00:00.123456+02:00"), shown)
            .keeps(text("2026-05-27 10:00:00.123456"), shown)
            .keeps(text("infinity"), "infinity");
        shop.column("timestamp")
            .keeps(
                text("2026-05-27T10:00:00.123456"),
                "2026-05-27 10:00:00.123456",
            )
            .keeps(
                text("2026-05-27T10:00:00.123456Z"),
                "2026-05-27 10:00:00.123456",
            );
    }

    #[pg_test]
    fn a_precision_refuses_to_round() {
        let shop = Shop::open();
        shop.column("timestamp(0)")
            .keeps(text("2026-05-27T10:00:00.000"), "2026-05-27 10:00:00")
            .refuses(text("2026-05-27T10:00:00.4"), NOT_EXACT);
        shop.column("timestamptz(3)")
            .keeps(
                text("2026-05-27T10:00:00.123Z"),
                "2026-05-27 10:00:00.123+00",
            )
            .refuses(text("2026-05-27T10:00:00.123456Z"), NOT_EXACT);
        shop.column("time(0)")
            .refuses(text("10:00:00.5"), NOT_EXACT);
        shop.column("interval(0)")
            .refuses(text("1.5 seconds"), NOT_EXACT);
        shop.column("interval year to month")
            .keeps(text("1 year 2 months"), "1 year 2 mons")
            .refuses(text("1 year 2 days"), NOT_EXACT);
    }

    #[pg_test]
    fn intervals_arrive() {
        let shop = Shop::open();
        let shown = "1 mon 2 days 03:04:05.678901";
        shop.column("interval")
            .keeps(text("P1M2DT3H4M5.678901S"), shown)
            .keeps(text("1 mon 2 days 03:04:05.678901"), shown)
            .keeps(text("-1 days +02:00:00"), "-1 days +02:00:00");
    }

    #[pg_test]
    fn a_time_guard_without_a_zone_means_utc_in_every_session() {
        let shop = Shop::open();
        shop.run(
            "CREATE TABLE visits (id int PRIMARY KEY, seen timestamptz, note text);
             INSERT INTO visits VALUES (1, '2026-05-27 10:00:00.5+00', 'old');",
        );
        let change = update("visits").key("id", 1).set("note", text("new"));
        for zone in ["America/New_York", "Asia/Kolkata"] {
            shop.set("TimeZone", zone);
            shop.applied(
                &change
                    .clone()
                    .conflict("seen", text("2026-05-27 10:00:00.5")),
            );
            let local = shop.text("SELECT seen::timestamp FROM visits");
            let reason = shop.conflict(&change.clone().conflict("seen", text(&local)));
            assert_eq!(reason, "CONFLICT_VALUE_CHANGED");
        }
    }

    #[pg_test]
    fn a_type_without_a_zone_refuses_to_forget_one() {
        let shop = Shop::open();
        shop.column("timestamp")
            .keeps(text("2026-05-27T10:00:00+00:00"), "2026-05-27 10:00:00")
            .refuses(text("2026-05-27T10:00:00+05:00"), NOT_EXACT);
        shop.column("date")
            .keeps(text("2026-05-27T00:00:00Z"), "2026-05-27")
            .refuses(text("2026-05-27T23:00:00-08:00"), NOT_EXACT)
            .refuses(text("2026-05-27T10:00:00Z"), NOT_EXACT);
    }

    #[pg_test]
    fn however_a_zone_is_written_it_is_not_forgotten() {
        let shop = Shop::open();
        shop.column("timestamp")
            .keeps(text("20260527T230000Z"), "2026-05-27 23:00:00")
            .keeps(text("2026-05-27"), "2026-05-27 00:00:00")
            .refuses(text("20260527T230000+0500"), NOT_EXACT)
            .refuses(text("2026-05-27 EST"), NOT_EXACT);
        shop.column("date")
            .refuses(text("20260527T230000Z"), NOT_EXACT);
        shop.column("time")
            .keeps(text("23:00Z"), "23:00:00")
            .refuses(text("23:00+05:00"), NOT_EXACT);
        shop.column("date")
            .keeps(text("300000-02-03"), "300000-02-03")
            .refuses(text("300000-02-03 23:00:00-08"), NOT_EXACT)
            .refuses(text("300000-02-03 10:00:00Z"), NOT_EXACT);
        shop.column("timestamp[]")
            .refuses(text("{2026-05-27T23:00:00+05:00}"), NOT_EXACT)
            .keeps(
                "[\"2026-05-27T23:00:00Z\", null]",
                "{\"2026-05-27 23:00:00\",NULL}",
            )
            .refuses("[[\"2026-05-27T23:00:00+05:00\"]]", NOT_EXACT);
    }

    #[pg_test]
    fn a_time_of_day_refuses_to_forget_a_day() {
        let shop = Shop::open();
        shop.column("time")
            .keeps(text("T101112"), "10:11:12")
            .keeps(text("040506"), "04:05:06")
            .keeps(text("10:11 PM"), "22:11:00")
            .keeps(text("24:00:00"), "24:00:00")
            .refuses(text("2026-05-27 10:11:12"), NOT_EXACT)
            .refuses(text("2026-05-27 24:00:00"), NOT_EXACT);
        shop.column("timetz")
            .keeps(text("10:11:12 EST"), "10:11:12-05")
            .refuses(text("2026-05-27 10:11:12+02"), NOT_EXACT)
            .refuses(text("2026-05-27 10:11:12 America/New_York"), NOT_EXACT);
        shop.column("time[]")
            .refuses("[\"2026-05-27 10:11:12\"]", NOT_EXACT);
    }
}
