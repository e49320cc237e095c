CREATE TABLE t (k VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NOT NULL PRIMARY KEY, n INT);
INSERT INTO t VALUES ('a', 1), ('b ', 2), ('', 3), ('c  ', 4), ('d', 5);
