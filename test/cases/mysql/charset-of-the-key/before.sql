CREATE TABLE t (k VARCHAR(40) CHARACTER SET latin1 COLLATE latin1_swedish_ci NOT NULL PRIMARY KEY, n INT);
INSERT INTO t VALUES ('a', 1), ('é1', 2), ('ß2', 3), ('', 4);
