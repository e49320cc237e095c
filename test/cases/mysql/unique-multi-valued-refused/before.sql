CREATE TABLE t (id INT NOT NULL PRIMARY KEY, j JSON);
INSERT INTO t VALUES (1, '{"tags": [1, 2]}'), (2, '{"tags": [3]}');
