UPDATE t SET a = false WHERE v = 2;
INSERT INTO t VALUES (true, false, 4);
UPDATE t SET v = NULL WHERE v = 3;
DELETE FROM t WHERE v = 1;
