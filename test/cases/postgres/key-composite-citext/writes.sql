UPDATE t SET a = upper(a::text) WHERE v % 4 = 0;
UPDATE t SET c = 'zz', v = 100 + v WHERE v % 7 = 0;
DELETE FROM t WHERE v % 11 = 1;
INSERT INTO t VALUES ('E', 1, '', 200);
