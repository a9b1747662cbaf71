-- The new versions in a range of pages, each with its previous version and the first and last times of its milestone.
-- A clock that was set back must not make a version begin before its predecessor. greatest() ignores NULL.
WITH wanted AS (
    SELECT records.*, classified.* EXCLUDE (page, position)
    FROM (SELECT * FROM classified WHERE outcome IN ('new', 'changed') AND page BETWEEN $first AND $last) AS classified
    JOIN (SELECT * FROM read_parquet($records) WHERE page BETWEEN $first AND $last) AS records USING (page, position)
),
previous AS (
    FROM versions_of_changed
    QUALIFY row_number() OVER (PARTITION BY milestone_id ORDER BY version DESC) = 1
)
SELECT wanted.milestone_id, coalesce(previous.version, 0) + 1 AS version, wanted.content_hash,
       wanted.last_updated_ts, wanted.record,
       coalesce(wanted.first_seen_at, wanted.seen_at) AS first_seen_at,
       greatest(wanted.seen_at, wanted.last_changed_at + INTERVAL 1 MICROSECOND,
                wanted.vanished_at + INTERVAL 1 MICROSECOND) AS last_changed_at,
       NULL::TIMESTAMPTZ AS vanished_at, $sweep_id AS sweep_id,
       previous.record AS previous_record, previous.valid_to AS was_vanished_at,
       wanted.page, wanted.position, wanted.seen_at, wanted.outcome::VARCHAR AS outcome
FROM wanted
LEFT JOIN previous ON previous.milestone_id = wanted.milestone_id
ORDER BY wanted.page, wanted.position
