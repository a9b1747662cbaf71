-- An update that only moved last_updated_ts makes no version: it is kept on the version that holds.
UPDATE milestone_versions
SET last_updated_ts = touched.last_updated_ts
FROM read_parquet($touched) AS touched
WHERE milestone_versions.milestone_id = touched.milestone_id AND milestone_versions.valid_to IS NULL;

UPDATE milestones
SET last_updated_ts = touched.last_updated_ts, has_future_update = false
FROM read_parquet($touched) AS touched
WHERE milestones.milestone_id = touched.milestone_id;
