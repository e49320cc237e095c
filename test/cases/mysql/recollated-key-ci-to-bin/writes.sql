UPDATE t SET k = 'A' WHERE k = 'a';
UPDATE t SET k = 'b', n = 20 WHERE k = 'B';
UPDATE t SET k = 'E' WHERE k = 'é';
UPDATE t SET k = 'È' WHERE k = 'E';
DELETE FROM t WHERE k = 'C';
INSERT INTO t VALUES ('C', 50);
UPDATE t SET n = 51 WHERE k = 'c';
DELETE FROM t WHERE k = 'X Y';
UPDATE t SET k = 'STRASE' WHERE k = 'straße';
