-- Which starts moved, by how much, and how long before the start did we see it? One row for each move, the last one first.
--
-- Caveat: moves from and to placeholder dates are included (see has_placeholder_dates in milestones).
--
-- type: Type of the milestone.
-- title: Current title.
-- old_start: The previous start, UTC; NULL if there was none.
-- new_start: The new start, UTC; NULL if there is none.
-- shift: new_start minus old_start.
-- shift_minutes: shift in minutes and fractions of one; negative if the start moved earlier.
-- notice: Time from seen_at to the old start; negative if it had passed.
-- notice_minutes: notice in minutes and fractions of one.
-- seen_at: When we first saw the move, UTC.
-- version: The version with the new start.
-- start_is_tentative: The current start may move again.
CREATE OR REPLACE MACRO reschedules(include_simulated := false, include_vanished := false) AS TABLE
SELECT changes.milestone_id, milestones.type, milestones.title,
       CAST(changes.old AS TIMESTAMPTZ) AS old_start, CAST(changes.new AS TIMESTAMPTZ) AS new_start,
       CAST(changes.new AS TIMESTAMPTZ) - CAST(changes.old AS TIMESTAMPTZ) AS shift, epoch(shift) / 60 AS shift_minutes,
       CAST(changes.old AS TIMESTAMPTZ) - changes.seen_at AS notice, epoch(notice) / 60 AS notice_minutes,
       changes.seen_at, changes.version, milestones.start_is_tentative
FROM milestone_changes AS changes
JOIN milestones USING (milestone_id)
WHERE changes.field = 'start_date'
  AND (include_simulated OR NOT is_simulated) AND (include_vanished OR vanished_at IS NULL)
ORDER BY changes.seen_at DESC, changes.milestone_id, changes.version DESC;
