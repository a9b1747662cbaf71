-- When does an event start? One row for each event ticker.
--
-- Rule: the earliest start of the milestones in which it is the main event; without such, primary; without such, related.
-- A milestone with a placeholder start, or without a start, counts only if the event has no other.
-- Caveat: is_ambiguous covers the rank that was used, spread covers every milestone of the event.
--
-- event_ticker: Ticker of the event; opaque, never parse it.
-- starts_at: The best start, UTC; NULL if none is known.
-- basis: Role of the event in the milestone used: main, primary or related.
-- milestone_id: The milestone used; of several with the same start, the smallest id.
-- type: Type of that milestone.
-- title: Title of that milestone.
-- milestones: Number of milestones that list the event.
-- is_ambiguous: The milestones of the rank used have more than one start.
-- earliest_start: The earliest start of all its milestones, without placeholders if there are others, UTC.
-- latest_start: The latest start of all its milestones, UTC.
-- spread: latest_start minus earliest_start.
-- spread_minutes: spread in minutes and fractions of one.
-- has_placeholder_dates: starts_at is a placeholder, as no real start is known.
-- start_is_tentative: starts_at may change: it is NULL or a placeholder, or the status of that milestone says so.
-- event_title: Title of the event; NULL if the API does not know the event, or it was not yet requested.
-- series_ticker: Ticker of the event's series; NULL if it is not known.
-- series_title: Title of the series; NULL if it is not known.
CREATE OR REPLACE MACRO event_starts(include_simulated := false, include_vanished := false) AS TABLE
WITH kept AS (
    SELECT milestone_id, epoch_us(start_date) AS start_us,
           CASE WHEN start_date IS NULL THEN 6 WHEN is_placeholder(start_date) THEN 3 ELSE 0 END AS doubt
    FROM milestones
    WHERE (include_simulated OR NOT is_simulated) AND (include_vanished OR vanished_at IS NULL)
), ranked AS (
    SELECT event_ticker, milestone_id, CASE WHEN doubt = 0 THEN start_us END AS real_us,
           coalesce(start_us, 0) AS start_us,
           doubt + CASE WHEN is_main THEN 1 WHEN is_primary THEN 2 ELSE 3 END AS rank
    FROM milestone_events JOIN kept USING (milestone_id)
), grouped AS (
    -- Rank and start in one number, the ranks 10^18 microseconds apart: its minimum is the best start, and the maximum of
    -- start less rank the latest start at the best rank. One pass, where a window would sort all events.
    SELECT event_ticker, count(*) AS milestones,
           min({'rank_and_start': rank * 1000000000000000000 + start_us, 'milestone_id': milestone_id}) AS best,
           max(start_us - rank * 1000000000000000000) AS latest_less_rank,
           min(real_us) AS earliest_us, max(real_us) AS latest_us
    FROM ranked
    GROUP BY event_ticker
), chosen AS (
    SELECT event_ticker, milestones, best.milestone_id AS milestone_id, latest_less_rank, earliest_us, latest_us,
           (best.rank_and_start - 500000000000000000) // 1000000000000000000 + 1 AS rank
    FROM grouped
)
SELECT event_ticker, start_date AS starts_at, (['main', 'primary', 'related'])[(rank - 1) % 3 + 1] AS basis,
       chosen.milestone_id, milestones.type, milestones.title, chosen.milestones,
       rank <= 3 AND latest_less_rank + rank * 1000000000000000000 > epoch_us(start_date) AS is_ambiguous,
       coalesce(make_timestamptz(earliest_us), start_date) AS earliest_start,
       coalesce(make_timestamptz(latest_us), start_date) AS latest_start,
       latest_start - earliest_start AS spread, epoch(spread) / 60 AS spread_minutes,
       rank BETWEEN 4 AND 6 AS has_placeholder_dates, start_is_tentative,
       events.title AS event_title, events.series_ticker, series.title AS series_title
FROM chosen JOIN milestones USING (milestone_id)
     LEFT JOIN events USING (event_ticker) LEFT JOIN series ON series.series_ticker = events.series_ticker;
