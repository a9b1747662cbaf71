-- Closed versions without a successor that begins at the same time: their milestones had vanished.
CREATE OR REPLACE TEMP MACRO disappearances() AS TABLE
SELECT versions.milestone_id, versions.version, 0 AS position, 'vanished_at' AS field, NULL::VARCHAR AS old,
       regexp_replace(regexp_replace(strftime(versions.valid_to AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ'),
                                     '0+Z$', 'Z'), '\.Z$', 'Z') AS new,
       versions.valid_to AS seen_at
FROM milestone_versions AS versions
LEFT JOIN milestone_versions AS following
    ON following.milestone_id = versions.milestone_id AND following.version = versions.version + 1
WHERE versions.valid_to IS NOT NULL AND (following.valid_from IS NULL OR following.valid_from > versions.valid_to)
