-- What starts in the next N hours? One row for each such milestone, the next first.
--
-- Rule: the start is after now and at most this number of hours ahead. All other rules are those of upcoming_milestones.
--
-- hours: Number of hours; 0.5 is half an hour.
-- end_date: Planned end, UTC; NULL if there is none after the start.
-- starts_in: Time until the start, in whole seconds.
-- starts_in_minutes: starts_in in minutes and fractions of one.
CREATE OR REPLACE MACRO milestones_starting_within(hours, include_simulated := false, include_vanished := false, include_ended := false, at_time := NULL) AS TABLE
SELECT *
FROM upcoming_milestones(
    include_simulated := include_simulated, include_vanished := include_vanished, include_ended := include_ended,
    at_time := at_time
)
WHERE start_date <= coalesce(CAST(at_time AS TIMESTAMPTZ), now()) + to_microseconds(CAST(hours * 3600000000 AS BIGINT))
ORDER BY start_date, milestone_id;
