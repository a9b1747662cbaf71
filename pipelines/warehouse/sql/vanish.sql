-- Close the last version of milestones that vanished. Run inside the transaction of the load.
UPDATE milestone_versions
SET valid_to = greatest($vanished_at, valid_from + INTERVAL 1 MICROSECOND)
WHERE valid_to IS NULL AND milestone_id IN (SELECT unnest($vanished));

UPDATE milestones
SET vanished_at = versions.valid_to
FROM milestone_versions AS versions
WHERE versions.milestone_id = milestones.milestone_id AND milestones.vanished_at IS NULL
  AND milestones.milestone_id IN (SELECT unnest($vanished))
  AND versions.valid_from = milestones.last_changed_at;

INSERT INTO milestone_changes BY NAME
SELECT disappeared.*
FROM disappearances() AS disappeared
ANTI JOIN milestone_changes USING (milestone_id, version, position)
WHERE disappeared.milestone_id IN (SELECT unnest($vanished));
