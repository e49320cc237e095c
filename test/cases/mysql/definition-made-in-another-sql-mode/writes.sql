INSERT INTO t (id, a, b) VALUES (5, 5, 'five');
UPDATE t SET b = 'ONE' WHERE id = 1;
DELETE FROM t WHERE id = 4;
