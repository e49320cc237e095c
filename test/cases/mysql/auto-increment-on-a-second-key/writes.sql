INSERT INTO t (k, note) VALUES ('n', 'new');
UPDATE t SET k = 'd' WHERE k = 'a';
