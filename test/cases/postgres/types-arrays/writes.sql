UPDATE t SET i[5] = 5 WHERE id = 2;
UPDATE t SET tx = NULL, i = NULL, m = NULL WHERE id = 3;
UPDATE t SET i = '[5:6]={1,NULL}' WHERE id = 1;
UPDATE t SET id = 6 WHERE id = 5;
INSERT INTO t (id, i, m) VALUES (7, '{2147483647}', '[0:0][0:0]={{9}}');
DELETE FROM t WHERE id = 4;
