-- Unchanged milestones that Kalshi only touched: their newest last_updated_ts, which makes no version.
SELECT milestone_id, last_updated_ts
FROM fates
WHERE fate = 'unchanged' AND (last_updated_ts > stored_updated_ts OR
                              (stored_updated_ts IS NULL AND last_updated_ts IS NOT NULL))
