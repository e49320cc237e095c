UPDATE t SET d = '2025-12-31', f = -f / 7, b = b || b, day = '05/06/2026' WHERE id % 3 = 0;
INSERT INTO t VALUES (30, '2024-01-30', '2024-01-30', '\x00', 1e100 / 3, '\x01', 5, '1/2/2026', NULL);
DELETE FROM t WHERE id = 7;
