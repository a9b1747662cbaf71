-- How many milestones are there, and how complete are they? One row for each day, category group and type.
--
-- Rule: the day is the day of the start in UTC, in any time zone of the session. It is NULL if the start is unknown or a
-- placeholder, so that the counts add up to all milestones.
-- Caveat: a placeholder end does not count as an end.
--
-- day: Day of the start, UTC; NULL if it is unknown.
-- milestones: Number of milestones that start on that day.
-- with_end: Number of them with an end.
-- with_source: Number of them with a source_id.
-- with_main_event_ticker: Number of them with a main event ticker.
-- with_events: Number of them with any event ticker.
CREATE OR REPLACE MACRO coverage_daily(include_simulated := false, include_vanished := false) AS TABLE
SELECT CASE WHEN NOT is_placeholder(start_date) THEN CAST(start_date AT TIME ZONE 'UTC' AS DATE) END AS day,
       category_group, type, count(*) AS milestones,
       count(*) FILTER (end_date IS NOT NULL AND NOT is_placeholder(end_date)) AS with_end,
       count(source_id) AS with_source, count(main_event_ticker) AS with_main_event_ticker,
       count(with_events.milestone_id) AS with_events
FROM milestones
LEFT JOIN (SELECT DISTINCT milestone_id FROM milestone_events) AS with_events USING (milestone_id)
WHERE (include_simulated OR NOT is_simulated) AND (include_vanished OR vanished_at IS NULL)
GROUP BY ALL
ORDER BY day, category_group, type;
