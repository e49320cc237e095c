INSERT INTO t VALUES (4, '"x"');
UPDATE t SET b = '{"b": 2}' WHERE id = 1;
