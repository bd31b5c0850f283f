-- The ledger: one row for each proposal ever decided here, in the same transaction as the change itself: the receipt. It is also the
-- outbox: a final row whose report_state is 'pending' is owed to the control plane. The same words as in Postgres.
--
-- Each statement can be run again. {schema} is the ledger's database.

CREATE DATABASE IF NOT EXISTS `{schema}` CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- A key is compared byte for byte, which no collation of both servers does for a text of its length: hence its hash.
CREATE TABLE IF NOT EXISTS `{schema}`.`ledger` (
    `key_hash`          BINARY(32)    NOT NULL COMMENT 'SHA-256 of key.',
    `key`               VARCHAR(1024) NOT NULL COMMENT 'The proposal''s idempotency_key, or its proposal_id when it has none.',
    `proposal_id`       VARCHAR(1024) NOT NULL COMMENT 'The proposal that the next report, or the last one, is about.',
    `idempotency_key`   VARCHAR(1024) COMMENT 'The proposal''s own idempotency_key, echoed in the report.',
    `proposal_digest`   CHAR(64)      NOT NULL COMMENT 'SHA-256 over what has an effect: target, operation, changes, key, tenant, conflict.',
    `source_id`         VARCHAR(1024) COMMENT 'The source that the proposal came from.',
    `target_schema`     TEXT          COMMENT 'The database written to.',
    `target_table`      TEXT          COMMENT 'The table written to.',
    `operation`         VARCHAR(16)   COMMENT 'update, insert or delete.',
    `status`            VARCHAR(16)   NOT NULL COMMENT 'retrying, applied, conflict or failed; all but retrying are final.',
    `affected_rows`     BIGINT        NOT NULL DEFAULT 0 COMMENT '1 for applied, else 0.',
    `guards`            JSON          NOT NULL COMMENT 'Which guards held: {"primary_key": bool, "tenant": bool, "conflict": bool}.',
    `guard_advanced`    BOOLEAN       COMMENT 'Whether the conflict column has another value since; null without a conflict guard.',
    `reason`            VARCHAR(64)   COMMENT 'Why no row was touched: ROW_NOT_FOUND, CONFLICT_VALUE_CHANGED or ROW_NOT_CHANGED.',
    `sqlstate`          CHAR(5)       COMMENT 'The SQLSTATE of the error, where the server raised one.',
    `error`             TEXT          COMMENT 'The error as it is reported: a code and names, never a value.',
    `error_detail`      TEXT          COMMENT 'The server''s message. It can quote rows and never leaves the database.',
    `attempts`          INT           NOT NULL DEFAULT 1 COMMENT 'How often it was tried.',
    `applied_as`        VARCHAR(320)  NOT NULL COMMENT 'The account that the statement ran as.',
    `first_seen_at`     DATETIME(6)   NOT NULL COMMENT 'When the proposal was first tried here. All times are UTC.',
    `decided_at`        DATETIME(6)   COMMENT 'When the outcome became final.',
    `next_attempt_at`   DATETIME(6)   COMMENT 'When a retrying proposal is due again.',
    `report_state`      VARCHAR(16)   COMMENT 'pending, delivered, or rejected (the control plane refused it: somebody has to look).',
    `report_attempts`   INT           NOT NULL DEFAULT 0 COMMENT 'How often the report was sent.',
    `reported_at`       DATETIME(6)   COMMENT 'When the control plane accepted the report.',
    `next_report_at`    DATETIME(6)   COMMENT 'When a pending report is due.',
    `report_error`      TEXT          COMMENT 'Why the last delivery failed.',
    PRIMARY KEY (`key_hash`),
    KEY `ledger_report_state` (`report_state`),
    KEY `ledger_pending_reports` (`report_state`, `next_report_at`),
    KEY `ledger_retrying` (`status`, `next_attempt_at`),
    KEY `ledger_decided_at` (`decided_at`),
    CONSTRAINT `ledger_status_known`
        CHECK (`status` IN ('retrying', 'applied', 'conflict', 'failed')),
    CONSTRAINT `ledger_report_state_known`
        CHECK (`report_state` IN ('pending', 'delivered', 'rejected')),
    CONSTRAINT `ledger_final_rows_are_decided_and_owed`
        CHECK ((`status` = 'retrying') = (`decided_at` IS NULL)
           AND (`status` = 'retrying') = (`report_state` IS NULL)
           AND (`status` = 'retrying') = (`next_attempt_at` IS NOT NULL)),
    CONSTRAINT `ledger_applied_is_one_row`
        CHECK (`affected_rows` = CASE WHEN `status` = 'applied' THEN 1 ELSE 0 END)
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin
  COMMENT = 'synapsor-writeback: one row for each proposal ever decided here. A final row never changes its outcome.';

CREATE OR REPLACE SQL SECURITY INVOKER VIEW `{schema}`.`pending_reports` AS
SELECT `key`, `proposal_id`, `status`, `report_attempts`, `decided_at`, `next_report_at`, `report_error`
FROM `{schema}`.`ledger` WHERE `report_state` = 'pending' ORDER BY `next_report_at`;

CREATE OR REPLACE SQL SECURITY INVOKER VIEW `{schema}`.`rejected_reports` AS
SELECT `key`, `proposal_id`, `status`, `decided_at`, `report_attempts`, `report_error`
FROM `{schema}`.`ledger` WHERE `report_state` = 'rejected' ORDER BY `decided_at`;

CREATE OR REPLACE SQL SECURITY INVOKER VIEW `{schema}`.`recent` AS
SELECT coalesce(`decided_at`, `first_seen_at`) AS `at`, `proposal_id`, `operation`,
       concat_ws('.', `target_schema`, `target_table`) AS `target`,
       `status`, coalesce(`reason`, `error`) AS `why`, `attempts`, `report_state` AS `report`
FROM `{schema}`.`ledger` ORDER BY `decided_at` IS NULL DESC, `decided_at` DESC LIMIT 100;
