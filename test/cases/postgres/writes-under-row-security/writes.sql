SET ROLE pg_monitor;
UPDATE t SET b = 'seen';
DELETE FROM t;
INSERT INTO t VALUES (1, 150, 'new');
UPDATE t SET a = 99, id = id + 5 WHERE id = 20;
RESET ROLE;
UPDATE t SET a = 500 WHERE id = 30;
