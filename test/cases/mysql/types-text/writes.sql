INSERT INTO t (id, c, x) VALUES (7, 'x\n\r\t', REPEAT('a', 65535));
UPDATE t SET lt = CONCAT(lt, x), v = CONCAT(v, ' ') WHERE id IN (1, 4);
UPDATE t SET id = 8 WHERE id = 5;
DELETE FROM t WHERE id = 2;
