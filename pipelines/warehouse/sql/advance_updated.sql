-- An update of last_updated_ts alone makes no version: the current version keeps the newer time.
UPDATE milestone_versions
SET last_updated_ts = staged.last_updated_ts
FROM read_parquet($updated_only) AS staged
WHERE milestone_versions.milestone_id = staged.milestone_id AND milestone_versions.valid_to IS NULL;

UPDATE milestones
SET last_updated_ts = staged.last_updated_ts, has_future_update = false
FROM read_parquet($updated_only) AS staged
WHERE milestones.milestone_id = staged.milestone_id;
