-- How fresh are the names, events, series and live data? One row for each endpoint beside milestones that was swept.
--
-- Rule: a sweep that ended with an error counts as loaded if it stored what it had received; last_error says so.
-- Caveat: live data are swept only while a milestone may be live, so that an old last_loaded_at is not an error at night.
-- freshness has the figures of milestones.
--
-- endpoint: Name of the endpoint: targets, events, series or live.
-- last_loaded_at: When its last sweep was loaded, UTC; NULL if none was.
-- lag: Now minus last_loaded_at.
-- lag_minutes: lag in minutes and fractions of one.
-- watermark: All updates up to this time were read, UTC; NULL if its list was never read to the end.
-- last_sweep_records: Records that the last loaded sweep received.
-- remaining_keys: Keys that the last loaded sweep left for the next one.
-- unknown_keys: Number of ids or tickers that the API does not know; the table unknown_keys has them.
-- quarantined: Number of refused records; the table endpoint_quarantine has them.
-- last_error: Error of the last sweep, loaded or not; NULL if it had none.
CREATE OR REPLACE MACRO endpoint_freshness(at_time := NULL) AS TABLE
WITH ledger AS (
    SELECT endpoint, max(finished_at) FILTER (status = 'loaded') AS last_loaded_at,
           max(watermark) FILTER (status = 'loaded') AS watermark,
           arg_max(records, sweep_id) FILTER (status = 'loaded') AS last_sweep_records,
           arg_max(remaining_keys, sweep_id) FILTER (status = 'loaded') AS remaining_keys,
           -- In a struct, as arg_max skips NULL.
           arg_max({'error': error}, sweep_id) AS last_sweep
    FROM endpoint_sweeps
    GROUP BY endpoint
), unknown AS (
    SELECT endpoint, count(*) AS unknown_keys FROM unknown_keys GROUP BY endpoint
), refused AS (
    SELECT endpoint, count(*) AS quarantined FROM endpoint_quarantine GROUP BY endpoint
)
SELECT endpoint, last_loaded_at, coalesce(CAST(at_time AS TIMESTAMPTZ), now()) - last_loaded_at AS lag,
       epoch(lag) / 60 AS lag_minutes, watermark, last_sweep_records, remaining_keys,
       coalesce(unknown.unknown_keys, 0) AS unknown_keys, coalesce(quarantined, 0) AS quarantined,
       struct_extract(last_sweep, 'error') AS last_error
FROM ledger LEFT JOIN unknown USING (endpoint) LEFT JOIN refused USING (endpoint)
ORDER BY endpoint;
