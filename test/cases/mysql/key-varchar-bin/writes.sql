INSERT INTO t (k, note) VALUES ('b', 'new');
UPDATE t SET note = 'changed' WHERE k = 'A' OR k = 'ä';
UPDATE t SET k = 'B', note = 'moved' WHERE k = 'a';
DELETE FROM t WHERE k = 'zz';
DELETE FROM t WHERE k = 'Ä';
INSERT INTO t (k, note) VALUES ('Ä', 'again');
