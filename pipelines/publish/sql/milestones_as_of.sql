-- What was known at a past time (back-tests without look-ahead)? One row for each milestone known and not vanished then.
--
-- Rule: the version that was current at that time, by our clock.
-- Caveat: there are no rows before the first sweep. A change counts from the time we saw it, not from when it was made.
--
-- ts: The past time.
-- version: The version that was current then.
-- valid_from: When the version was first seen, UTC.
-- valid_to: When the version was replaced or the milestone vanished, UTC; NULL for the current version.
CREATE OR REPLACE MACRO milestones_as_of(ts, include_simulated := false) AS TABLE
-- Versions that are still current are read from milestones, without parsing JSON. The join fetches from the versions only
-- what milestones lacks.
SELECT milestones.milestone_id, version, category, type, title, start_date, start_is_tentative, end_date, source_id,
       main_event_ticker, league, status, status_group, details, valid_from, CAST(NULL AS TIMESTAMPTZ) AS valid_to,
       milestones.content_hash
FROM milestone_versions AS versions JOIN milestones ON milestones.milestone_id = versions.milestone_id
WHERE valid_to IS NULL AND valid_from <= CAST(ts AS TIMESTAMPTZ) AND (include_simulated OR NOT is_simulated)
UNION ALL
SELECT milestone_id, version, category, type, title, start_date,
       start_date IS NULL OR status_leaves_start_open(status) OR is_placeholder(start_date),
       end_date, source_id, main_event_ticker, league_of(details), status, status_group_of(status),
       nullif(CAST(details AS VARCHAR), 'null'), valid_from, valid_to, content_hash
FROM (
    SELECT milestone_id, version, valid_from, valid_to, content_hash,
           record ->> '$.category' AS category, record ->> '$.type' AS type, record ->> '$.title' AS title,
           nullif(TRY_CAST(upper(record ->> '$.start_date') AS TIMESTAMPTZ), TIMESTAMPTZ '0001-01-01 00:00:00+00')
               AS start_date,
           nullif(TRY_CAST(upper(record ->> '$.end_date') AS TIMESTAMPTZ), TIMESTAMPTZ '0001-01-01 00:00:00+00')
               AS end_date,
           record ->> '$.source_id' AS source_id,
           CASE WHEN json_type(record, '$.details.main_game_event_ticker') = 'VARCHAR'
                THEN nullif(record ->> '$.details.main_game_event_ticker', '') END AS main_event_ticker,
           CASE WHEN json_type(record, '$.details.status') = 'VARCHAR' THEN record ->> '$.details.status' END AS status,
           record -> '$.details' AS details
    FROM milestone_versions
    WHERE valid_to > CAST(ts AS TIMESTAMPTZ) AND valid_from <= CAST(ts AS TIMESTAMPTZ)
      AND (include_simulated
           OR NOT ((record ->> '$.details.session_id') IS NOT NULL
                   OR names_simulated_game(record -> '$.related_event_tickers')
                   OR names_simulated_game(record -> '$.primary_event_tickers')
                   OR names_simulated_game(record -> '$.details.main_game_event_ticker')))
);
