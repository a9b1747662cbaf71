-- What is live now, with which score? One row for each milestone that has started and not ended, the latest start first.
--
-- Rule: start_date <= now < ends_at. If no end after the start is known, ends_at is guessed: the start plus the median
-- duration of the milestones of its type with both dates, or 3 hours if there are none. Where live data say live and have
-- changed within the last 3 hours, a guessed end does not count.
-- Milestones of the status groups ended and off are excluded. The status in the live data decides; the one in details
-- only where there are no live data, or their status is missing or unknown. Other statuses in details are ignored, as they
-- are often stale: a game that has begun may still be scheduled, one that is over may stay live.
-- Caveat: a guessed end can be wrong (see end_is_guessed). Where it has passed, live data are requested for an hour more:
-- a game that lasts even longer stays for up to 3 hours with its last score (see observed_at).
--
-- end_date: End, UTC; NULL if there is none after the start.
-- ends_at: end_date, or the guessed end if that is NULL, UTC.
-- end_is_guessed: ends_at is a guess.
-- live_status: Status in the newest live data, as sent; NULL if there is none.
-- live_status_group: Group of live_status, or of the widget's status; NULL if there is none.
-- home_score: Score of the home side or the first competitor; NULL if there is none.
-- away_score: Score of the away side or the second competitor; NULL if there is none.
-- observed_at: When the live data were first seen as they are, UTC; NULL if there are none.
CREATE OR REPLACE MACRO live_milestones(include_simulated := false, include_vanished := false, include_ended := false, at_time := NULL) AS TABLE
WITH started AS (
    -- Only the columns that decide: those of the few live milestones are read at the end.
    SELECT milestone_id, status_group, CASE WHEN end_date > start_date THEN end_date END AS end_date,
           coalesce(
               CASE WHEN end_date > start_date THEN end_date END, start_date + coalesce(usual_duration, INTERVAL 3 HOUR)
           ) AS ends_at
    FROM milestones LEFT JOIN (FROM usual_durations()) AS durations ON durations.type = milestones.type
    WHERE start_date <= coalesce(CAST(at_time AS TIMESTAMPTZ), now())
      AND NOT is_placeholder(start_date)
      AND (include_simulated OR NOT is_simulated) AND (include_vanished OR vanished_at IS NULL)
), not_over AS (
    -- Before the join with live data, which has a row for every milestone of the past. Not one condition with OR, which
    -- would look up every milestone without an end.
    SELECT * FROM started WHERE ends_at > coalesce(CAST(at_time AS TIMESTAMPTZ), now())
    UNION ALL
    SELECT started.*
    FROM started SEMI JOIN (
        SELECT milestone_id
        FROM live_status()
        WHERE status_group = 'live'
          AND observed_at > coalesce(CAST(at_time AS TIMESTAMPTZ), now()) - INTERVAL 3 HOUR
    ) AS lasting USING (milestone_id)
    WHERE end_date IS NULL AND ends_at <= coalesce(CAST(at_time AS TIMESTAMPTZ), now())
), live_now AS MATERIALIZED (
    -- Read twice, which would compute it twice.
    SELECT milestone_id, not_over.end_date, ends_at, live.status AS live_status, live.status_group AS live_status_group,
           home_score, away_score, observed_at
    FROM not_over LEFT JOIN (FROM live_status()) AS live USING (milestone_id)
    WHERE include_ended
       OR coalesce(nullif(live.status_group, 'unknown'), not_over.status_group, '') NOT IN ('ended', 'off')
), taking_part AS (
    SELECT milestone_id, role_rank(role) AS rank, role, position, coalesce(name, entity_id) AS name
    FROM milestone_participants()
    WHERE milestone_id IN (SELECT milestone_id FROM live_now)
    QUALIFY rank // 10 = min(rank // 10) OVER (PARTITION BY milestone_id)
), named AS (
    SELECT milestone_id, names_in_short(list(name ORDER BY rank, role, position)) AS participants
    FROM taking_part
    GROUP BY milestone_id
)
SELECT milestone_id, category, category_group, type, title, start_date, start_is_tentative, live_now.end_date, status,
       status_group, main_event_ticker, league, is_simulated, vanished_at, last_updated_ts, ends_at,
       live_now.end_date IS NULL AS end_is_guessed, participants, live_status, live_status_group, home_score, away_score,
       observed_at
FROM live_now JOIN milestones USING (milestone_id) LEFT JOIN named USING (milestone_id)
ORDER BY start_date DESC, milestone_id;
