CREATE TABLE t (k VARCHAR(40) CHARACTER SET latin1 COLLATE latin1_swedish_ci NOT NULL PRIMARY KEY, n INT, v VARCHAR(10) DEFAULT 'd');
INSERT INTO t VALUES ('a', 1, 'x'), ('é', 2, 'y'), ('Z', 3, NULL), ('ÿ', 4, ''), ('€', 5, 'z');
