INSERT INTO t VALUES ('Ö', 5);
UPDATE t SET k = 'ü' WHERE k = 'a';
UPDATE t SET k = 'É1' WHERE k = 'é1';
DELETE FROM t WHERE n = 3;
