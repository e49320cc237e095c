INSERT INTO t (k, note) VALUES (6, 'new');
UPDATE t SET note = 'changed' WHERE k = 2 OR k = 3;
UPDATE t SET k = 7, note = 'moved' WHERE k = 1;
DELETE FROM t WHERE k = 5;
DELETE FROM t WHERE k = 4;
INSERT INTO t (k, note) VALUES (4, 'again');
