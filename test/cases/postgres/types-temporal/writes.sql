INSERT INTO t VALUES (10, '0001-01-01', '24:00:00', '00:00', '24:00-15:59:59', '0001-01-01 BC', 'infinity', '-infinity', 'infinity', '1 day', '13 months', '0.999');
UPDATE t SET i = '30 days' WHERE id = 6;
UPDATE t SET i = '1 mon' WHERE id = 7;
UPDATE t SET d = NULL, tm = NULL, tz = NULL, ts = NULL, tstz = NULL, i = NULL WHERE id = 1;
UPDATE t SET id = 11 WHERE id = 2;
UPDATE t SET tstz = '2024-10-27 02:30:00+01' WHERE id = 5;
DELETE FROM t WHERE id = 3;
