UPDATE t SET other = 'moved' WHERE id = 3;
UPDATE t SET id = 100 WHERE id = 4;
UPDATE t SET v = NULL WHERE id = 5;
DELETE FROM t WHERE id = 6;
INSERT INTO t VALUES (6, 'k6', 0);
