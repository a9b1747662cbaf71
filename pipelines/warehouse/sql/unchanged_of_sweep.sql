-- The newer last_updated_ts of milestones with unchanged content, which makes no version. A time more than $tolerance
-- seconds after its own fetch is impossible and is not stored.
SELECT records.milestone_id, records.last_updated_ts
FROM read_parquet($records) AS records
JOIN (SELECT page, position, stored_updated_ts FROM classified WHERE outcome = 'unchanged') AS unchanged USING (page, position)
WHERE (records.last_updated_ts > unchanged.stored_updated_ts OR unchanged.stored_updated_ts IS NULL)
  AND records.last_updated_ts <= records.seen_at + to_seconds($tolerance)
