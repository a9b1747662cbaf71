-- Drift: types, fields and kinds that the staged versions have for the first time. A new type is one row. The first sweep
-- has no drift.
WITH known_types AS (
    SELECT DISTINCT type FROM internal_evidence
)
SELECT DISTINCT staged.type,
       CASE WHEN known_types.type IS NULL THEN '' ELSE staged.path END AS path,
       CASE WHEN known_types.type IS NULL THEN 'a new type' ELSE staged.kind END AS kind
FROM read_parquet($evidence) AS staged
LEFT JOIN known_types ON known_types.type = staged.type
ANTI JOIN internal_evidence AS known
    ON known.type = staged.type AND known.path = staged.path AND known.kind = staged.kind
WHERE staged.kind <> 'any' AND EXISTS (SELECT 1 FROM known_types)
ORDER BY ALL
