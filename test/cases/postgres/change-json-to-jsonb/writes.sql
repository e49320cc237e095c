UPDATE t SET j = '{"z" : {"y":0.10}}' WHERE id = 1;
UPDATE t SET j = NULL, k = NULL WHERE id = 2;
INSERT INTO t VALUES (6, 'null', ' 1e1 ');
