INSERT INTO t (k, note) VALUES ('-00:01:00', 'new');
UPDATE t SET note = 'changed' WHERE k = '838:59:59' OR k = '-00:00:00.5';
UPDATE t SET k = '-00:00:00.01', note = 'moved' WHERE k = '-838:59:59';
DELETE FROM t WHERE k = '12:34:56.78';
DELETE FROM t WHERE k = '00:00:00';
INSERT INTO t (k, note) VALUES ('00:00:00', 'again');
