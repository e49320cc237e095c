INSERT INTO t VALUES (12, '-0', 1e-323);
UPDATE t SET f = '-0', d = '-0' WHERE id = 2;
UPDATE t SET f = 0, d = 0 WHERE id = 1;
UPDATE t SET f = NULL, d = NULL WHERE id = 3;
UPDATE t SET id = 13 WHERE id = 5;
DELETE FROM t WHERE id = 6;
