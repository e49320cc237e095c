CREATE TABLE t (id INT NOT NULL PRIMARY KEY, v VARCHAR(40) COLLATE utf8mb4_bin, UNIQUE KEY by_v (v));
INSERT INTO t VALUES (1, 'google'), (2, 'Google'), (3, NULL), (4, NULL);
