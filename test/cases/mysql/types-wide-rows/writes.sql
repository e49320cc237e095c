INSERT INTO t VALUES (30, 'w', REPEAT(X'C3', 2000000), REPEAT('☃', 300000));
UPDATE t SET body = CONCAT(body, X'00') WHERE id IN (1, 12);
UPDATE t SET label = 'small change' WHERE id = 3;
DELETE FROM t WHERE id = 4;
