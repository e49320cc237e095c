BEGIN;
UPDATE t SET during = 'empty' WHERE id = 5 AND false;
UPDATE t SET k = 50 WHERE id = 5;
INSERT INTO t VALUES (201, 5, daterange('2026-01-06', '2026-01-08'));
COMMIT;
UPDATE t SET k = k + 100;
