INSERT INTO t VALUES (4, 'c', 'ß', 'ü');
UPDATE t SET e = 'ü', s = 'ß' WHERE id = 3;
