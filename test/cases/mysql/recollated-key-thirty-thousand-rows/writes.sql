UPDATE t SET k = UPPER(k) WHERE n % 10 = 1;
DELETE FROM t WHERE n % 10 = 2;
UPDATE t SET k = CONCAT(k, '-moved') WHERE n % 10 = 3;
UPDATE t SET n = n + 100000 WHERE n % 10 = 4;
UPDATE t SET k = LOWER(k) WHERE n % 10 = 1;
INSERT INTO t VALUES ('Ö new', 1), ('z new', 2), ('Ä new', 3), ('', 4);
