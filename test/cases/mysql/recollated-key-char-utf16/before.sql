CREATE TABLE t (k CHAR(12) CHARACTER SET utf16 COLLATE utf16_general_ci NOT NULL PRIMARY KEY, n INT);
INSERT INTO t VALUES ('a', 1), ('B ', 2), ('é', 3), ('', 4), ('😀', 5), ('zz', 6);
