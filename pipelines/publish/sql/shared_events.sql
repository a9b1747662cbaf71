-- Which events belong to several milestones, and do their starts differ? One row for each such event, the most shared first.
--
-- Rule: every role counts (main, primary, related). Placeholder starts are ignored, unless the event has no others.
-- Caveat: a future on a season is related to every game of the season, so a wide spread is not an error; event_starts
-- has the start of the event.
--
-- event_ticker: Ticker of the event; opaque, never parse it.
-- milestones: Number of milestones that list it.
-- milestone_ids: Their ids, the earliest start first.
-- first_start: The earliest start, UTC.
-- last_start: The latest start, UTC.
-- spread: last_start minus first_start.
-- spread_minutes: spread in minutes and fractions of one.
-- starts_differ: Its milestones have more than one start.
-- start_is_tentative: The start of at least one of its milestones may change.
-- event_title: Title of the event; NULL if the API does not know the event, or it was not yet requested.
-- series_ticker: Ticker of the event's series; NULL if it is not known.
CREATE OR REPLACE MACRO shared_events(include_simulated := false, include_vanished := false) AS TABLE
WITH kept AS (
    SELECT milestone_id, start_date, start_is_tentative,
           CASE WHEN NOT is_placeholder(start_date) THEN start_date END AS real_start
    FROM milestones
    WHERE (include_simulated OR NOT is_simulated) AND (include_vanished OR vanished_at IS NULL)
), grouped AS (
    SELECT event_ticker, count(*) AS milestones, list(milestone_id ORDER BY start_date, milestone_id) AS milestone_ids,
           coalesce(min(real_start), min(start_date)) AS first_start,
           coalesce(max(real_start), max(start_date)) AS last_start, bool_or(start_is_tentative) AS start_is_tentative
    FROM milestone_events JOIN kept USING (milestone_id)
    -- Few events are shared: grouping the milestones of all events first takes three times as long.
    WHERE event_ticker IN (SELECT event_ticker FROM milestone_events GROUP BY event_ticker HAVING count(*) > 1)
    GROUP BY event_ticker
    HAVING count(*) > 1
)
SELECT event_ticker, milestones, milestone_ids, first_start, last_start, last_start - first_start AS spread,
       epoch(spread) / 60 AS spread_minutes, coalesce(last_start > first_start, false) AS starts_differ, start_is_tentative,
       title AS event_title, series_ticker
FROM grouped LEFT JOIN events USING (event_ticker)
ORDER BY milestones DESC, event_ticker;
