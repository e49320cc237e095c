CREATE TABLE t (id INT NOT NULL PRIMARY KEY, j JSON, UNIQUE KEY by_tags ((CAST(j->'$.tags' AS CHAR(20) ARRAY))));
INSERT INTO t VALUES (1, '{"tags": ["a", "b"]}');
