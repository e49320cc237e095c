CREATE TABLE t (k VARCHAR(40) COLLATE utf8mb4_bin NOT NULL PRIMARY KEY, n INT);
INSERT INTO t VALUES ('google', 1), ('Google', 2), ('bing', 3);
