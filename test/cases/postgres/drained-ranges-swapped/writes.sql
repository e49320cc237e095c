BEGIN;
UPDATE t SET r = NULL WHERE id = 1;
UPDATE t SET r = int4range(10, 15) WHERE id = 200;
UPDATE t SET r = int4range(2000, 2005) WHERE id = 1;
COMMIT;
DELETE FROM t WHERE id = 7;
INSERT INTO t VALUES (0, int4range(68, 79));
