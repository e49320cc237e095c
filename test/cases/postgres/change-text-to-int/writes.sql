UPDATE t SET a = '12', b = '99' WHERE id = 3;
INSERT INTO t VALUES (6, DEFAULT, '6');
UPDATE t SET id = 8 WHERE id = 1;
