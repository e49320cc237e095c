BEGIN;
UPDATE t SET is_live = false WHERE id = 5;
UPDATE t SET is_live = true WHERE id = 105;
COMMIT;
BEGIN;
UPDATE t SET is_live = NOT is_live WHERE id BETWEEN 10 AND 20;
UPDATE t SET is_live = true WHERE id BETWEEN 110 AND 120;
COMMIT;
UPDATE t SET u = u + 1000 WHERE NOT is_live;
