-- What was believed at a time (back-tests without look-ahead)? One row for each milestone known and not vanished then.
-- Taken from the version that held at that time, by our clock; simulated games are left out.
CREATE OR REPLACE MACRO milestones_as_of(ts) AS TABLE
SELECT milestone_id, version, record ->> '$.category' AS category, record ->> '$.type' AS type,
       record ->> '$.title' AS title,
       nullif(TRY_CAST(upper(record ->> '$.start_date') AS TIMESTAMPTZ), TIMESTAMPTZ '0001-01-01 00:00:00+00') AS start_date,
       nullif(TRY_CAST(upper(record ->> '$.end_date') AS TIMESTAMPTZ), TIMESTAMPTZ '0001-01-01 00:00:00+00') AS end_date,
       record ->> '$.source_id' AS source_id,
       record ->> '$.details.main_game_event_ticker' AS main_event_ticker, record ->> '$.details.status' AS status,
       CAST(record -> '$.details' AS VARCHAR) AS details, valid_from, valid_to, content_hash
FROM milestone_versions
WHERE valid_from <= ts AND (valid_to IS NULL OR valid_to > ts)
  AND (record ->> '$.details.session_id') IS NULL
  -- IS NOT true: arrays that came as null and main tickers that are not there match nothing.
  AND regexp_matches(record ->> '$.related_event_tickers', '"SIM[A-Z]+GAME"') IS NOT true
  AND regexp_matches(record ->> '$.primary_event_tickers', '"SIM[A-Z]+GAME"') IS NOT true
  AND regexp_full_match(record ->> '$.details.main_game_event_ticker', 'SIM[A-Z]+GAME') IS NOT true;
