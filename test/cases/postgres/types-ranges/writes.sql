UPDATE t SET i4 = NULL, n = 'empty', mi = NULL WHERE id = 3;
UPDATE t SET mn = '{[1.0,2.0)}' WHERE id = 1;
INSERT INTO t (id, n, tz) VALUES (6, '[1.10,2.200)', '["2024-03-31 01:59:59+00","2024-03-31 02:00:01+00"]');
DELETE FROM t WHERE id = 2;
