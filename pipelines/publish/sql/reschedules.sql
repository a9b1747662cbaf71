-- Which starts moved, by how much, and how long before the start it was seen?
-- shift is new minus old; notice is how far ahead the old start still was, negative when it had passed.
-- Placeholder dates are moved from and to like any other: see has_placeholder_dates in milestones.
CREATE OR REPLACE VIEW reschedules AS
SELECT changes.milestone_id, milestones.type, milestones.title,
       CAST(changes.old AS TIMESTAMPTZ) AS old_start, CAST(changes.new AS TIMESTAMPTZ) AS new_start,
       CAST(changes.new AS TIMESTAMPTZ) - CAST(changes.old AS TIMESTAMPTZ) AS shift,
       CAST(changes.old AS TIMESTAMPTZ) - changes.seen_at AS notice,
       changes.seen_at, changes.version
FROM milestone_changes AS changes
JOIN milestones USING (milestone_id)
WHERE changes.field = 'start_date' AND NOT milestones.is_simulated;
