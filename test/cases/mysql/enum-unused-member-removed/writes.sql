INSERT INTO t VALUES (5, 'b', 'y');
UPDATE t SET e = 'b', s = 'x,y' WHERE id = 1;
UPDATE t SET id = 7 WHERE id = 2;
DELETE FROM t WHERE id = 4;
