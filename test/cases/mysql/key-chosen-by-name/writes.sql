UPDATE t SET code = 'd' WHERE id = 1;
UPDATE t SET id = 9 WHERE id = 2;
DELETE FROM t WHERE id = 3;
