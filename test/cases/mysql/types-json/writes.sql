INSERT INTO t VALUES (9, '{"new": [1, 2.50]}', '1.10');
UPDATE t SET j = JSON_SET(j, '$.a', 2.5, '$.new', 'x') WHERE id IN (1, 5);
UPDATE t SET j = JSON_REPLACE(j, '$[0]', JSON_ARRAY(1, 2)) WHERE id = 4;
UPDATE t SET id = 10 WHERE id = 6;
DELETE FROM t WHERE id = 2;
