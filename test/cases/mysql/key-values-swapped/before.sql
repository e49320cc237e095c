CREATE TABLE t (id INT NOT NULL PRIMARY KEY, note VARCHAR(20));
INSERT INTO t VALUES (1, 'one'), (2, 'two'), (3, 'three'), (4, 'four');
