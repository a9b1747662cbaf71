-- Classify every received record as new, changed, unchanged or superseded.
--
-- A sweep has the same result as comparing its records one by one, in the order of page and position (the order of
-- fetching), with the record kept so far:
-- - An older last_updated_ts never replaces a newer one. If the times are equal, the record fetched later wins.
-- - A record with an impossible time (the zero time, or one more than $tolerance seconds after its own fetch) cannot be
--   ordered by time: it replaces the records fetched before it, and is replaced by those fetched after it.
-- So the records of a milestone form runs, and each record with an impossible time begins a run. The last run counts; in
-- it the newest time wins, and of equal times the last record. The result depends on page and position only, never on the
-- order of rows in the file.
--
-- The same rules apply to the stored record: a stored time that lay after its own fetch, or still lies after this one,
-- never supersedes a record. A milestone that had vanished and reappears gets a new version, even with equal content, so
-- that the history shows both.
--
-- A record from the quarantine ($is_retry) was seen before the stored one: it never restores a vanished milestone, and
-- changes a milestone only if Kalshi's own time is newer. The next full sweep reads the current state.
--
-- The table is ordered by page and position and omits the columns of the staged record: it has as many rows as there are
-- records, and latest_of_sweep.sql reads it by ranges of pages.
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
