INSERT INTO t (k, note) VALUES (60, 'new');
UPDATE t SET note = 'changed' WHERE k = 20 OR k = 30;
UPDATE t SET k = 70, note = 'moved' WHERE k = 10;
DELETE FROM t WHERE k = 50;
DELETE FROM t WHERE k = 40;
INSERT INTO t (k, note) VALUES (40, 'again');
