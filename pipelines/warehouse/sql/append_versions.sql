-- Close the versions that are followed by another, then append the new ones. Run inside the load's transaction.
UPDATE milestone_versions
SET valid_to = staged.last_changed_at
FROM read_parquet($latest) AS staged
WHERE milestone_versions.milestone_id = staged.milestone_id AND milestone_versions.valid_to IS NULL;

INSERT INTO milestone_versions BY NAME
WITH previous AS (
    SELECT milestone_id, max(version) AS version
    FROM milestone_versions
    SEMI JOIN read_parquet($latest) AS staged USING (milestone_id)
    GROUP BY milestone_id
)
SELECT staged.milestone_id, coalesce(previous.version, 0) + 1 AS version, staged.content_hash,
       staged.last_updated_ts, staged.last_changed_at AS valid_from, NULL::TIMESTAMPTZ AS valid_to,
       $sweep_id AS sweep_id, staged.record
FROM read_parquet($latest) AS staged
LEFT JOIN previous USING (milestone_id);
