-- What is unusual in the data? One row for each rule, even if no milestone breaks it, the most broken rule first.
--
-- Rule: the current state of every milestone is checked. Simulated milestones count only in the rule about them, unless
-- they are included.
-- Caveat: these are not errors of the pipeline: Kalshi sends such data, and they are stored as sent.
--
-- rule: Name of the rule.
-- description: Meaning of a broken rule.
-- milestones: Number of milestones that break it.
-- share: Share of the checked milestones, from 0 to 1; 0 if there are none.
-- example: Smallest id of a milestone that breaks it; NULL if none does.
CREATE OR REPLACE MACRO data_quality(include_simulated := false, include_vanished := false, at_time := NULL) AS TABLE
WITH kept AS (
    SELECT milestone_id, category, category_group, title, start_date, end_date, status_group, last_updated_ts, is_simulated,
           has_placeholder_dates, has_future_update,
           category IS NULL OR title IS NULL OR notification_message IS NULL OR details IS NULL AS lacks_field,
           coalesce(CAST(at_time AS TIMESTAMPTZ), now()) AS present
    FROM milestones
    WHERE (include_simulated OR NOT is_simulated) AND (include_vanished OR vanished_at IS NULL)
), events AS (
    SELECT milestone_id, bool_or(is_related OR is_primary) AS is_listed,
           bool_or(is_primary AND NOT is_related) AS has_primary_alone,
           bool_or(is_main AND NOT is_related AND NOT is_primary) AS has_main_alone
    FROM milestone_events
    GROUP BY milestone_id
), rules (rule, description) AS (
    VALUES
    ('placeholder_dates', 'start or end is a placeholder on 2000-01-01 or 2000-01-02'),
    ('no_start', 'there is no start'),
    ('end_before_start', 'the end lies before the start'),
    ('no_end_long_after_start', 'no end is known 7 days after the start'),
    ('stale_status', 'the status group is scheduled or live, 24 hours after the start or after the end'),
    ('unknown_status', 'the status is spelled in a way that status_groups.csv does not list'),
    ('no_event_tickers', 'both arrays of event tickers are empty'),
    ('primary_not_related', 'a primary event ticker is missing from the related ones'),
    ('main_not_listed', 'the main event ticker is in neither array'),
    ('category_synonym', 'the category is a synonym or another spelling of its group'),
    ('empty_title', 'the title is empty'),
    ('missing_field', 'category, title, notification_message or details is missing, which the API calls required'),
    ('no_last_updated_ts', 'last_updated_ts is the zero time: only full sweeps see its changes'),
    ('updated_in_future', 'last_updated_ts lies after now, or lay after the fetch that brought it'),
    ('simulated', 'a simulated game in production'),
    ('maybe_simulated', 'an event ticker looks like a simulated game of a league that is not known to be simulated')
), broken AS (
    SELECT 'placeholder_dates' AS rule, milestone_id FROM kept WHERE has_placeholder_dates
    UNION ALL SELECT 'no_start', milestone_id FROM kept WHERE start_date IS NULL
    UNION ALL SELECT 'end_before_start', milestone_id FROM kept WHERE end_date < start_date
    UNION ALL SELECT 'no_end_long_after_start', milestone_id FROM kept
        WHERE end_date IS NULL AND start_date < present - INTERVAL 7 DAY
    UNION ALL SELECT 'stale_status', milestone_id FROM kept
        WHERE status_group IN ('scheduled', 'live')
          AND (start_date < present - INTERVAL 24 HOUR OR end_date < present)
    UNION ALL SELECT 'unknown_status', milestone_id FROM kept WHERE status_group = 'unknown'
    UNION ALL SELECT 'no_event_tickers', kept.milestone_id FROM kept LEFT JOIN events USING (milestone_id)
        WHERE is_listed IS NOT true
    UNION ALL SELECT 'primary_not_related', milestone_id FROM kept JOIN events USING (milestone_id)
        WHERE has_primary_alone
    UNION ALL SELECT 'main_not_listed', milestone_id FROM kept JOIN events USING (milestone_id) WHERE has_main_alone
    UNION ALL SELECT 'category_synonym', milestone_id FROM kept WHERE category <> category_group
    UNION ALL SELECT 'empty_title', milestone_id FROM kept WHERE title = ''
    UNION ALL SELECT 'missing_field', milestone_id FROM kept WHERE lacks_field
    UNION ALL SELECT 'no_last_updated_ts', milestone_id FROM kept WHERE last_updated_ts IS NULL
    UNION ALL SELECT 'updated_in_future', milestone_id FROM kept WHERE last_updated_ts > present OR has_future_update
    UNION ALL SELECT 'simulated', milestone_id FROM milestones
        WHERE is_simulated AND (include_vanished OR vanished_at IS NULL)
    UNION ALL SELECT DISTINCT 'maybe_simulated', milestone_id FROM kept JOIN milestone_events USING (milestone_id)
        WHERE NOT is_simulated AND starts_with(event_ticker, 'SIM')
          AND regexp_full_match(event_ticker, 'SIM[A-Z]+GAME(-.*)?', 's')
), totals AS (
    SELECT count(*) AS everything, count(*) FILTER (include_simulated OR NOT is_simulated) AS looked_at
    FROM milestones
    WHERE include_vanished OR vanished_at IS NULL
)
SELECT rules.rule, rules.description, count(milestone_id) AS milestones,
       coalesce(count(milestone_id) / nullif(any_value(
           CASE WHEN rules.rule = 'simulated' THEN everything ELSE looked_at END
       ), 0), 0) AS share,
       min(milestone_id) AS example
FROM rules LEFT JOIN broken USING (rule) CROSS JOIN totals
GROUP BY rules.rule, rules.description
ORDER BY milestones DESC, rules.rule;
