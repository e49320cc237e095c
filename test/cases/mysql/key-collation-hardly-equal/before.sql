CREATE TABLE t (k VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NOT NULL PRIMARY KEY, note INT);
INSERT INTO t VALUES ('resume', 1), ('Strasse', 2), ('x', 3), ('y ', 4);
