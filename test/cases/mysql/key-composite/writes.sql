INSERT INTO t VALUES (99, 'z', '2030-01-01', X'01', 'new');
UPDATE t SET note = 'changed' WHERE a > 10;
UPDATE t SET a = a + 100, c = '2025-01-01 00:00:00.5' WHERE b = 'B';
UPDATE t SET d = X'00FF' WHERE b = '';
DELETE FROM t WHERE b = 'ü';
