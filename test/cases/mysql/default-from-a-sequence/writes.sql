INSERT INTO t VALUES (100, 'z');
UPDATE t SET b = 'w' WHERE id = 1;
