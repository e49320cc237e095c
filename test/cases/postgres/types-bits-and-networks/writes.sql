UPDATE t SET b = NULL, vb = NULL, a = NULL WHERE id = 2;
UPDATE t SET vb = '', a = '192.168.1.5/24' WHERE id = 6;
INSERT INTO t VALUES (7, '01010', '1', '000', '', '::1', '::1', '01:02:03:04:05:06', '01:02:03:04:05:06:07:08');
DELETE FROM t WHERE id = 3;
