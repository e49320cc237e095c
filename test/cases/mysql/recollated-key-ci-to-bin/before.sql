CREATE TABLE t (k VARCHAR(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NOT NULL PRIMARY KEY, n INT);
INSERT INTO t VALUES ('a', 1), ('B', 2), ('é', 3), ('', 4), ('c', 5), ('x y', 6), ('😀', 7), ('straße', 8);
