-- What happens now, for exporters; synapsor.metrics counts the whole ledger. A view of its own, as it takes the right to call
-- synapsor_status() as well.

-- Put together, as the name of the extension's schema may have any characters; what Postgres would fill in for it in a script may not.
DO $$
BEGIN
    EXECUTE pg_catalog.format($view$
CREATE VIEW synapsor.activity (name, labels, value, help) AS
WITH worker AS MATERIALIZED (
    SELECT state, last_poll_at, next_attempt_at FROM %I.synapsor_status()
), decided AS MATERIALIZED (
    SELECT status, CASE WHEN status OPERATOR(pg_catalog.=) 'failed' THEN coalesce(pg_catalog.split_part(error, ':', 1), '') END AS code,
           pg_catalog.count(*) AS count
    FROM synapsor.ledger
    WHERE decided_at OPERATOR(pg_catalog.>) (pg_catalog.now() OPERATOR(pg_catalog.-) '5 minutes'::pg_catalog.interval)
    GROUP BY 1, 2
)
SELECT 'synapsor_writeback_worker_is', pg_catalog.jsonb_build_object('state', s.state),
       CASE WHEN w.state OPERATOR(pg_catalog.=) s.state THEN 1 ELSE 0 END::pg_catalog.numeric,
       'The state of this database''s worker: 1 for the one that it is in.'
FROM worker w CROSS JOIN (VALUES ('running'), ('idle'), ('backing off'), ('paused'), ('stopped')) AS s (state)
UNION ALL
SELECT 'synapsor_writeback_poll_age_seconds', pg_catalog.jsonb_build_object(),
       EXTRACT(epoch FROM pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) w.last_poll_at)::pg_catalog.numeric,
       'How long ago the worker last asked for proposals; nothing before it has.'
FROM worker w WHERE w.last_poll_at IS NOT NULL
UNION ALL
SELECT 'synapsor_writeback_poll_wait_seconds', pg_catalog.jsonb_build_object(),
       greatest(0, EXTRACT(epoch FROM w.next_attempt_at OPERATOR(pg_catalog.-) pg_catalog.clock_timestamp()))::pg_catalog.numeric,
       'How long it is until the worker asks again: the back-off, where it backs off. Nothing where it does not poll.'
FROM worker w WHERE w.next_attempt_at IS NOT NULL
UNION ALL
SELECT 'synapsor_writeback_outcomes_5m', pg_catalog.jsonb_build_object('status', s.status),
       coalesce((SELECT pg_catalog.sum(d.count) FROM decided d WHERE d.status OPERATOR(pg_catalog.=) s.status), 0)::pg_catalog.numeric,
       'Proposals that were decided within the last five minutes, by outcome.'
FROM (VALUES ('applied'), ('conflict'), ('failed')) AS s (status)
UNION ALL
SELECT 'synapsor_writeback_failures_5m', pg_catalog.jsonb_build_object('code', d.code), d.count::pg_catalog.numeric,
       'Proposals that failed within the last five minutes, by code; nothing for a code that did not occur.'
FROM decided d WHERE d.code IS NOT NULL
UNION ALL
SELECT 'synapsor_writeback_ledger_bytes', pg_catalog.jsonb_build_object(),
       pg_catalog.pg_total_relation_size('synapsor.ledger'::pg_catalog.regclass)::pg_catalog.numeric,
       'Size of the ledger on disk, with its indexes.'
    $view$, pg_catalog.current_schema());
END;
$$;
COMMENT ON VIEW synapsor.activity IS
    'For exporters, beside synapsor.metrics: what the worker does, what was decided within five minutes, the size of the ledger.';
