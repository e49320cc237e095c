INSERT INTO t VALUES (5, '1999-01-01', 'five'), (6, '2029-12-31', 'six');
UPDATE t SET made = '2010-01-01', note = 'moved' WHERE id = 2;
UPDATE t SET id = 7 WHERE id = 3;
UPDATE t SET note = 'ONE' WHERE id = 1;
DELETE FROM t WHERE id = 4;
INSERT INTO t VALUES (4, '2019-01-01', 'four again');
