INSERT INTO t (k, note) VALUES ('192.168.0.1', 'new');
UPDATE t SET note = 'changed' WHERE k = '10.0.0.1' OR k = '255.255.255.255';
UPDATE t SET k = '192.168.0.2', note = 'moved' WHERE k = '0.0.0.0';
DELETE FROM t WHERE k = '9.9.9.9';
DELETE FROM t WHERE k = '127.0.0.1';
INSERT INTO t (k, note) VALUES ('127.0.0.1', 'again');
