UPDATE t SET n = n + 1;
UPDATE t SET id = 100 WHERE id = 1;
UPDATE t SET id = 101, n = 0 WHERE id = 12;
UPDATE t SET e = NULL WHERE id = 2;
UPDATE t SET x = repeat('short', 2) WHERE id = 3;
UPDATE t SET id = id + 1000 WHERE id BETWEEN 4 AND 6;
DELETE FROM t WHERE id = 7;
