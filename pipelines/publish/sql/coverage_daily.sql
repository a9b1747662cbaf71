-- How much is there, and how complete? One row for each day, category group and type.
--
-- Rule: the day is that of the start, in UTC whatever the session's time zone. Where the start is a placeholder or unknown
-- the day is NULL, so that the counts add up to all milestones.
-- Caveat: an end that is a placeholder does not count as one.
--
-- day: The day on which they start, UTC; NULL where that is unknown.
-- milestones: How many start on that day.
-- with_end: Of these, how many have an end.
-- with_source: How many have a source_id.
-- with_main_event_ticker: How many name their main event.
-- with_events: How many have an event ticker at all.
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
