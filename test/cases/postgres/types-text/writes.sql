INSERT INTO t VALUES (11, E'\\x', '  ', '  a', 'n', '~', 'abc', 'z', 'z');
UPDATE t SET a = NULL, v = NULL, c = NULL, n = NULL, q = NULL, x = NULL, s = NULL, b = NULL WHERE id = 3;
UPDATE t SET x = 'abc', v = 'trail' WHERE id = 6;
UPDATE t SET v = '' WHERE id = 7;
UPDATE t SET id = 12 WHERE id = 8;
UPDATE t SET a = 'é' WHERE id = 5;
DELETE FROM t WHERE id = 4;
