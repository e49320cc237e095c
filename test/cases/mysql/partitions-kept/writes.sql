INSERT INTO t (id, shop, made, note) VALUES (5, 1, '1999-01-01', 'five'), (6, 2, '2029-12-31', 'six');
UPDATE t SET made = '2010-01-01', note = 'moved' WHERE id = 2;
UPDATE t SET shop = 2 WHERE id = 3;
UPDATE t SET note = 'ONE' WHERE id = 1;
DELETE FROM t WHERE id = 4;
