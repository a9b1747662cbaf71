-- Merge the evidence of the staged versions into the stored evidence. Sums, minima and maxima do not depend on the order.
-- Evidence of types under the contract discard is stored but makes no column.
CREATE OR REPLACE TEMP TABLE merged_evidence AS
WITH staged AS (
    SELECT type, path, kind, sum(records)::BIGINT AS records, min(first_seen_at) AS first_seen_at,
           max(last_seen_at) AS last_seen_at, min(first_sweep_id) AS first_sweep_id, min(example) AS example
    FROM read_parquet($evidence)
    GROUP BY type, path, kind
)
SELECT staged.type, staged.path, staged.kind,
       staged.records + coalesce(known.records, 0) AS records,
       least(staged.first_seen_at, known.first_seen_at) AS first_seen_at,
       greatest(staged.last_seen_at, known.last_seen_at) AS last_seen_at,
       least(staged.first_sweep_id, known.first_sweep_id) AS first_sweep_id,
       least(staged.example, known.example) AS example,
       coalesce(known.is_discarded, list_contains($discarding, staged.type)) AS is_discarded
FROM staged
LEFT JOIN internal_evidence AS known USING (type, path, kind);

DELETE FROM internal_evidence
WHERE EXISTS (
    SELECT 1 FROM merged_evidence AS merged
    WHERE merged.type = internal_evidence.type AND merged.path = internal_evidence.path
      AND merged.kind = internal_evidence.kind
);

INSERT INTO internal_evidence BY NAME SELECT * FROM merged_evidence;
