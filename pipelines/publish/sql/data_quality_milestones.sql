-- Which milestones break a rule of data_quality? One row for each rule and milestone that breaks it, by rule and id.
--
-- Rule: the current state of every milestone is checked. Simulated milestones count only in the rule about them, unless
-- they are included. data_quality counts these rows, and describes the rules.
-- Caveat: unknown participants and events are those that were requested. A refused record counts until a newer one is
-- stored, and only if its key could be read: endpoint_quarantine has all.
--
-- rule: Name of the rule.
CREATE OR REPLACE MACRO data_quality_milestones(include_simulated := false, include_vanished := false, at_time := NULL) AS TABLE
WITH spellings AS (
    -- max keeps the function from being called for every row: DuckDB moves a filter on the column of a GROUP BY below it.
    SELECT max(live.status) AS spelling FROM live_status() AS live GROUP BY live.status
), refused AS (
    SELECT DISTINCT endpoint, key
    FROM endpoint_quarantine ANTI JOIN (
        SELECT 'targets' AS endpoint, target_id AS key, valid_from FROM structured_target_versions
            WHERE valid_to IS NULL AND target_id IN (SELECT key FROM endpoint_quarantine)
        UNION ALL SELECT 'events', event_ticker, valid_from FROM event_versions
            WHERE valid_to IS NULL AND event_ticker IN (SELECT key FROM endpoint_quarantine)
        UNION ALL SELECT 'series', series_ticker, valid_from FROM series_versions
            WHERE valid_to IS NULL AND series_ticker IN (SELECT key FROM endpoint_quarantine)
        UNION ALL SELECT 'live', milestone_id, valid_from FROM live_data
            WHERE valid_to IS NULL AND milestone_id IN (SELECT key FROM endpoint_quarantine)
    ) AS stored ON stored.endpoint = endpoint_quarantine.endpoint AND stored.key = endpoint_quarantine.key
         AND stored.valid_from >= endpoint_quarantine.seen_at
), named_keys AS (
    -- The keys by which milestones name records of other endpoints, as far as they are refused or unknown.
    SELECT endpoint, key, false AS is_refused FROM unknown_keys
    UNION ALL SELECT endpoint, key, true FROM refused
    UNION ALL SELECT 'events', event_ticker, true
        FROM events JOIN refused ON refused.endpoint = 'series' AND refused.key = events.series_ticker
), affected AS (
    SELECT milestone_id, endpoint, is_refused
        FROM milestone_entities JOIN named_keys ON named_keys.endpoint = 'targets' AND named_keys.key = entity_id
    UNION SELECT milestone_id, endpoint, is_refused
        FROM milestone_events JOIN named_keys ON named_keys.endpoint = 'events' AND named_keys.key = event_ticker
    UNION SELECT key, endpoint, is_refused FROM named_keys WHERE endpoint = 'live'
), broken AS (
    -- Every rule scans milestones for itself: only its columns, and only the row groups that may break it. A common CTE
    -- would be stored with the columns of all. unnest(list()) makes DuckDB expect few rows, and hash these.
    SELECT 'placeholder_dates' AS rule, milestone_id, is_simulated, vanished_at FROM milestones WHERE has_placeholder_dates
    UNION ALL SELECT 'no_start', milestone_id, is_simulated, vanished_at FROM milestones WHERE start_date IS NULL
    UNION ALL SELECT 'end_before_start', milestone_id, is_simulated, vanished_at FROM milestones WHERE end_date < start_date
    UNION ALL SELECT 'no_end_long_after_start', milestone_id, is_simulated, vanished_at FROM milestones
        WHERE end_date IS NULL AND start_date < coalesce(CAST(at_time AS TIMESTAMPTZ), now()) - INTERVAL 7 DAY
    UNION ALL SELECT 'stale_status', milestone_id, is_simulated, vanished_at FROM milestones
        WHERE status_group IN ('scheduled', 'live')
          AND (start_date < coalesce(CAST(at_time AS TIMESTAMPTZ), now()) - INTERVAL 24 HOUR
               OR end_date < coalesce(CAST(at_time AS TIMESTAMPTZ), now()))
    UNION ALL SELECT 'unknown_status', milestone_id, is_simulated, vanished_at FROM milestones
        WHERE status_group = 'unknown'
    UNION ALL SELECT 'no_event_tickers', milestone_id, is_simulated, vanished_at
        FROM milestones ANTI JOIN (
            SELECT milestone_id FROM milestone_events WHERE is_related OR is_primary
        ) AS listed USING (milestone_id)
    UNION ALL SELECT 'primary_not_related', milestone_id, is_simulated, vanished_at
        FROM milestones WHERE milestone_id IN (
            SELECT unnest(list(milestone_id)) FROM milestone_events WHERE is_primary AND NOT is_related
        )
    UNION ALL SELECT 'main_not_listed', milestone_id, is_simulated, vanished_at
        FROM milestones WHERE milestone_id IN (
            SELECT unnest(list(milestone_id)) FROM milestone_events WHERE is_main AND NOT is_related AND NOT is_primary
        )
    UNION ALL SELECT 'category_synonym', milestone_id, is_simulated, vanished_at FROM milestones
        WHERE category <> category_group
    UNION ALL SELECT 'empty_title', milestone_id, is_simulated, vanished_at FROM milestones WHERE title = ''
    UNION ALL SELECT 'missing_field', milestone_id, is_simulated, vanished_at FROM milestones
        WHERE category IS NULL OR title IS NULL OR notification_message IS NULL OR details IS NULL
    UNION ALL SELECT 'no_last_updated_ts', milestone_id, is_simulated, vanished_at FROM milestones WHERE last_updated_ts IS NULL
    UNION ALL SELECT 'updated_in_future', milestone_id, is_simulated, vanished_at FROM milestones
        WHERE last_updated_ts > coalesce(CAST(at_time AS TIMESTAMPTZ), now()) OR has_future_update
    UNION ALL SELECT 'simulated', milestone_id, is_simulated, vanished_at FROM milestones WHERE is_simulated
    UNION ALL SELECT 'unknown_live_status', milestone_id, is_simulated, vanished_at
        FROM milestones WHERE milestone_id IN (
            SELECT milestone_id FROM live_status()
            WHERE status IN (SELECT spelling FROM spellings WHERE status_group_of(spelling) = 'unknown')
        )
    UNION ALL SELECT DISTINCT CASE WHEN is_refused THEN 'refused_record'
                                   WHEN endpoint = 'targets' THEN 'unknown_participant' ELSE 'unknown_event' END,
                              milestone_id, is_simulated, vanished_at
        FROM milestones JOIN affected USING (milestone_id)
    UNION ALL SELECT 'maybe_simulated', milestone_id, is_simulated, vanished_at FROM milestones
        WHERE NOT is_simulated AND milestone_id IN (
            SELECT unnest(list(milestone_id)) FROM milestone_events
            WHERE starts_with(event_ticker, 'SIM') AND regexp_full_match(event_ticker, 'SIM[A-Z]+GAME(-.*)?', 's')
        )
)
SELECT rule, milestone_id
FROM broken
WHERE (include_simulated OR NOT is_simulated OR rule = 'simulated') AND (include_vanished OR vanished_at IS NULL)
-- Numbers sort faster than names. They are in the order of the names.
ORDER BY CAST(rule AS ENUM(
    'category_synonym', 'empty_title', 'end_before_start', 'main_not_listed', 'maybe_simulated',
    'missing_field', 'no_end_long_after_start', 'no_event_tickers', 'no_last_updated_ts', 'no_start',
    'placeholder_dates', 'primary_not_related', 'refused_record', 'simulated', 'stale_status', 'unknown_event',
    'unknown_live_status', 'unknown_participant', 'unknown_status', 'updated_in_future'
)), milestone_id;
