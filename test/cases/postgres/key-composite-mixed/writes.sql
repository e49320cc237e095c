UPDATE t SET v = -v WHERE v % 7 = 0;
UPDATE t SET a = upper(a) WHERE v % 11 = 0;
UPDATE t SET c = c + 1.00, g = 'zz' WHERE v % 13 = 1;
UPDATE t SET f = NOT f, d = 'infinity' WHERE v % 17 = 1;
DELETE FROM t WHERE v % 19 = 1;
INSERT INTO t VALUES ('', 'low', 'NaN', '-infinity', '', false, '', 1000), ('''', 'high', -1, '2024-01-01 BC', '\x5c27', true, '"', 1001);
UPDATE t SET v = NULL WHERE v = 50;
