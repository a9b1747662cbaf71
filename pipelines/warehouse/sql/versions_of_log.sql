-- Versions of the log to derive tables from: the latest of each milestone, or with $is_latest = false all others.
-- Part $part of $parts, split by milestone: the joins must fit into the memory of the writer.
WITH own AS NOT MATERIALIZED (
    SELECT * FROM milestone_versions WHERE hash(milestone_id) % $parts = $part
),
lives AS (
    SELECT milestone_id, min(valid_from) AS first_seen_at, max(version) AS latest
    FROM own
    GROUP BY milestone_id
)
SELECT versions.milestone_id, versions.version, versions.content_hash, versions.last_updated_ts, versions.record,
       lives.first_seen_at, versions.valid_from AS last_changed_at, versions.valid_to AS vanished_at,
       versions.sweep_id, previous.record AS previous_record,
       CASE WHEN previous.valid_to < versions.valid_from THEN previous.valid_to END AS was_vanished_at
FROM own AS versions
JOIN lives USING (milestone_id)
LEFT JOIN own AS previous
    ON previous.milestone_id = versions.milestone_id AND previous.version = versions.version - 1
WHERE (versions.version = lives.latest) = $is_latest
