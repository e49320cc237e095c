INSERT INTO t (k, note) VALUES ('fe80::1', 'new');
UPDATE t SET note = 'changed' WHERE k = '::1' OR k = 'ffff::';
UPDATE t SET k = '2001:db8::2', note = 'moved' WHERE k = '::';
DELETE FROM t WHERE k = '::ffff:192.0.2.1';
DELETE FROM t WHERE k = '2001:db8::1';
INSERT INTO t (k, note) VALUES ('2001:db8::1', 'again');
