UPDATE t SET j = NULL, b = NULL, p = NULL WHERE id = 1;
UPDATE t SET b = '1.0' WHERE id = 3;
UPDATE t SET b = jsonb_set(b, '{x}', '0.00') WHERE id = 9;
UPDATE t SET id = 15 WHERE id = 11;
INSERT INTO t VALUES (16, '{"k" :1}', '{"k" :1}', '$.k');
DELETE FROM t WHERE id = 12;
