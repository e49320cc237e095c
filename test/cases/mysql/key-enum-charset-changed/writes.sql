UPDATE t SET e = 'B' WHERE e = 'é';
DELETE FROM t WHERE e = 'ß';
INSERT INTO t VALUES ('é', '', 5);
