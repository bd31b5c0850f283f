//! Numbers arrive exactly, whatever their length, or not at all.

#[pgrx::pg_schema]
mod tests {
    use pgrx::prelude::*;

    use crate::tests::change::text;
    use crate::tests::shop::Shop;

    const OUT_OF_RANGE: &str = "SQLSTATE 22003: numeric_value_out_of_range, column v";
    const NOT_EXACT: &str = "WRITEBACK_VALUE_NOT_EXACT: v";
    const NOT_A_NUMBER: &str = "SQLSTATE 22P02: invalid_text_representation, column v";

    #[pg_test]
    fn integers_arrive_up_to_their_limits_and_not_beyond() {
        let shop = Shop::open();
        shop.column("smallint")
            .keeps(-32768, "-32768")
            .refuses(32768, OUT_OF_RANGE);
        shop.column("int")
            .keeps(i32::MAX, "2147483647")
            .keeps(text("-7"), "-7")
            .refuses(2147483648_i64, OUT_OF_RANGE);
        shop.column("bigint")
            .keeps(i64::MIN, "-9223372036854775808")
            .keeps("9007199254740993", "9007199254740993")
            .keeps(text("9007199254740993"), "9007199254740993")
            .refuses("12345678901234567890", OUT_OF_RANGE);
        shop.column("oid")
            .keeps(u32::MAX, "4294967295")
            .refuses("4294967296", OUT_OF_RANGE);
    }

    #[pg_test]
    fn an_integer_column_takes_no_fraction_no_word_and_no_truth() {
        let shop = Shop::open();
        for type_name in ["smallint", "int", "bigint"] {
            shop.column(type_name)
                .refuses("1.5", NOT_A_NUMBER)
                .refuses(text("one"), NOT_A_NUMBER)
                .refuses(text(""), NOT_A_NUMBER)
                .refuses("true", NOT_A_NUMBER)
                .refuses("{}", "WRITEBACK_VALUE_TYPE_MISMATCH: v")
                .refuses("[1]", "WRITEBACK_VALUE_TYPE_MISMATCH: v");
        }
    }

    #[pg_test]
    fn an_oid_is_the_number_that_is_written() {
        let shop = Shop::open();
        for type_name in ["oid", "xid"] {
            shop.column(type_name)
                .keeps(text(" 7 "), "7")
                .keeps(text("+7"), "7")
                .keeps(0, "0")
                .refuses(-1, NOT_EXACT);
        }
        shop.column("xid")
            .refuses(text("0x1F"), NOT_EXACT)
            .refuses(text("010"), NOT_EXACT);
        shop.column("oid[]").refuses("[1, -2]", NOT_EXACT);
        // Since PostgreSQL 16 its input reads octal and hexadecimal digits.
        let oid = shop.column("oid");
        match cfg!(any(feature = "pg14", feature = "pg15")) {
            true => oid
                .keeps(text("010"), "10")
                .refuses(text("0x1F"), NOT_A_NUMBER),
            false => oid
                .refuses(text("010"), NOT_EXACT)
                .refuses(text("0x1F"), NOT_EXACT),
        };
    }

    #[pg_test]
    fn a_numeric_keeps_every_digit() {
        let shop = Shop::open();
        let long = "123456789012345678901234567890.123456789012345678901234567890";
        shop.column("numeric")
            .keeps("12345678901234567890", "12345678901234567890")
            .keeps(long, long)
            .keeps(text(long), long)
            .keeps("1.10", "1.10")
            .keeps("-0.000", "0.000")
            .keeps("1E+5", "100000")
            .keeps("1e-7", "0.0000001")
            .keeps(text("NaN"), "NaN")
            .keeps(text("-Infinity"), "-Infinity")
            .refuses(text("1,5"), NOT_A_NUMBER);
    }

    #[pg_test]
    fn a_numeric_with_a_scale_takes_what_it_holds_and_refuses_to_round() {
        let shop = Shop::open();
        shop.column("numeric(10,2)")
            .keeps("12.3", "12.30")
            .keeps("12.3000", "12.30")
            .keeps("99999999.99", "99999999.99")
            .refuses("12.345", NOT_EXACT)
            .refuses("12.300000000000000001", NOT_EXACT)
            .refuses("100000000", OUT_OF_RANGE);
    }

    #[pg_test]
    fn floats_arrive_as_their_own_input_reads_them() {
        let shop = Shop::open();
        shop.column("real").keeps("1.5", "1.5").keeps("0.1", "0.1");
        shop.column("double precision")
            .keeps("0.1", "0.1")
            .keeps("0.30000000000000004", "0.30000000000000004")
            .keeps(text("-Infinity"), "-Infinity")
            .keeps(text("NaN"), "NaN")
            .refuses("1e400", OUT_OF_RANGE);
    }

    #[pg_test]
    fn money_arrives() {
        let shop = Shop::open();
        shop.column("money").keeps("1234.5", "$1,234.50");
    }
}
