-- What are the newest live data: status, score, winner? One row for each milestone that ever had live data.
--
-- Rule: vanished milestones have their row too; live data of simulated games are not requested. After the end the row
-- stays, with the last score that was seen.
-- Caveat: live data are requested from shortly before the start until an hour after the end. If they had not ended by
-- then, the status stays live: check observed_at.
--
-- observed_at: When these data were first seen, UTC; it stays while they do not change.
-- type: Type of the live data, which may differ from that of the milestone.
-- status: Status as sent; to be trusted over the status in details.
-- status_group: The status as one of scheduled, live, ended, off, unknown; NULL without a status.
-- home_score: Score of the home side or the first competitor; NULL if there is none.
-- away_score: Score of the away side or the second competitor; NULL if there is none.
-- winner: Winner as sent; NULL while it is not known.
-- details: The object details of the live data as canonical JSON text.
CREATE OR REPLACE MACRO live_status() AS TABLE
SELECT milestone_id, observed_at, type, status, status_group, home_score, away_score, winner, details
FROM live_data
WHERE valid_to IS NULL;
