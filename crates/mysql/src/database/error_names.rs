//! The names of the errors that a proposal can meet, as the servers' documentation has them.

/// The name of an error's number; `unknown` for one that is not expected, or that somebody made up.
pub fn name(errno: u16) -> &'static str {
    let known = NAMES.binary_search_by_key(&errno, |(number, _)| *number);
    known.map_or("unknown", |n| NAMES[n].1)
}

/// In the order of the numbers.
const NAMES: &[(u16, &str)] = &[
    (1020, "ER_CHECKREAD"),
    (1021, "ER_DISK_FULL"),
    (1037, "ER_OUTOFMEMORY"),
    (1040, "ER_CON_COUNT_ERROR"),
    (1041, "ER_OUT_OF_RESOURCES"),
    (1044, "ER_DBACCESS_DENIED_ERROR"),
    (1045, "ER_ACCESS_DENIED_ERROR"),
    (1047, "ER_UNKNOWN_COM_ERROR"),
    (1048, "ER_BAD_NULL_ERROR"),
    (1049, "ER_BAD_DB_ERROR"),
    (1053, "ER_SERVER_SHUTDOWN"),
    (1054, "ER_BAD_FIELD_ERROR"),
    (1062, "ER_DUP_ENTRY"),
    (1064, "ER_PARSE_ERROR"),
    (1104, "ER_TOO_BIG_SELECT"),
    (1114, "ER_RECORD_FILE_FULL"),
    (1130, "ER_HOST_NOT_PRIVILEGED"),
    (1142, "ER_TABLEACCESS_DENIED_ERROR"),
    (1143, "ER_COLUMNACCESS_DENIED_ERROR"),
    (1146, "ER_NO_SUCH_TABLE"),
    (1153, "ER_NET_PACKET_TOO_LARGE"),
    (1180, "ER_ERROR_DURING_COMMIT"),
    (1203, "ER_TOO_MANY_USER_CONNECTIONS"),
    (1205, "ER_LOCK_WAIT_TIMEOUT"),
    (1206, "ER_LOCK_TABLE_FULL"),
    (1213, "ER_LOCK_DEADLOCK"),
    (1216, "ER_NO_REFERENCED_ROW"),
    (1217, "ER_ROW_IS_REFERENCED"),
    (1226, "ER_USER_LIMIT_REACHED"),
    (1227, "ER_SPECIFIC_ACCESS_DENIED_ERROR"),
    (1264, "ER_WARN_DATA_OUT_OF_RANGE"),
    (1265, "WARN_DATA_TRUNCATED"),
    (1288, "ER_NON_UPDATABLE_TABLE"),
    (1290, "ER_OPTION_PREVENTS_STATEMENT"),
    (1292, "ER_TRUNCATED_WRONG_VALUE"),
    (1317, "ER_QUERY_INTERRUPTED"),
    (1348, "ER_NONUPDATEABLE_COLUMN"),
    (1356, "ER_VIEW_INVALID"),
    (1364, "ER_NO_DEFAULT_FOR_FIELD"),
    (1366, "ER_TRUNCATED_WRONG_VALUE_FOR_FIELD"),
    (1369, "ER_VIEW_CHECK_FAILED"),
    (1370, "ER_PROCACCESS_DENIED_ERROR"),
    (1406, "ER_DATA_TOO_LONG"),
    (1412, "ER_TABLE_DEF_CHANGED"),
    (1423, "ER_NO_DEFAULT_FOR_VIEW_FIELD"),
    (1442, "ER_CANT_UPDATE_USED_TABLE_IN_SF_OR_TRG"),
    (1451, "ER_ROW_IS_REFERENCED_2"),
    (1452, "ER_NO_REFERENCED_ROW_2"),
    (1471, "ER_NON_INSERTABLE_TABLE"),
    (1615, "ER_NEED_REPREPARE"),
    (1637, "ER_TOO_MANY_CONCURRENT_TRXS"),
    (1644, "ER_SIGNAL_EXCEPTION"),
    (1690, "ER_DATA_OUT_OF_RANGE"),
    (1698, "ER_ACCESS_DENIED_NO_PASSWORD_ERROR"),
    (1748, "ER_ROW_DOES_NOT_MATCH_GIVEN_PARTITION_SET"),
    (1792, "ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION"),
    (1836, "ER_READ_ONLY_MODE"),
    (1927, "ER_CONNECTION_KILLED"),
    (1969, "ER_STATEMENT_TIMEOUT"),
    (3024, "ER_QUERY_TIMEOUT"),
    (3058, "ER_USER_LOCK_DEADLOCK"),
    (3100, "ER_RUN_HOOK_ERROR"),
    (3101, "ER_TRANSACTION_ROLLBACK_DURING_COMMIT"),
    (3105, "ER_NON_DEFAULT_VALUE_FOR_GENERATED_COLUMN"),
    (3140, "ER_INVALID_JSON_TEXT"),
    (3157, "ER_JSON_DOCUMENT_TOO_DEEP"),
    (3819, "ER_CHECK_CONSTRAINT_VIOLATED"),
    (4025, "ER_CONSTRAINT_FAILED"),
    (4031, "ER_CLIENT_INTERACTION_TIMEOUT"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_has_its_name() {
        assert!(NAMES.is_sorted_by_key(|(number, _)| *number));
        assert_eq!(name(1213), "ER_LOCK_DEADLOCK");
        assert_eq!(name(9_999), "unknown");
    }
}
