INSERT INTO t (id, a, b) VALUES (5, 50, 'five'), (6, NULL, 'six');
UPDATE t SET a = 11, b = 'ONE' WHERE id = 1;
UPDATE t SET id = 7 WHERE id = 2;
DELETE FROM t WHERE id = 4;
