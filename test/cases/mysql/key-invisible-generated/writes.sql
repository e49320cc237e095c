INSERT INTO t VALUES (3, 'z');
UPDATE t SET b = 'changed' WHERE a = 1;
DELETE FROM t WHERE a = 2;
