INSERT INTO t VALUES (4, ST_GeomFromText('POINT(1 2)', 4326), ST_GeomFromText('POLYGON((0 0, 2 0, 2 2, 0 0))'), 'd');
UPDATE t SET p = ST_GeomFromText('POINT(3 3)', 4326), note = 'moved' WHERE id = 1;
DELETE FROM t WHERE id = 2;
