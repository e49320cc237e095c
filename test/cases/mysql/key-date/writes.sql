INSERT INTO t (k, note) VALUES ('1999-12-31', 'new');
UPDATE t SET note = 'changed' WHERE k = '9999-12-31' OR k = '2024-02-29';
UPDATE t SET k = '2038-01-20', note = 'moved' WHERE k = '1000-01-01';
DELETE FROM t WHERE k = '2000-01-01';
DELETE FROM t WHERE k = '1970-01-01';
INSERT INTO t (k, note) VALUES ('1970-01-01', 'again');
