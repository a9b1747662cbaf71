-- What starts in the next N hours? One row for each such milestone, the next first.
--
-- Rule: the start lies after now and at most so many hours ahead; fractions of an hour count. Everything else is as in
-- upcoming_milestones.
--
-- hours: How many hours ahead to look; 0.5 is half an hour.
-- end_date: Planned end, UTC; NULL when there is none, or none after the start.
-- starts_in: How long until it starts, in whole seconds.
-- starts_in_minutes: starts_in in minutes and fractions of one.
CREATE OR REPLACE MACRO milestones_starting_within(hours, include_simulated := false, include_vanished := false, include_ended := false, at_time := NULL) AS TABLE
SELECT *
FROM upcoming_milestones(
    include_simulated := include_simulated, include_vanished := include_vanished, include_ended := include_ended,
    at_time := at_time
)
WHERE start_date <= coalesce(CAST(at_time AS TIMESTAMPTZ), now()) + to_microseconds(CAST(hours * 3600000000 AS BIGINT))
ORDER BY start_date, milestone_id;
