SET SESSION sql_mode = '';
INSERT INTO t VALUES (2, 6, 1, 2, 6), (7, 7, 1, 'none', 7), (2, 8, 1, 2, 8);
UPDATE t SET s = 1, e = 2, v = 9 WHERE k = 3;
UPDATE t SET k = 2 WHERE k = 1;
UPDATE t SET k = 0 WHERE k = 6;
DELETE FROM t WHERE k = 2 AND n IN (2, 8);
