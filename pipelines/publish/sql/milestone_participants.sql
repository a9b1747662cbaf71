-- Who takes part, by name? One row for each milestone, role and position.
--
-- Rule: every participant of every milestone, also of simulated and vanished ones, to be joined with any other view. An
-- id that is unknown to the API, or not yet requested, keeps its row, with NULL as name (see unknown_keys).
-- Caveat: names are the current ones; structured_target_versions has the earlier ones.
--
-- role: Role, for example home, away, first, second or competitor; from the key in details (see milestone_entities).
-- position: Position in the array, from 0; 0 for a single id.
-- entity_id: The structured target's id.
-- name: Current name; NULL if it is not known.
-- short_name: Shorter name; NULL if there is none.
-- abbreviation: Abbreviation; NULL if there is none.
-- type: Type of the structured target, for example basketball_team; NULL if it is not known.
CREATE OR REPLACE MACRO milestone_participants() AS TABLE
SELECT milestone_id, role, position, entity_id, name, short_name, abbreviation, type
FROM milestone_entities LEFT JOIN structured_targets ON structured_targets.target_id = milestone_entities.entity_id;
