INSERT INTO t VALUES (5, 50, 'five', 500), (6, NULL, 'six', 600);
UPDATE t SET a = 11, b = 'ONE' WHERE id = 1;
UPDATE t SET id = 7 WHERE id = 2;
DELETE FROM t WHERE id = 4;
