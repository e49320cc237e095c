INSERT INTO t VALUES (4, 'Ž', 'œ', 'ü');
UPDATE t SET v = CONCAT(v, 'ß') WHERE id < 3;
