-- Which starts moved, by how much, and how long before the start was it seen? One row for each move, the last one first.
--
-- Caveat: placeholder dates are moved from and to like any other (see has_placeholder_dates in milestones).
--
-- type: Kind of milestone.
-- title: Title, as last seen.
-- old_start: The start before, UTC; NULL where there was none.
-- new_start: The start after, UTC; NULL where there is none.
-- shift: new_start minus old_start.
-- shift_minutes: shift in minutes and fractions of one; negative when the start moved earlier.
-- notice: How far ahead the old start still was; negative when it had passed.
-- notice_minutes: notice in minutes and fractions of one.
-- seen_at: When it was first seen, UTC.
-- version: The version that brought it.
-- start_is_tentative: The start listed today is not settled: it may move again.
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
