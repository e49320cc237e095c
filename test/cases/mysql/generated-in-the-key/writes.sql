INSERT INTO t (a, b, note) VALUES (3, 3, 'new');
UPDATE t SET b = 9 WHERE a = 2;
UPDATE t SET note = 'changed' WHERE k = 1001;
DELETE FROM t WHERE k = 1002;
