UPDATE t SET v = NULL WHERE id = 2;
UPDATE t SET v = v || 'new:1'::tsvector, id = 6 WHERE id = 4;
INSERT INTO t VALUES (7, 'x y z', 'x & y');
