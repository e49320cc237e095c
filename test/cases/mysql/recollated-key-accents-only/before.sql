CREATE TABLE t (k VARCHAR(20) CHARACTER SET utf8mb3 COLLATE utf8mb3_bin NOT NULL, n INT, v VARCHAR(20) CHARACTER SET utf8mb3, PRIMARY KEY (k)) DEFAULT CHARSET utf8mb3;
INSERT INTO t VALUES ('cote', 1, 'a'), ('maté', 2, 'b'), ('naïve', 3, 'c'), ('ø', 4, 'd'), ('o', 5, 'e'), ('中', 6, 'f');
