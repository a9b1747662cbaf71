-- The milestones whose tables a sweep makes anew, with what the log knows of their lives.
-- A clock that was set back must not make a version begin before the one it follows.
SELECT fates.milestone_id, fates.content_hash, fates.last_updated_ts, records.record,
       coalesce(fates.first_seen_at, fates.seen_at) AS first_seen_at,
       coalesce(greatest(fates.seen_at, fates.last_changed_at + INTERVAL 1 MICROSECOND), fates.seen_at)
           AS last_changed_at,
       NULL::TIMESTAMPTZ AS vanished_at, fates.page, fates.position, fates.seen_at, fates.fate
FROM fates
JOIN read_parquet($records) AS records USING (page, position)
WHERE fates.fate IN ('new', 'changed')
ORDER BY fates.page, fates.position
