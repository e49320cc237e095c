INSERT INTO t (id, a, b) VALUES (4, 40, 'w');
UPDATE t SET a = 11 WHERE id = 1;
UPDATE t SET id = 9 WHERE id = 2;
