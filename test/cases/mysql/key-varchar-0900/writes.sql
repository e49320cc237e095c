INSERT INTO t (k, note) VALUES ('o ', 'new');
UPDATE t SET note = 'changed' WHERE k = 'a ' OR k = 'B';
UPDATE t SET k = 'É', note = 'moved' WHERE k = 'a';
DELETE FROM t WHERE k = 'Ö';
DELETE FROM t WHERE k = 'zebra';
INSERT INTO t (k, note) VALUES ('zebra', 'again');
