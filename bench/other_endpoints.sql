-- Adds made-up rows of the endpoints beside milestones to a warehouse. Nine of ten keys are known.
INSERT INTO structured_targets BY NAME
SELECT entity_id AS target_id, 'Team ' || left(entity_id, 6) AS name, 'basketball_team' AS type,
       now() AS first_seen_at, now() AS last_changed_at
FROM (SELECT DISTINCT entity_id FROM milestone_entities)
WHERE hash(entity_id) % 10 > 0;

INSERT INTO events BY NAME
SELECT event_ticker, left(event_ticker, 8) AS series_ticker, 'Title of ' || event_ticker AS title,
       now() AS first_seen_at, now() AS last_changed_at
FROM (SELECT DISTINCT event_ticker FROM milestone_events)
WHERE hash(event_ticker) % 10 > 0;

INSERT INTO series BY NAME
SELECT DISTINCT series_ticker, 'Series ' || series_ticker AS title, now() AS first_seen_at, now() AS last_changed_at
FROM events;

INSERT INTO structured_target_versions BY NAME
SELECT target_id, 1 AS version, repeat('0', 32) AS content_hash, first_seen_at AS valid_from,
       '000001-20261101T000000Z' AS sweep_id, '{}' AS record
FROM structured_targets;

INSERT INTO event_versions BY NAME
SELECT event_ticker, 1 AS version, repeat('0', 32) AS content_hash, first_seen_at AS valid_from,
       '000001-20261101T000000Z' AS sweep_id, '{}' AS record
FROM events;

INSERT INTO series_versions BY NAME
SELECT series_ticker, 1 AS version, repeat('0', 32) AS content_hash, first_seen_at AS valid_from,
       '000001-20261101T000000Z' AS sweep_id, '{}' AS record
FROM series;

INSERT INTO unknown_keys
SELECT 'targets', entity_id, now(), now(), 1 FROM (SELECT DISTINCT entity_id FROM milestone_entities)
WHERE hash(entity_id) % 10 = 0
UNION ALL
SELECT 'events', event_ticker, now(), now(), 1 FROM (SELECT DISTINCT event_ticker FROM milestone_events)
WHERE hash(event_ticker) % 10 = 0;

-- Ten versions of every milestone that started, so that the newest ones are spread over an old log.
INSERT INTO live_data BY NAME
SELECT milestone_id, version, type, repeat('0', 32) AS content_hash, start_date AS valid_from,
       CASE WHEN version < 10 THEN start_date + INTERVAL 1 HOUR END AS valid_to,
       '000001-20261101T000000Z' AS sweep_id, '{}' AS record, version AS home_score, 1 AS away_score,
       CASE WHEN version < 10 THEN 'inprogress' ELSE 'closed' END AS status,
       CASE WHEN version < 10 THEN 'live' ELSE 'ended' END AS status_group, '{}' AS details
FROM milestones, (SELECT unnest(range(1, 11)) AS version)
WHERE start_date < now() - INTERVAL 1 HOUR
ORDER BY start_date;

INSERT INTO endpoint_sweeps
SELECT endpoint, printf('%06d-20261101T000000Z', number), 'by_key', 'loaded', now(), now(), 1, 100, 100, 0, 0, 0, 0,
       100, 0, 0, 1, 0, 0, 1000, NULL, NULL, NULL, NULL
FROM (SELECT unnest(['targets', 'events', 'series', 'live']) AS endpoint), (SELECT unnest(range(1, 10001)) AS number);
