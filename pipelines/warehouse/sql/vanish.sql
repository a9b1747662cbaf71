-- Milestones found gone: their last version ends, without another that follows. Run inside the load's transaction.
UPDATE milestone_versions
SET valid_to = greatest($gone_at, valid_from + INTERVAL 1 MICROSECOND)
WHERE valid_to IS NULL AND milestone_id IN (SELECT unnest($gone));

UPDATE milestones
SET vanished_at = versions.valid_to
FROM milestone_versions AS versions
WHERE versions.milestone_id = milestones.milestone_id AND milestones.vanished_at IS NULL
  AND milestones.milestone_id IN (SELECT unnest($gone))
  AND versions.valid_from = milestones.last_changed_at;

INSERT INTO milestone_changes BY NAME
SELECT going.*
FROM disappearances() AS going
ANTI JOIN milestone_changes USING (milestone_id, version, position)
WHERE going.milestone_id IN (SELECT unnest($gone));
