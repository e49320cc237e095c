BEGIN;
UPDATE t SET r = int4range(20, 25) WHERE id = 1;
UPDATE t SET r = int4range(10, 15) WHERE id = 2;
COMMIT;
UPDATE t SET r = int4range(5, 5000) WHERE id = 180;
