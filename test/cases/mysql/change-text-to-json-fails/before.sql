CREATE TABLE t (id INT NOT NULL PRIMARY KEY, b TEXT);
INSERT INTO t VALUES (1, '{"a": 1}'), (9, '{broken');
