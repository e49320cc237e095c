SET session_replication_role = replica;
INSERT INTO t VALUES (1, 1, 'mine');
UPDATE t SET a = -1 WHERE id <= 50;
DELETE FROM t WHERE id > 9900;
SET session_replication_role = origin;
UPDATE t SET a = -2 WHERE id = 60;
