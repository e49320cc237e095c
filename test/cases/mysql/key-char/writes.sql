INSERT INTO t (k, note) VALUES ('pad  ', 'new');
UPDATE t SET note = 'changed' WHERE k = 'ab' OR k = 'ü';
UPDATE t SET k = 'Ö', note = 'moved' WHERE k = 'a';
DELETE FROM t WHERE k = 'zz';
DELETE FROM t WHERE k = 'ÿ';
INSERT INTO t (k, note) VALUES ('ÿ', 'again');
