-- What is live now? One row for each milestone that has started and not ended, the latest start first.
--
-- Rule: start_date <= now < ends_at. If no end after the start is known, ends_at is guessed: the start plus the median
-- duration of the milestones of its type with both dates, or 3 hours if there are none.
-- Milestones of the status groups ended and off are excluded. Other statuses are ignored, as they are often stale: a game
-- that has begun may still be scheduled, one that is over may stay live.
-- Caveat: a guessed end can be wrong (see end_is_guessed).
--
-- end_date: End, UTC; NULL if there is none after the start.
-- ends_at: end_date, or the guessed end if that is NULL, UTC.
-- end_is_guessed: ends_at is a guess.
CREATE OR REPLACE MACRO live_milestones(include_simulated := false, include_vanished := false, include_ended := false, at_time := NULL) AS TABLE
WITH started AS (
    SELECT milestone_id, category, category_group, milestones.type, title, start_date, start_is_tentative,
           CASE WHEN end_date > start_date THEN end_date END AS end_date,
           status, status_group, main_event_ticker, league, is_simulated, vanished_at, last_updated_ts,
           coalesce(
               CASE WHEN end_date > start_date THEN end_date END, start_date + coalesce(usual_duration, INTERVAL 3 HOUR)
           ) AS ends_at
    FROM milestones LEFT JOIN (FROM usual_durations()) AS durations ON durations.type = milestones.type
    WHERE start_date <= coalesce(CAST(at_time AS TIMESTAMPTZ), now())
      AND NOT is_placeholder(start_date)
      AND (include_simulated OR NOT is_simulated) AND (include_vanished OR vanished_at IS NULL)
      AND (include_ended OR status_group IS NULL OR status_group NOT IN ('ended', 'off'))
)
SELECT milestone_id, category, category_group, type, title, start_date, start_is_tentative, end_date, status,
       status_group, main_event_ticker, league, is_simulated, vanished_at, last_updated_ts, ends_at, end_date IS NULL AS end_is_guessed
FROM started
WHERE ends_at > coalesce(CAST(at_time AS TIMESTAMPTZ), now())
ORDER BY start_date DESC, milestone_id;
