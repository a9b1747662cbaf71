-- How long do milestones of a type usually last? One row for each type that has ends, the most frequent first.
--
-- Rule: the median of end_date minus start_date; placeholder dates and ends that are not after the start do not count.
--
-- milestones: How many milestones it is the median of.
-- usual_duration: Median duration.
-- usual_duration_minutes: usual_duration in minutes and fractions of one.
CREATE OR REPLACE MACRO usual_durations(include_simulated := false) AS TABLE
SELECT type, count(*) AS milestones,
       to_microseconds(CAST(median(epoch_us(end_date) - epoch_us(start_date)) AS BIGINT)) AS usual_duration,
       epoch(usual_duration) / 60 AS usual_duration_minutes
FROM milestones
WHERE end_date > start_date AND NOT has_placeholder_dates AND (include_simulated OR NOT is_simulated)
GROUP BY type
ORDER BY milestones DESC, type;
