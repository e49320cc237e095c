INSERT INTO t (id, owner_id, region, above, name) VALUES (5, 2, 'fr', 1, 'five');
INSERT INTO part VALUES (4, 5, 'five');
DELETE FROM t WHERE id = 4;
UPDATE t SET id = 30 WHERE id = 3;
UPDATE t SET above = 30 WHERE id = 2;
