-- What becomes of every received record: one of new, changed, unchanged, superseded.
-- Of several records of one milestone in a sweep the newest counts; equal times are settled by content, so that the
-- outcome is the same in whatever order they came. A record older than what is stored never overwrites it. One that
-- had vanished and is there again begins a new version, whatever its content: both facts stay in the history.
-- A record out of quarantine ($is_retry) was seen before what is stored: it brings nothing back that went since, and
-- changes a milestone only where Kalshi's own time says that it is newer. The next full sweep tells what holds now.
-- Kept by place and without what the staged record says itself: there are as many as records, and a run of pages is to
-- find its own together.
CREATE OR REPLACE TEMP TABLE fates AS
WITH ranked AS (
    SELECT page, position, milestone_id, content_hash, last_updated_ts,
           row_number() OVER (
               PARTITION BY milestone_id
               ORDER BY last_updated_ts DESC NULLS LAST, content_hash DESC, page DESC, position DESC
           ) AS rank
    FROM read_parquet($records)
)
SELECT received.page, received.position,
       stored.first_seen_at, stored.last_changed_at, stored.vanished_at, stored.last_updated_ts AS stored_updated_ts,
       CASE
           WHEN received.rank > 1 THEN 'superseded'
           WHEN stored.milestone_id IS NULL THEN 'new'
           WHEN stored.vanished_at IS NOT NULL THEN if($is_retry, 'superseded', 'changed')
           WHEN received.content_hash = stored.content_hash THEN 'unchanged'
           WHEN received.last_updated_ts < stored.last_updated_ts THEN 'superseded'
           WHEN $is_retry AND (received.last_updated_ts > stored.last_updated_ts) IS NOT true THEN 'superseded'
           ELSE 'changed'
       END::ENUM ('new', 'changed', 'unchanged', 'superseded') AS fate
FROM ranked AS received
LEFT JOIN milestones AS stored USING (milestone_id)
ORDER BY received.page, received.position
