INSERT INTO t VALUES (4, 'd', 4);
UPDATE t SET n = 11 WHERE id = 1;
UPDATE t SET id = 9 WHERE code = 'b';
UPDATE t SET code = 'z' WHERE id = 3;
