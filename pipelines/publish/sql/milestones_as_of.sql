-- What was believed at a time (back-tests without look-ahead)? One row for each milestone known and not vanished then.
--
-- Rule: the version that held at that time, by our clock.
-- Caveat: nothing is known from before the first sweep, and a change counts from when it was seen, not from when it was made.
--
-- ts: The time to go back to.
-- version: The version that held then.
-- valid_from: When it was first seen, UTC.
-- valid_to: When it ceased to hold, UTC; NULL while it holds.
CREATE OR REPLACE MACRO milestones_as_of(ts, include_simulated := false) AS TABLE
-- What was believed then and still is stands in milestones, taken apart already: no JSON is read for it.
SELECT milestone_id, version, category, type, title, start_date, end_date, source_id, main_event_ticker, status, details,
       valid_from, valid_to, versions.content_hash
FROM milestone_versions AS versions JOIN milestones USING (milestone_id)
WHERE valid_to IS NULL AND valid_from <= CAST(ts AS TIMESTAMPTZ) AND (include_simulated OR NOT is_simulated)
UNION ALL
SELECT milestone_id, version, record ->> '$.category', record ->> '$.type', record ->> '$.title',
       nullif(TRY_CAST(upper(record ->> '$.start_date') AS TIMESTAMPTZ), TIMESTAMPTZ '0001-01-01 00:00:00+00'),
       nullif(TRY_CAST(upper(record ->> '$.end_date') AS TIMESTAMPTZ), TIMESTAMPTZ '0001-01-01 00:00:00+00'),
       record ->> '$.source_id', record ->> '$.details.main_game_event_ticker', record ->> '$.details.status',
       nullif(CAST(record -> '$.details' AS VARCHAR), 'null'), valid_from, valid_to, content_hash
FROM milestone_versions
WHERE valid_to > CAST(ts AS TIMESTAMPTZ) AND valid_from <= CAST(ts AS TIMESTAMPTZ)
  AND (include_simulated
       OR ((record ->> '$.details.session_id') IS NULL
           -- IS NOT true: arrays that came as null and main tickers that are not there match nothing.
           AND regexp_matches(record ->> '$.related_event_tickers', '"SIM[A-Z]+GAME"') IS NOT true
           AND regexp_matches(record ->> '$.primary_event_tickers', '"SIM[A-Z]+GAME"') IS NOT true
           AND regexp_full_match(record ->> '$.details.main_game_event_ticker', 'SIM[A-Z]+GAME') IS NOT true));
