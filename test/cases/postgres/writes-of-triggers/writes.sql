UPDATE t SET a = -1 WHERE id % 50 = 0;
INSERT INTO t VALUES (1, 1, 'new');
UPDATE t SET id = 2 WHERE id = 1;
