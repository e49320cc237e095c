BEGIN;
UPDATE t SET u = -u;
UPDATE t SET u = 1 - u;
COMMIT;
BEGIN;
UPDATE t SET u = -u;
UPDATE t SET u = -1 - u;
COMMIT;
