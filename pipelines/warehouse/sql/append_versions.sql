-- Close the versions that have a successor, then append the new ones. Run inside the transaction of the load.
UPDATE milestone_versions
SET valid_to = staged.last_changed_at
FROM read_parquet($latest) AS staged
WHERE milestone_versions.milestone_id = staged.milestone_id AND milestone_versions.valid_to IS NULL;

INSERT INTO milestone_versions BY NAME
SELECT milestone_id, version, content_hash, last_updated_ts, last_changed_at AS valid_from,
       NULL::TIMESTAMPTZ AS valid_to, sweep_id, record
FROM read_parquet($latest);
