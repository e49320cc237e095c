INSERT INTO t (k, note) VALUES (16777214, 'new');
UPDATE t SET note = 'changed' WHERE k = 8388608 OR k = 16777215;
UPDATE t SET k = 3, note = 'moved' WHERE k = 0;
DELETE FROM t WHERE k = 77;
DELETE FROM t WHERE k = 8388607;
INSERT INTO t (k, note) VALUES (8388607, 'again');
