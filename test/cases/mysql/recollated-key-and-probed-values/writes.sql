UPDATE t SET k = 'A', f = '2.5' WHERE k = 'a';
UPDATE t SET k = 'é' WHERE k = 'É';
DELETE FROM t WHERE k = 'C';
INSERT INTO t VALUES ('C', '3', '{}');
