BEGIN;
UPDATE t SET room = -1 WHERE id = 5;
UPDATE t SET room = 5, during = tsrange('2026-01-06', '2026-01-06 12:00') WHERE id = 199;
COMMIT;
UPDATE t SET room = room + 100;
