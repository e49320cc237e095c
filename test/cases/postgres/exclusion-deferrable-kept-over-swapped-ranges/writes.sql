BEGIN;
UPDATE t SET r = int4range(10, 15) WHERE id = 200;
UPDATE t SET r = int4range(2000, 2005) WHERE id = 1;
COMMIT;
BEGIN;
UPDATE t SET r = int4range(lower(r) + 10, upper(r) + 10) WHERE id < 200;
UPDATE t SET r = int4range(20, 25) WHERE id = 200;
UPDATE t SET r = NULL WHERE id = 1;
COMMIT;
