SET SESSION sql_mode = '';
UPDATE t SET code = 'A' WHERE shop = 1 AND code = 'a';
UPDATE t SET code = 'ä', n = 40 WHERE code = 'Ä';
DELETE FROM t WHERE shop = 1 AND code = 'B';
INSERT INTO t VALUES (1, 'B', 'y', '2026-01-01 00:00:00.001', 20);
UPDATE t SET shop = 3, code = 'Z' WHERE code = 'z';
