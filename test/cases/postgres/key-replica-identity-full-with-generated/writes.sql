UPDATE t SET a = -a WHERE id % 3 = 0;
INSERT INTO t (id, a) VALUES (500, 7);
UPDATE t SET id = id + 1000 WHERE id % 50 = 0;
UPDATE t SET a = NULL WHERE id = 9;
DELETE FROM t WHERE id = 11;
