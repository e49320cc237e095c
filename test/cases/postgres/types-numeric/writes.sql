INSERT INTO t VALUES (10, 'NaN', 'NaN', 100, 0.00001, '1e499');
UPDATE t SET n = NULL, n5 = NULL, wide = NULL WHERE id = 1;
UPDATE t SET n = 1.0 WHERE id = 8;
UPDATE t SET n = 'Infinity' WHERE id = 3;
UPDATE t SET id = 20 WHERE id = 6;
DELETE FROM t WHERE id = 2;
