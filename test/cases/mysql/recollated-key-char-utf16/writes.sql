UPDATE t SET k = 'A' WHERE k = 'a';
UPDATE t SET k = 'b' WHERE k = 'b';
UPDATE t SET k = 'E' WHERE k = 'é';
DELETE FROM t WHERE k = 'ZZ';
INSERT INTO t VALUES ('Zz', 7);
DELETE FROM t WHERE n = 5;
