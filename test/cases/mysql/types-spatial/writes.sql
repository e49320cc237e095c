INSERT INTO t (id, g, p) VALUES (5, ST_GeomFromText('POINT(1.0000000000000002 -0.0)'), ST_GeomFromText('POINT(3 4)', 4326));
UPDATE t SET g = ST_GeomFromText('POINT(9 9)', 4326) WHERE id IN (1, 4);
UPDATE t SET id = 6 WHERE id = 2;
DELETE FROM t WHERE id = 3;
