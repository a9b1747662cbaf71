-- What is unusual in the data? One row for each rule, even if no milestone breaks it, the most broken rule first.
--
-- Rule: the current state of every milestone is checked. Simulated milestones count only in the rule about them, unless
-- they are included.
-- data_quality_milestones lists the milestones of each rule.
-- Caveat: these are not errors of the pipeline: Kalshi sends such data, and they are stored as sent. Unknown participants
-- and events are those that were requested. A refused record counts until a newer one is stored, and only if its key could
-- be read: endpoint_freshness counts all.
--
-- rule: Name of the rule.
-- description: Meaning of a broken rule.
-- milestones: Number of milestones that break it.
-- share: Share of the checked milestones, from 0 to 1; 0 if there are none.
-- example: Smallest id of a milestone that breaks it; NULL if none does.
CREATE OR REPLACE MACRO data_quality(include_simulated := false, include_vanished := false, at_time := NULL) AS TABLE
WITH rules (rule, description) AS (
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
    ('unknown_live_status', 'the status in the live data is spelled in a way that status_groups.csv does not list'),
    ('unknown_participant', 'the API does not know the id of a participant'),
    ('unknown_event', 'the API does not know an event ticker'),
    ('refused_record', 'its last live data were refused, or the last record of a participant, an event or its series'),
    ('maybe_simulated', 'an event ticker looks like a simulated game of a league that is not known to be simulated')
), broken AS (
    SELECT rule, count(*) AS milestones, min(milestone_id) AS example
    FROM data_quality_milestones(
        include_simulated := include_simulated, include_vanished := include_vanished, at_time := at_time
    )
    GROUP BY rule
), totals AS (
    SELECT count(*) AS everything, count(*) FILTER (include_simulated OR NOT is_simulated) AS looked_at
    FROM milestones
    WHERE include_vanished OR vanished_at IS NULL
)
SELECT rules.rule, rules.description, coalesce(broken.milestones, 0) AS milestones,
       coalesce(broken.milestones / nullif(CASE WHEN rules.rule = 'simulated' THEN everything ELSE looked_at END, 0), 0)
           AS share,
       broken.example
FROM rules LEFT JOIN broken USING (rule) CROSS JOIN totals
ORDER BY milestones DESC, rules.rule;
