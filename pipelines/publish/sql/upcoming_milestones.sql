-- What starts next? One row for each milestone that has not started, the next first.
--
-- Rule: the start is after now, which excludes placeholder starts in the year 2000. Milestones of the status groups ended
-- and off are excluded: cricket matches close before their listed start, and postponed games keep theirs.
-- Caveat: listed starts move (see reschedules). An end at or before the start is shown as NULL.
--
-- end_date: Planned end, UTC; NULL if there is none after the start.
-- starts_in: Time until the start, in whole seconds.
-- starts_in_minutes: starts_in in minutes and fractions of one.
CREATE OR REPLACE MACRO upcoming_milestones(include_simulated := false, include_vanished := false, include_ended := false, at_time := NULL) AS TABLE
WITH upcoming AS (
    SELECT milestone_id, category, category_group, type, title, start_date, start_is_tentative,
           CASE WHEN end_date > start_date THEN end_date END AS end_date,
           status, status_group, main_event_ticker, league, is_simulated, vanished_at, last_updated_ts
    FROM milestones
    WHERE start_date > coalesce(CAST(at_time AS TIMESTAMPTZ), now())
      AND (include_simulated OR NOT is_simulated) AND (include_vanished OR vanished_at IS NULL)
      AND (include_ended OR status_group IS NULL OR status_group NOT IN ('ended', 'off'))
), taking_part AS (
    SELECT milestone_id, role_rank(role) AS rank, role, position, coalesce(name, entity_id) AS name
    FROM milestone_participants()
    WHERE milestone_id IN (SELECT milestone_id FROM upcoming)
    QUALIFY rank // 10 = min(rank // 10) OVER (PARTITION BY milestone_id)
), named AS (
    SELECT milestone_id, names_in_short(list(name ORDER BY rank, role, position)) AS participants
    FROM taking_part
    GROUP BY milestone_id
)
SELECT milestone_id, category, category_group, type, title, start_date, start_is_tentative, end_date, status,
       status_group, main_event_ticker, league, is_simulated, vanished_at, last_updated_ts,
       date_trunc('second', start_date - coalesce(CAST(at_time AS TIMESTAMPTZ), now())) AS starts_in,
       epoch(starts_in) / 60 AS starts_in_minutes, participants
FROM upcoming LEFT JOIN named USING (milestone_id)
ORDER BY start_date, milestone_id;
