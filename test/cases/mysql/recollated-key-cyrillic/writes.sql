UPDATE t SET k = 'ПРИВЕТ' WHERE k = 'привет';
UPDATE t SET k = 'ёж' WHERE k = 'Ёж';
DELETE FROM t WHERE k = 'мир';
INSERT INTO t VALUES ('Мир', 6);
UPDATE t SET n = 50 WHERE n = 5;
