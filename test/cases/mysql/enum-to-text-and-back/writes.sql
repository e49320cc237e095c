INSERT INTO t VALUES (5, 'b', 'y', 'q');
UPDATE t SET e = 'b', s = 'x,y' WHERE id = 1;
