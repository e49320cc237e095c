INSERT INTO t VALUES (4, '{"tags": [7]}');
UPDATE t SET j = '{"tags": [1]}' WHERE id = 1;
