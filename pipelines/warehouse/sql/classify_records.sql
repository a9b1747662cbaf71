-- What becomes of every received record: one of new, changed, unchanged, superseded.
--
-- A sweep ends as if each of its records, in the order of page and position (the order in which they were fetched), were
-- compared with the one kept so far:
-- - An older last_updated_ts never replaces a newer one. With equal times the later fetched record counts.
-- - A record without a time that can be true (the zero time, or one more than $tolerance seconds after its own fetch)
--   cannot be ordered by it: it replaces what was fetched before it, and what is fetched after it replaces it.
-- So the records of a milestone form runs, each begun by a record without such a time; the last run counts, in it the
-- newest time, and of equal ones the last record. The outcome depends on page and position only, never on the order of
-- rows in the file.
--
-- The same holds against what is stored: a stored time that lay after its own fetch, or still lies after this one, never
-- supersedes a record. A milestone that had vanished and is there again begins a new version, whatever its content: both
-- facts stay in the history.
--
-- A record out of quarantine ($is_retry) was seen before what is stored: it brings nothing back that went since, and
-- changes a milestone only where Kalshi's own time says that it is newer. The next full sweep shows what holds now.
--
-- Kept by place and without what the staged record says itself: there are as many as records, and a run of pages is to
-- find its own together.
CREATE OR REPLACE TEMP TABLE classified AS
WITH received AS (
    SELECT page, position, milestone_id, content_hash, seen_at + to_seconds($tolerance) AS latest_possible,
           CASE WHEN last_updated_ts <= seen_at + to_seconds($tolerance) THEN last_updated_ts END AS updated_ts
    FROM read_parquet($records)
),
in_runs AS (
    SELECT *, count(*) FILTER (updated_ts IS NULL) OVER (PARTITION BY milestone_id ORDER BY page, position) AS run
    FROM received
),
ranked AS (
    SELECT *, row_number() OVER (
               PARTITION BY milestone_id ORDER BY run DESC, updated_ts DESC NULLS LAST, page DESC, position DESC
           ) AS rank
    FROM in_runs
)
SELECT received.page, received.position,
       stored.first_seen_at, stored.last_changed_at, stored.vanished_at, stored.last_updated_ts AS stored_updated_ts,
       CASE
           WHEN received.rank > 1 THEN 'superseded'
           WHEN stored.milestone_id IS NULL THEN 'new'
           WHEN stored.vanished_at IS NOT NULL THEN if($is_retry, 'superseded', 'changed')
           WHEN received.content_hash = stored.content_hash THEN 'unchanged'
           WHEN $is_retry AND (received.updated_ts > stored.last_updated_ts) IS NOT true THEN 'superseded'
           WHEN received.updated_ts < stored.last_updated_ts AND NOT stored.has_future_update
                AND stored.last_updated_ts <= received.latest_possible THEN 'superseded'
           ELSE 'changed'
       END::ENUM('new', 'changed', 'unchanged', 'superseded') AS outcome
FROM ranked AS received
LEFT JOIN milestones AS stored USING (milestone_id)
ORDER BY received.page, received.position
