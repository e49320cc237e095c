INSERT INTO t VALUES (8, 123.456, 7, 0.1234, 55.55, 1.17549e-38, 3.4e38, 1.5, 4.9e-324, 2.125);
UPDATE t SET f = f * 1.0000001, d = d / 3, big = big - 1 WHERE id IN (3, 7);
UPDATE t SET id = 9 WHERE id = 5;
DELETE FROM t WHERE id = 2;
