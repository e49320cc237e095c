BEGIN;
INSERT INTO t SELECT n + 100000, n, repeat('x', 200) FROM generate_series(1, 30000) AS n;
UPDATE t SET a = a + 1;
UPDATE t SET id = -id WHERE id % 3 = 0;
DELETE FROM t WHERE a % 5 = 0;
COMMIT;
