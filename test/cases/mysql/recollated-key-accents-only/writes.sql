UPDATE t SET k = 'côte' WHERE k = 'cote';
UPDATE t SET k = 'côté' WHERE k = 'côte';
UPDATE t SET v = 'changed' WHERE k = 'côté';
UPDATE t SET k = 'mate' WHERE k = 'maté';
DELETE FROM t WHERE k = 'naive';
DELETE FROM t WHERE k = 'o';
INSERT INTO t VALUES ('ö', 7, 'g');
