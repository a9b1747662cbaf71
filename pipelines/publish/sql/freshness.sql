-- How fresh are the data? One row.
--
-- Rule: only loaded sweeps count. The last sweep is the last full or incremental one: sweeps by id, with filters or of the
-- quarantine refresh only a part of the data.
-- Caveat: newest_update is from Kalshi's clock, all other times from ours. In quiet hours newest_update is old although
-- the data are current: check lag.
--
-- last_full_sweep_at: When the last complete full sweep was loaded, UTC.
-- last_incremental_at: When the last incremental sweep was loaded, UTC.
-- last_sweep_at: The later of the two.
-- watermark: All updates by Kalshi up to this time were read, UTC.
-- newest_update: The newest last_updated_ts, UTC; excludes times in the future, now or when they were fetched.
-- lag: Now minus last_sweep_at.
-- lag_minutes: lag in minutes and fractions of one.
-- milestones: Number of milestones.
-- quarantined: Number of records in the quarantine.
-- sweeps: Number of sweeps in the ledger, including failed ones.
-- last_sweep_pages: Pages of the last sweep.
-- last_sweep_records: Records of the last sweep.
CREATE OR REPLACE MACRO freshness(include_simulated := false, include_vanished := false, at_time := NULL) AS TABLE
WITH ledger AS (
    SELECT max(finished_at) FILTER (mode = 'full' AND is_complete) AS last_full_sweep_at,
           max(finished_at) FILTER (mode = 'incremental') AS last_incremental_at,
           max(finished_at) FILTER (mode IN ('full', 'incremental') AND is_complete) AS last_sweep_at,
           max(watermark) AS watermark,
           arg_max(pages, sweep_id) FILTER (mode IN ('full', 'incremental') AND is_complete) AS last_sweep_pages,
           arg_max(records, sweep_id) FILTER (mode IN ('full', 'incremental') AND is_complete) AS last_sweep_records
    FROM sweeps
    WHERE status = 'loaded'
), kept AS (
    SELECT count(*) AS milestones,
           max(last_updated_ts) FILTER (
               NOT has_future_update AND last_updated_ts <= coalesce(CAST(at_time AS TIMESTAMPTZ), now())
           ) AS newest_update
    FROM milestones
    WHERE (include_simulated OR NOT is_simulated) AND (include_vanished OR vanished_at IS NULL)
)
SELECT last_full_sweep_at, last_incremental_at, last_sweep_at, watermark, newest_update,
       coalesce(CAST(at_time AS TIMESTAMPTZ), now()) - last_sweep_at AS lag,
       epoch(lag) / 60 AS lag_minutes, milestones,
       (SELECT count(*) FROM quarantine) AS quarantined, (SELECT count(*) FROM sweeps) AS sweeps,
       last_sweep_pages, last_sweep_records
FROM ledger CROSS JOIN kept;
